import type { Allocate, Floats, Rotary } from '../contract.js';

/**
 * (x₁, x₂) → (x₁·cos − x₂·sin, x₁·sin + x₂·cos) for every pair of every head.
 * x (rows × numHeads·headDim), cos and sin (rows × dim/2); columns from dim on are copied.
 */
export function rotary(allocate: Allocate, problem: Rotary): Floats {
  const { x, rows, numHeads, headDim, dim, interleaved, cos, sin } = problem;
  const out = allocate(x.length);
  out.set(x);
  const half = dim / 2;
  const [pairStride, partner] = interleaved ? [2, 1] : [1, half];
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < numHeads; h++) {
      const head = (r * numHeads + h) * headDim;
      for (let p = 0; p < half; p++) {
        const first = head + p * pairStride;
        const second = first + partner;
        const [c, s] = [cos[r * half + p], sin[r * half + p]];
        out[first] = x[first] * c - x[second] * s;
        out[second] = x[first] * s + x[second] * c;
      }
    }
  }
  return out;
}
