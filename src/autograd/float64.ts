import { withKernels } from '../kernels/state.js';

/** Runs f with operations that compute and store 64-bit numbers; the kernels from before come back, however it ends. */
export function inFloat64<Result>(f: () => Result): Result {
  return withKernels('float64', f);
}
