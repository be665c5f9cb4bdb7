import type { HeadShape } from './attention/heads.js';

// The number of entries in a layer's weights, known before any is allocated. Biases and gains, single rows, are left out.

/** Entries of W_Q, W_K and W_V. @param q  the width of the input of Q; k and v likewise */
export function projectionEntries({ numHeads, numKvHeads, dK, dV }: HeadShape, q: number, k = q, v = q): number {
  return q * numHeads * dK + k * numKvHeads * dK + v * numKvHeads * dV;
}

/** Entries of W_1 and W_2, and of W_3 if the activation is gated. */
export function feedForwardEntries(dModel: number, dHidden: number, activation?: string): number {
  return (activation === 'swiglu' ? 3 : 2) * dModel * dHidden;
}
