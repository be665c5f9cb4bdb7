// kernels/wasm/calls: copies arguments in, runs kernels, copies results out; one file a family. Computes nothing itself
// that grows with the data.

import type { Gemm } from '../../contract.js';
import type { Runtime } from '../module/launch.js';
import { EDGE_BYTES, NR } from '../module/product-tile.js';
import * as entries from '../module/products.generated.js';

/**
 * Up to so many rows read B where it lies; more pack it first. Packing 768×768 costs as much as 20 rows of the product:
 * 16 rows 540 µs unpacked against 687, 24 rows 825 against 768.
 */
const UNPACKED_ROWS = 20;

/** C = op(A) · op(B), every element in one order of summation whatever the shape. */
export function gemm(runtime: Runtime, problem: Gemm): Float32Array {
  const { memory } = runtime;
  const { m, n, k, transposeA = false, transposeB = false } = problem;
  if (m * n * k === 0) return new Float32Array(m * n);
  memory.enter();
  const c = memory.reserve(m * n * 4);
  const [a, b] = [memory.copyIn(problem.a), memory.copyIn(problem.b)];
  const [lda, ldb, ldc] = [(transposeA ? m : k) * 4, (transposeB ? k : n) * 4, n * 4];
  if (m === 1 && !transposeB) {
    entries.gemv1(runtime, { a, lda: k * 4, b, ldb, c, ldc, k }, n, ldc);
  } else if (m === 2 && !transposeA && !transposeB) {
    entries.gemv2(runtime, { a, lda, b, ldb, c, ldc, k }, n, 2 * ldc);
  } else if (m <= UNPACKED_ROWS && !transposeA && !transposeB) {
    entries.gemmRowsRows(runtime, { a, lda, b, ldb, c, ldc, n, k, accumulate: 0 }, m, EDGE_BYTES);
  } else {
    const panels = Math.ceil(n / NR);
    const packed = memory.reserve(panels * NR * k * 4);
    const pack = transposeB ? entries.packColumns : entries.packRows;
    pack(runtime, { b, ldb, out: packed, n, k }, panels);
    const product = transposeA ? entries.gemmTransposedPacked : entries.gemmRowsPacked;
    product(runtime, { a, lda, b: packed, ldb: k, c, ldc, n, k, accumulate: 0 }, m, EDGE_BYTES);
  }
  return memory.copyOut(c, m * n);
}
