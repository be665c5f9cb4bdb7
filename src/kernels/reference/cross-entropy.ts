import type { Allocate, CrossEntropy, CrossEntropyResult, Floats } from '../contract.js';
import { maxAndSum } from './softmax.js';

// Cross-entropy with log-softmax inside: for a counted row with target y and ε of smoothing
//   loss = log s + (1 − ε)·(m − z_y) + ε/cols · Σ_c (m − z_c);  ∂loss/∂z_c = e^{z_c−m}/s − (1 − ε)·[c = y] − ε/cols

/** The mean over the counted rows; m and s of every row. */
export function crossEntropy(allocate: Allocate, problem: CrossEntropy): CrossEntropyResult {
  const { logits, rows, cols, targets, ignoreIndex, labelSmoothing } = problem;
  const result = { loss: allocate(1), max: allocate(rows), sum: allocate(rows) };
  let total = 0;
  for (let r = 0; r < rows; r++) {
    const [max, sum] = maxAndSum(logits, r * cols, cols);
    result.max[r] = max;
    result.sum[r] = sum;
    if (targets[r] === ignoreIndex) continue;
    let spread = 0;
    for (let c = 0; labelSmoothing > 0 && c < cols; c++) spread += (max - logits[r * cols + c]) / cols;
    const smoothed = labelSmoothing > 0 ? labelSmoothing * spread : 0;
    const own = labelSmoothing < 1 ? (1 - labelSmoothing) * (max - logits[r * cols + targets[r]]) : 0;
    total += Math.log(sum) + own + smoothed;
  }
  const counted = countedRows(problem);
  result.loss[0] = counted === 0 ? 0 : total / counted;
  return result;
}

/** dLogits (rows × cols); a row that does not count has 0. */
export function crossEntropyBackward(
  allocate: Allocate,
  problem: CrossEntropy,
  { max, sum }: Omit<CrossEntropyResult, 'loss'>,
  dLoss: Floats,
): Floats {
  const { logits, rows, cols, targets, ignoreIndex, labelSmoothing } = problem;
  const dLogits = allocate(logits.length);
  const dRow = dLoss[0] / countedRows(problem);
  for (let r = 0; r < rows; r++) {
    if (targets[r] === ignoreIndex) continue;
    for (let c = 0; c < cols; c++) {
      const wanted = (c === targets[r] ? 1 - labelSmoothing : 0) + labelSmoothing / cols;
      dLogits[r * cols + c] = (Math.exp(logits[r * cols + c] - max[r]) / sum[r] - wanted) * dRow;
    }
  }
  return dLogits;
}

function countedRows({ rows, targets, ignoreIndex }: CrossEntropy): number {
  let counted = 0;
  for (let r = 0; r < rows; r++) if (targets[r] !== ignoreIndex) counted++;
  return counted;
}
