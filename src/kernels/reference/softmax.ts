import type { Allocate, Floats } from '../contract.js';

/** softmax of every row: e^{x−max} / Σ e^{x−max}. A row that is all −∞ gives zeros; NaN or +∞ makes its row NaN. */
export function softmax(allocate: Allocate, x: Floats, rows: number, cols: number): Floats {
  const out = allocate(x.length);
  for (let r = 0; r < rows; r++) {
    const row = r * cols;
    let max = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < cols; c++) max = Math.max(max, x[row + c]); // Math.max keeps NaN
    if (max === Number.NEGATIVE_INFINITY) continue;
    let sum = 0;
    for (let c = 0; c < cols; c++) sum += Math.exp(x[row + c] - max);
    for (let c = 0; c < cols; c++) out[row + c] = Math.exp(x[row + c] - max) / sum;
  }
  return out;
}
