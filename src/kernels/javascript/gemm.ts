// kernels/javascript: what the plain loops do too slowly where there is no WebAssembly SIMD. Knows the contract, not WASM.

import type { Allocate, Floats, Gemm } from '../contract.js';

// C = op(A) · op(B) for engines without WASM SIMD. A and B are copied into Float64Array panels, so that
// the loop reads both in order and no float32 is widened in it; sums are doubles over all of k, ascending, rounded once.

/** Register tile: 8 sums, 4 + 2 factors. 512³ runs at 3 times the plain loop (4×4 and 2×2 tiles are slower). */
const ROWS = 4;
const COLUMNS = 2;

export function gemm(allocate: Allocate, problem: Gemm): Floats {
  const { m, n, k, a, b, transposeA = false, transposeB = false } = problem;
  const c = allocate(m * n);
  const aPanel = new Float64Array(ROWS * k);
  const bPanels = new Float64Array(Math.ceil(n / COLUMNS) * COLUMNS * k);
  for (let j = 0; j < n; j += COLUMNS) {
    const width = Math.min(COLUMNS, n - j);
    pack(b, transposeB ? j * k : j, transposeB ? 1 : n, transposeB ? k : 1, k, width, COLUMNS, bPanels, j * k);
  }
  const tile = new Float64Array(ROWS * COLUMNS);
  for (let i = 0; i < m; i += ROWS) {
    const height = Math.min(ROWS, m - i);
    pack(a, transposeA ? i : i * k, transposeA ? m : 1, transposeA ? 1 : k, k, height, ROWS, aPanel, 0);
    for (let j = 0; j < n; j += COLUMNS) {
      multiplyTile(aPanel, bPanels, j * k, k, tile);
      const width = Math.min(COLUMNS, n - j);
      for (let r = 0; r < height; r++) {
        for (let s = 0; s < width; s++) c[(i + r) * n + j + s] = tile[r * COLUMNS + s];
      }
    }
  }
  return c;
}

/** panel[start + p·size + i] = x[from + p·inner + i·outer] for i < count, 0 from there to size; p < k. */
function pack(
  x: Floats,
  from: number,
  inner: number,
  outer: number,
  k: number,
  count: number,
  size: number,
  panel: Float64Array,
  start: number,
): void {
  for (let i = 0; i < size; i++) {
    let source = from + i * outer;
    for (let p = 0; p < k; p++) {
      panel[start + p * size + i] = i < count ? x[source] : 0;
      source += inner;
    }
  }
}

/** tile (ROWS × COLUMNS) = panel of A · panel of B; two terms a turn. */
function multiplyTile(a: Float64Array, b: Float64Array, bStart: number, k: number, tile: Float64Array): void {
  let s00 = 0;
  let s01 = 0;
  let s10 = 0;
  let s11 = 0;
  let s20 = 0;
  let s21 = 0;
  let s30 = 0;
  let s31 = 0;
  let ia = 0;
  let ib = bStart;
  const even = k - (k % 2);
  for (let p = 0; p < even; p += 2) {
    const b0 = b[ib];
    const b1 = b[ib + 1];
    const b2 = b[ib + 2];
    const b3 = b[ib + 3];
    const a0 = a[ia];
    const a4 = a[ia + 4];
    s00 = s00 + a0 * b0 + a4 * b2;
    s01 = s01 + a0 * b1 + a4 * b3;
    const a1 = a[ia + 1];
    const a5 = a[ia + 5];
    s10 = s10 + a1 * b0 + a5 * b2;
    s11 = s11 + a1 * b1 + a5 * b3;
    const a2 = a[ia + 2];
    const a6 = a[ia + 6];
    s20 = s20 + a2 * b0 + a6 * b2;
    s21 = s21 + a2 * b1 + a6 * b3;
    const a3 = a[ia + 3];
    const a7 = a[ia + 7];
    s30 = s30 + a3 * b0 + a7 * b2;
    s31 = s31 + a3 * b1 + a7 * b3;
    ia += 2 * ROWS;
    ib += 2 * COLUMNS;
  }
  if (even < k) {
    const b0 = b[ib];
    const b1 = b[ib + 1];
    s00 += a[ia] * b0;
    s01 += a[ia] * b1;
    s10 += a[ia + 1] * b0;
    s11 += a[ia + 1] * b1;
    s20 += a[ia + 2] * b0;
    s21 += a[ia + 2] * b1;
    s30 += a[ia + 3] * b0;
    s31 += a[ia + 3] * b1;
  }
  tile[0] = s00;
  tile[1] = s01;
  tile[2] = s10;
  tile[3] = s11;
  tile[4] = s20;
  tile[5] = s21;
  tile[6] = s30;
  tile[7] = s31;
}
