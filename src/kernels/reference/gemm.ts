// kernels/reference: the specification, as plain loops that read like the formulas. Knows nothing of the twins that must
// agree with it, and nothing of speed.

import type { Allocate, Floats, Gemm } from '../contract.js';

/** C = op(A) · op(B), k ascending. Row-major; op transposes on request. */
export function gemm(allocate: Allocate, problem: Gemm): Floats {
  const { m, n, k, a, b, transposeA = false, transposeB = false } = problem;
  const c = allocate(m * n);
  const [aRow, aCol] = transposeA ? [1, m] : [k, 1];
  const [bRow, bCol] = transposeB ? [1, k] : [n, 1];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a[i * aRow + p * aCol] * b[p * bRow + j * bCol];
      c[i * n + j] = sum;
    }
  }
  return c;
}
