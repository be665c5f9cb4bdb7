import { withKernels } from '../kernels/state.js';

/** Runs f with operations that compute in and store float64; afterwards, even if f throws, the earlier kernels are back. */
export function inFloat64<Result>(f: () => Result): Result {
  return withKernels('float64', f);
}
