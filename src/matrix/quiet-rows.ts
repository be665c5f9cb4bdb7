import type { Floats } from '../kernels/contract.js';

// A row (of a product: a column, too) whose gradient is exactly 0 adds nothing to any gradient, whatever it holds: padding
// that no query attends to and no loss counts may be NaN. The kernels multiply without looking, and 0 · NaN is NaN; where
// that came out, the backwards look again, without those rows. Finite data pay for a look at one entry a row.

/** Whether one of the entries 0, stride, 2·stride … is NaN: a row that was multiplied by a NaN or by 0 · ∞ is NaN in all. */
export function hasNaN(x: Floats, stride: number, count = x.length / stride): boolean {
  for (let i = 0; i < count; i++) if (Number.isNaN(x[i * stride])) return true;
  return false;
}

/** The rows of dY (rows × cols) that are exactly 0. */
export function quietRows(dY: Floats, rows: number, cols: number): number[] {
  const quiet: number[] = [];
  for (let r = 0; r < rows; r++) {
    let c = 0;
    while (c < cols && dY[r * cols + c] === 0) c++;
    if (c === cols) quiet.push(r);
  }
  return quiet;
}

/** A copy of x with 0 in these rows. */
export function withoutRows(x: Floats, rows: readonly number[], cols: number): Floats {
  const out = x.slice();
  for (const r of rows) out.fill(0, r * cols, (r + 1) * cols);
  return out;
}

/** dX, new from the kernels, with 0 in the rows of dY that are: for operations in which a row depends on no other. */
export function quieted(dX: Floats, dY: Floats, { rows, cols }: { rows: number; cols: number }): Floats {
  for (const r of quietRows(dY, rows, cols)) dX.fill(0, r * cols, (r + 1) * cols);
  return dX;
}
