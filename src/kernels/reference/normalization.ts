import type { Allocate, LayerNormResult, Normalization, RmsNormResult } from '../contract.js';

/** (x − mean) / √(variance + ε) · gain + bias, a row at a time; the variance is the biased one. Two passes. */
export function layerNorm(allocate: Allocate, problem: Normalization): LayerNormResult {
  const { x, rows, cols, gain, bias, epsilon } = problem;
  const result = { out: allocate(x.length), mean: allocate(rows), inverseStd: allocate(rows) };
  for (let r = 0; r < rows; r++) {
    let mean = 0;
    for (let c = 0; c < cols; c++) mean += x[r * cols + c] / cols;
    let variance = 0;
    for (let c = 0; c < cols; c++) variance += (x[r * cols + c] - mean) ** 2 / cols;
    const inverseStd = 1 / Math.sqrt(variance + epsilon);
    for (let c = 0; c < cols; c++) {
      result.out[r * cols + c] = (x[r * cols + c] - mean) * inverseStd * (gain ? gain[c] : 1) + (bias ? bias[c] : 0);
    }
    result.mean[r] = mean;
    result.inverseStd[r] = inverseStd;
  }
  return result;
}

/** x / √(mean(x²) + ε) · gain, a row at a time. */
export function rmsNorm(allocate: Allocate, problem: Normalization): RmsNormResult {
  const { x, rows, cols, gain, epsilon } = problem;
  const result = { out: allocate(x.length), inverseRms: allocate(rows) };
  for (let r = 0; r < rows; r++) {
    let meanSquare = 0;
    for (let c = 0; c < cols; c++) meanSquare += x[r * cols + c] ** 2 / cols;
    const inverseRms = 1 / Math.sqrt(meanSquare + epsilon);
    for (let c = 0; c < cols; c++) result.out[r * cols + c] = x[r * cols + c] * inverseRms * (gain ? gain[c] : 1);
    result.inverseRms[r] = inverseRms;
  }
  return result;
}
