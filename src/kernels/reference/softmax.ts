import type { Allocate, Floats } from '../contract.js';

/** softmax of every row: e^{x−max} / Σ e^{x−max}. A row that is all −∞ gives zeros; NaN or +∞ makes its row NaN. */
export function softmax(allocate: Allocate, x: Floats, rows: number, cols: number): Floats {
  const out = allocate(x.length);
  for (let r = 0; r < rows; r++) {
    const row = r * cols;
    const [max, sum] = maxAndSum(x, row, cols);
    if (max === Number.NEGATIVE_INFINITY) continue;
    for (let c = 0; c < cols; c++) out[row + c] = Math.exp(x[row + c] - max) / sum;
  }
  return out;
}

/** dX = Y ∘ (dY − Σ Y∘dY), a row at a time; where Y is 0 so is dX, whatever dY holds. */
export function softmaxBackward(allocate: Allocate, y: Floats, dY: Floats, rows: number, cols: number): Floats {
  const dX = allocate(y.length);
  for (let r = 0; r < rows; r++) {
    const row = r * cols;
    let dot = 0;
    for (let c = 0; c < cols; c++) if (y[row + c] !== 0) dot += y[row + c] * dY[row + c];
    for (let c = 0; c < cols; c++) if (y[row + c] !== 0) dX[row + c] = y[row + c] * (dY[row + c] - dot);
  }
  return dX;
}

/** x − m − log Σ e^{x−m} of every row. A row that is all −∞ stays so. */
export function logSoftmax(allocate: Allocate, x: Floats, rows: number, cols: number): Floats {
  const out = allocate(x.length);
  for (let r = 0; r < rows; r++) {
    const row = r * cols;
    const [max, sum] = maxAndSum(x, row, cols);
    const logSum = Math.log(sum);
    for (let c = 0; c < cols; c++) {
      out[row + c] = max === Number.NEGATIVE_INFINITY ? max : x[row + c] - max - logSum;
    }
  }
  return out;
}

/** dX = dY − e^Y·Σ dY, a row at a time; where Y is −∞ dX is 0. */
export function logSoftmaxBackward(allocate: Allocate, y: Floats, dY: Floats, rows: number, cols: number): Floats {
  const dX = allocate(y.length);
  for (let r = 0; r < rows; r++) {
    const row = r * cols;
    const counts = (c: number) => y[row + c] !== Number.NEGATIVE_INFINITY;
    let total = 0;
    for (let c = 0; c < cols; c++) if (counts(c)) total += dY[row + c];
    for (let c = 0; c < cols; c++) if (counts(c)) dX[row + c] = dY[row + c] - Math.exp(y[row + c]) * total;
  }
  return dX;
}

/** m and Σ e^{x−m} of the `cols` entries from `start`; a row of −∞ has m = −∞ and sum 0. */
export function maxAndSum(x: Floats, start: number, cols: number): [max: number, sum: number] {
  let max = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < cols; c++) max = Math.max(max, x[start + c]); // Math.max keeps NaN
  if (max === Number.NEGATIVE_INFINITY) return [max, 0];
  let sum = 0;
  for (let c = 0; c < cols; c++) sum += Math.exp(x[start + c] - max);
  return [max, sum];
}
