// kernels/wasm/calls: copies arguments in, runs kernels, copies results out; one file a family. Computes nothing itself
// that grows with the data.

import type { Floats, Gemm } from '../../contract.js';
import type { Runtime } from '../module/loader.js';

/** Columns of a packed panel, rows of the register tile (emit/gemm.ts). */
const PANEL = 8;
const EDGE_BYTES = 128;

/**
 * Up to so many rows read B where it lies; more pack it first. Packing 768×768 costs as much as 20 rows of the product:
 * 16 rows 540 µs unpacked against 687, 24 rows 825 against 768.
 */
const UNPACKED_ROWS = 20;

/** C = alpha · op(A) · op(B) + beta · C, every element in one order of summation whatever the shape. */
export function gemm(runtime: Runtime, problem: Gemm): Floats {
  const { m, n, k, alpha = 1, beta = 0 } = problem;
  const product = m * n * k === 0 ? new Float32Array(m * n) : multiply(runtime, problem);
  if (alpha === 1 && beta === 0 && problem.c === undefined) return product;
  const c = problem.c ?? product;
  for (let i = 0; i < product.length; i++) {
    c[i] = beta === 0 ? alpha * product[i] : alpha * product[i] + beta * c[i];
  }
  return c;
}

function multiply({ memory, exports }: Runtime, problem: Gemm): Float32Array {
  const { m, n, k, transposeA = false, transposeB = false } = problem;
  memory.enter();
  const c = memory.reserve(m * n * 4);
  const scratch = memory.reserve(EDGE_BYTES);
  const a = memory.copyIn(problem.a);
  const b = memory.copyIn(problem.b);
  const lda = (transposeA ? m : k) * 4;
  const layoutA = transposeA ? 'transposed' : 'rows';
  if (m === 1 && !transposeB) {
    exports.gemv1(a, k * 4, b, n * 4, c, n * 4, n, k, memory.reserve(n * 4));
  } else if (m === 2 && !transposeA && !transposeB) {
    exports.gemv2(a, lda, b, n * 4, c, n * 4, n, k, memory.reserve(2 * n * 4));
  } else if (m <= UNPACKED_ROWS && !transposeA && !transposeB) {
    exports.gemm_rows_rows(a, lda, b, n * 4, c, n * 4, 0, m, n, k, 0, scratch);
  } else {
    const panels = Math.ceil(n / PANEL);
    const packed = memory.reserve(panels * PANEL * k * 4);
    exports[transposeB ? 'pack_columns' : 'pack_rows'](b, (transposeB ? k : n) * 4, packed, n, k, 0, panels);
    exports[`gemm_${layoutA}_packed`](a, lda, packed, k, c, n * 4, 0, m, n, k, 0, scratch);
  }
  return memory.copyOut(c, m * n);
}
