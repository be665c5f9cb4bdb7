import type { Allocate, Floats } from '../contract.js';

// How the reference adds up, and with it the choice 'javascript': every sum, however long, in float64, its terms in the
// order the formula names, rounded once, as it is stored. So n terms err by n·2^−53 of Σ|terms|, and by 2^−24 of the
// result. A sum that grows entry by entry, over rows or over calls of a loop, grows in a Float64Array beside the result.
// (The WASM kernels sum in float32, in blocks: wasm/summation.ts.)

/** The sums, rounded into an array of the kernels. */
export function rounded(allocate: Allocate, sums: Float64Array): Floats {
  const out = allocate(sums.length);
  out.set(sums);
  return out;
}
