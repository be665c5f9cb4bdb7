import type { LayerNormResult, Normalization, NormalizationKernels, RmsNormResult } from '../../contract.js';
import type { Runtime } from '../module/launch.js';
import * as entries from '../module/normalization.generated.js';

/**
 * Whether the squares of a row have left float32: then 1/√(their mean + ε) is 0 or NaN; or have lost digits in it: where
 * that mean with ε is below 2^−100. Such rows are done again by `others`.
 */
const hasLostSquares = (inverse: number): boolean => !(inverse > 0 && inverse < 2 ** 50);

export function layerNorm(runtime: Runtime, problem: Normalization, others: NormalizationKernels): LayerNormResult {
  const { memory } = runtime;
  const { x, rows, cols, epsilon } = problem;
  memory.enter();
  const [out, mean, inverseStd] = [x.length, rows, rows].map((length) => memory.reserve(length * 4));
  const gain = problem.gain ? memory.copyIn(problem.gain) : 0;
  const bias = problem.bias ? memory.copyIn(problem.bias) : 0;
  entries.layerNorm(runtime, { x: memory.copyIn(x), out, gain, bias, mean, inverseStd, cols, epsilon }, rows);
  const result = {
    out: memory.copyOut(out, x.length),
    mean: memory.copyOut(mean, rows),
    inverseStd: memory.copyOut(inverseStd, rows),
  };
  for (const [r, inverse] of result.inverseStd.entries()) {
    if (!hasLostSquares(inverse)) continue;
    const row = others.layerNorm({ ...problem, x: x.subarray(r * cols, (r + 1) * cols), rows: 1 });
    result.out.set(row.out, r * cols);
    result.mean.set(row.mean, r);
    result.inverseStd.set(row.inverseStd, r);
  }
  return result;
}

export function rmsNorm(runtime: Runtime, problem: Normalization, others: NormalizationKernels): RmsNormResult {
  const { memory } = runtime;
  const { x, rows, cols, epsilon } = problem;
  memory.enter();
  const [out, inverseRms] = [x.length, rows].map((length) => memory.reserve(length * 4));
  const gain = problem.gain ? memory.copyIn(problem.gain) : 0;
  entries.rmsNorm(runtime, { x: memory.copyIn(x), out, gain, inverseRms, cols, epsilon }, rows);
  const result = { out: memory.copyOut(out, x.length), inverseRms: memory.copyOut(inverseRms, rows) };
  for (const [r, inverse] of result.inverseRms.entries()) {
    if (!hasLostSquares(inverse)) continue;
    const row = others.rmsNorm({ ...problem, x: x.subarray(r * cols, (r + 1) * cols), rows: 1 });
    result.out.set(row.out, r * cols);
    result.inverseRms.set(row.inverseRms, r);
  }
  return result;
}
