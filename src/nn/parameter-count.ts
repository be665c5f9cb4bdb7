import type { HeadShape } from './attention/heads.js';

// Entries of the weights of a layer, known before any is made. Biases and gains are left out: rows beside matrices.

/** W_Q, W_K and W_V. */
export function projectionEntries({ numHeads, numKvHeads, dK, dV }: HeadShape, q: number, k = q, v = q): number {
  return q * numHeads * dK + k * numKvHeads * dK + v * numKvHeads * dV;
}

/** W_1 and W_2, and W_3 where the activation is gated. */
export function feedForwardEntries(dModel: number, dHidden: number, activation?: string): number {
  return (activation === 'swiglu' ? 3 : 2) * dModel * dHidden;
}
