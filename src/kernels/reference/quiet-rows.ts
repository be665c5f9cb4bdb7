import type { Allocate, Floats } from '../contract.js';

// A row (of a product: a column, too) whose gradient is exactly 0 adds nothing to any gradient, whatever it holds: padding
// that no query attends to and no loss counts may be NaN. The kernels multiply without looking, and 0 · NaN is NaN; where
// that came out, the backwards look again, without those rows. Finite data pay for a look at one entry per row.

/** Whether one of the entries 0, stride, 2·stride … is NaN, of the first `count` of them. */
export function hasNaN(x: Floats, stride: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (Number.isNaN(x[i * stride])) return true;
  return false;
}

/** The rows of dY (rows × cols) that are exactly 0. */
export function quietRows(dY: Floats, rows: number, cols: number): Int32Array {
  const quiet: number[] = [];
  for (let r = 0; r < rows; r++) if (isQuiet(dY, r, cols)) quiet.push(r);
  return Int32Array.from(quiet);
}

function isQuiet(dY: Floats, row: number, cols: number): boolean {
  const end = (row + 1) * cols;
  let at = row * cols;
  while (at < end && dY[at] === 0) at++;
  return at === end;
}

/** A copy of x (… × cols) with 0 in these rows. */
export function withoutRows(allocate: Allocate, x: Floats, rows: Int32Array, cols: number): Floats {
  const out = allocate(x.length);
  out.set(x);
  for (const r of rows) out.fill(0, r * cols, (r + 1) * cols);
  return out;
}

/** dX (rows × cols) itself, with 0 in the rows of dY that are 0. */
export function quieted(dX: Floats, dY: Floats, rows: number, cols: number): Floats {
  for (let r = 0; r < rows; r++) if (isQuiet(dY, r, cols)) dX.fill(0, r * cols, (r + 1) * cols);
  return dX;
}
