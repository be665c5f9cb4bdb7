import type { Floats } from '../kernels/contract.js';
import { layouts, products } from '../kernels/families.js';
import { table } from '../kernels/state.js';

// One row or column in the place of many, and back: repeats are copies, to the sign of a zero; sums over what was repeated
// are products with ones, with their error and their bits.

/** (rows × cols), every row of which is x (1 × cols). */
export function repeatedRow(x: Floats, rows: number, cols: number): Floats {
  return layouts().gatherRows(x, cols, new Int32Array(rows)); // row 0 each time
}

/** (rows × cols), every column of which is x (rows × 1). */
export function repeatedColumn(x: Floats, rows: number, cols: number): Floats {
  return layouts().transpose(repeatedRow(x, cols, rows), cols, rows);
}

const ones = (count: number): Floats => table(count).fill(1);

/** The sum of every column of x (rows × cols), (1 × cols). */
export function columnSums(x: Floats, rows: number, cols: number): Floats {
  return products().gemm({ m: 1, n: cols, k: rows, a: ones(rows), b: x });
}

/** The sum of every row of x (rows × cols), (rows × 1). */
export function rowSums(x: Floats, rows: number, cols: number): Floats {
  return products().gemm({ m: rows, n: 1, k: cols, a: x, b: ones(cols) });
}
