import type { CrossEntropy, CrossEntropyResult, Floats } from '../../contract.js';
import type { Runtime } from '../module/launch.js';
import * as entries from '../module/losses.generated.js';

/** The logarithm of a row's sum is taken here: one a row. */
export function logSoftmax(runtime: Runtime, x: Floats, rows: number, cols: number): Float32Array {
  const { memory } = runtime;
  memory.enter();
  const [at, out] = [memory.copyIn(x), memory.reserve(x.length * 4)];
  const { max, sum } = rowStatistics(runtime, at, rows, cols);
  // A row of −∞, whose sum is 0, is copied.
  const logSum = sum.map((s) => (s === 0 ? 0 : Math.log(s)));
  const shift = max.map((m) => (m === Number.NEGATIVE_INFINITY ? 0 : m));
  const [atShift, atLogSum] = [memory.copyIn(shift), memory.copyIn(logSum)];
  entries.logSoftmaxRows(runtime, { x: at, out, max: atShift, logSum: atLogSum, cols }, rows);
  return memory.copyOut(out, x.length);
}

/** As the reference says: loss = log s + (1 − ε)·(m − z_y) + ε/cols · Σ_c (m − z_c) of a counted row; their mean. */
export function crossEntropy(runtime: Runtime, problem: CrossEntropy): CrossEntropyResult {
  const { logits, rows, cols, targets, ignoreIndex, labelSmoothing } = problem;
  runtime.memory.enter();
  const { max, sum, gap } = rowStatistics(runtime, runtime.memory.copyIn(logits), rows, cols);
  let total = 0;
  let counted = 0;
  for (let r = 0; r < rows; r++) {
    if (targets[r] === ignoreIndex) continue;
    counted++;
    const own = labelSmoothing < 1 ? (1 - labelSmoothing) * (max[r] - logits[r * cols + targets[r]]) : 0;
    let spread = gap[r];
    if (labelSmoothing > 0 && !Number.isFinite(spread)) {
      spread = 0; // it may only have been too large for float32
      for (let c = 0; c < cols; c++) spread += max[r] - logits[r * cols + c];
    }
    total += Math.log(sum[r]) + own + (labelSmoothing > 0 ? (labelSmoothing * spread) / cols : 0);
  }
  return { loss: Float32Array.of(counted === 0 ? 0 : total / counted), max, sum };
}

/** m = max x, s = Σ e^{x−m} and Σ (m − x) of every row. */
function rowStatistics(runtime: Runtime, x: number, rows: number, cols: number) {
  const { memory } = runtime;
  const [max, sum, gap] = [0, 0, 0].map(() => memory.reserve(rows * 4));
  entries.rowStatistics(runtime, { x, max, sum, gap, cols }, rows);
  return { max: memory.copyOut(max, rows), sum: memory.copyOut(sum, rows), gap: memory.copyOut(gap, rows) };
}
