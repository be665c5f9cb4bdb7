import type {
  CrossEntropy,
  CrossEntropyResult,
  Floats,
  LayerNormBackward,
  LayerNormGradients,
  RmsNormBackward,
  RmsNormGradients,
  UnaryOperation,
} from '../../contract.js';
import { UNARY } from '../../unary.js';
import { backwardEntries as entries } from '../module/backward.generated.js';
import type { Runtime } from '../module/launch.js';

export function unaryBackward(
  runtime: Runtime,
  operation: UnaryOperation,
  x: Floats,
  y: Floats,
  dY: Floats,
): Float32Array {
  const { memory } = runtime;
  memory.enter();
  const dX = memory.reserve(dY.length * 4);
  const operand = memory.copyIn(UNARY[operation] === 'y' ? y : x);
  entries[`${operation}Backward`](runtime, { x: operand, dY: memory.copyIn(dY), dX }, dY.length);
  return memory.copyOut(dX, dY.length);
}

/** dX of a softmax or its logarithm y. */
function rowsBackward(
  runtime: Runtime,
  entry: typeof entries.softmaxBackward,
  { y, dY, rows, cols }: { y: Floats; dY: Floats; rows: number; cols: number },
): Float32Array {
  const { memory } = runtime;
  memory.enter();
  const dX = memory.reserve(y.length * 4);
  entry(runtime, { x: memory.copyIn(y), dY: memory.copyIn(dY), dX, cols }, rows);
  return memory.copyOut(dX, y.length);
}

export function softmaxBackward(runtime: Runtime, y: Floats, dY: Floats, rows: number, cols: number): Float32Array {
  return rowsBackward(runtime, entries.softmaxBackward, { y, dY, rows, cols });
}

export function logSoftmaxBackward(runtime: Runtime, y: Floats, dY: Floats, rows: number, cols: number): Float32Array {
  return rowsBackward(runtime, entries.logSoftmaxBackward, { y, dY, rows, cols });
}

export function crossEntropyBackward(
  runtime: Runtime,
  { logits, rows, cols, targets, ignoreIndex, labelSmoothing }: CrossEntropy,
  forward: Omit<CrossEntropyResult, 'loss'>,
  dLoss: Floats,
): Float32Array {
  const { memory } = runtime;
  memory.enter();
  const dX = memory.reserve(logits.length * 4);
  const [x, max, sum] = [logits, forward.max, forward.sum].map((array) => memory.copyIn(array));
  const atTargets = memory.copyIn(targets);
  const dRow = dLoss[0] / targets.reduce((counted, target) => counted + (target === ignoreIndex ? 0 : 1), 0);
  const [own, spread] = [(1 - labelSmoothing) * dRow, (labelSmoothing / cols) * dRow];
  // Written out here and below: Node 20 takes 3 to 10 µs to spread an object.
  entries.crossEntropyBackward(
    runtime,
    { x, max, sum, targets: atTargets, dX, cols, ignored: ignoreIndex, dRow, own, spread },
    rows,
  );
  return memory.copyOut(dX, logits.length);
}

export function layerNormBackward(runtime: Runtime, problem: LayerNormBackward): LayerNormGradients {
  const { dOut, rows, cols, mean, inverseStd } = problem;
  const { dX, dGain } = normBackward(runtime, problem, inverseStd, mean);
  return { dX, dGain, dBias: sumRows(runtime, dOut, rows, cols) };
}

export function rmsNormBackward(runtime: Runtime, problem: RmsNormBackward): RmsNormGradients {
  return normBackward(runtime, problem, problem.inverseRms);
}

/** Without a mean: that of the root mean square norm. */
function normBackward(
  runtime: Runtime,
  { x, dOut, gain, rows, cols }: Omit<RmsNormBackward, 'inverseRms'>,
  inverse: Floats,
  mean?: Floats,
): RmsNormGradients {
  const { memory } = runtime;
  memory.enter();
  const [dX, dGain] = [memory.reserve(x.length * 4), memory.reserve(cols * 4)];
  const [atX, atD, atInverse] = [x, dOut, inverse].map((array) => memory.copyIn(array));
  const atMean = mean ? memory.copyIn(mean) : 0;
  const atGain = memory.copyIn(gain ?? new Float32Array(cols).fill(1));
  entries.normBackward(runtime, { x: atX, dOut: atD, mean: atMean, inverse: atInverse, cols, gain: atGain, dX }, rows);
  entries.gainBackward(
    runtime,
    { x: atX, dOut: atD, mean: atMean, inverse: atInverse, cols, out: dGain, rows },
    cols,
    cols * 4,
  );
  return { dX: memory.copyOut(dX, x.length), dGain: memory.copyOut(dGain, cols) };
}

export function sumRows(runtime: Runtime, x: Floats, rows: number, cols: number): Float32Array {
  const { memory } = runtime;
  memory.enter();
  const out = memory.reserve(cols * 4);
  entries.columnSums(runtime, { x: memory.copyIn(x), out, rows, cols }, cols, cols * 4);
  return memory.copyOut(out, cols);
}
