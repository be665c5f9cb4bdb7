import type {
  Allocate,
  LayerNormBackward,
  LayerNormGradients,
  LayerNormResult,
  Normalization,
  RmsNormBackward,
  RmsNormGradients,
  RmsNormResult,
} from '../contract.js';
import { rounded } from './sums.js';

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

/**
 * With n = (x − mean)·inverseStd and dN = dOut ∘ gain: dX = inverseStd·(dN − mean(dN) − n·mean(dN∘n)),
 * dGain = Σ rows dOut∘n, dBias = Σ rows dOut.
 */
export function layerNormBackward(allocate: Allocate, problem: LayerNormBackward): LayerNormGradients {
  const { x, rows, cols, gain, mean, inverseStd, dOut } = problem;
  const dX = allocate(x.length);
  const [dGain, dBias] = [new Float64Array(cols), new Float64Array(cols)];
  for (let r = 0; r < rows; r++) {
    const normal = (c: number) => (x[r * cols + c] - mean[r]) * inverseStd[r];
    const dNormal = (c: number) => dOut[r * cols + c] * (gain ? gain[c] : 1);
    let [meanD, meanDN] = [0, 0];
    for (let c = 0; c < cols; c++) {
      meanD += dNormal(c) / cols;
      meanDN += (dNormal(c) * normal(c)) / cols;
      dGain[c] += dOut[r * cols + c] * normal(c);
      dBias[c] += dOut[r * cols + c];
    }
    for (let c = 0; c < cols; c++) dX[r * cols + c] = inverseStd[r] * (dNormal(c) - meanD - normal(c) * meanDN);
  }
  return { dX, dGain: rounded(allocate, dGain), dBias: rounded(allocate, dBias) };
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

/** With n = x·inverseRms and dN = dOut ∘ gain: dX = inverseRms·(dN − n·mean(dN∘n)), dGain = Σ rows dOut∘n. */
export function rmsNormBackward(allocate: Allocate, problem: RmsNormBackward): RmsNormGradients {
  const { x, rows, cols, gain, inverseRms, dOut } = problem;
  const dX = allocate(x.length);
  const dGain = new Float64Array(cols);
  for (let r = 0; r < rows; r++) {
    const normal = (c: number) => x[r * cols + c] * inverseRms[r];
    const dNormal = (c: number) => dOut[r * cols + c] * (gain ? gain[c] : 1);
    let meanDN = 0;
    for (let c = 0; c < cols; c++) {
      meanDN += (dNormal(c) * normal(c)) / cols;
      dGain[c] += dOut[r * cols + c] * normal(c);
    }
    for (let c = 0; c < cols; c++) dX[r * cols + c] = inverseRms[r] * (dNormal(c) - normal(c) * meanDN);
  }
  return { dX, dGain: rounded(allocate, dGain) };
}
