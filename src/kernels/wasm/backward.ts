import type {
  BackwardKernels,
  CrossEntropy,
  CrossEntropyResult,
  Floats,
  LayerNormBackward,
  LayerNormGradients,
  RmsNormBackward,
  RmsNormGradients,
  UnaryOperation,
} from '../contract.js';
import { UNARY } from '../unary.js';
import { attentionBackward } from './calls/attention-backward.js';
import type { BackwardRuntime } from './module/loader.js';

/** The backwards that run in WASM; the rest comes from elsewhere. */
export function wasmBackward(runtime: BackwardRuntime): Omit<BackwardKernels, 'gatherRowsBackward'> {
  return {
    attentionBackward: (problem) => attentionBackward(runtime, problem),
    unaryBackward: (operation, x, y, dY) => unaryBackward(runtime, operation, UNARY[operation] === 'y' ? y : x, dY),
    softmaxBackward: (y, dY, _, cols) => rowsBackward(runtime, 'softmax_backward', y, dY, cols),
    logSoftmaxBackward: (y, dY, _, cols) => rowsBackward(runtime, 'log_softmax_backward', y, dY, cols),
    crossEntropyBackward: (problem, forward, dLoss) => crossEntropyBackward(runtime, problem, forward, dLoss),
    layerNormBackward: (problem) => layerNormBackward(runtime, problem),
    rmsNormBackward: (problem) => rmsNormBackward(runtime, problem),
    sumRows: (x, rows, cols) => sumRows(runtime, x, rows, cols),
  };
}

function unaryBackward(
  { memory, exports }: BackwardRuntime,
  operation: UnaryOperation,
  operand: Floats,
  dY: Floats,
): Float32Array {
  memory.enter();
  const dX = memory.reserve(dY.length * 4);
  exports[`${operation}_backward`](memory.copyIn(operand), memory.copyIn(dY), dX, 0, dY.length);
  return memory.copyOut(dX, dY.length);
}

function rowsBackward(
  { memory, exports }: BackwardRuntime,
  entry: 'softmax_backward' | 'log_softmax_backward',
  y: Floats,
  dY: Floats,
  cols: number,
): Float32Array {
  memory.enter();
  const dX = memory.reserve(y.length * 4);
  exports[entry](memory.copyIn(y), memory.copyIn(dY), dX, cols, 0, cols === 0 ? 0 : y.length / cols);
  return memory.copyOut(dX, y.length);
}

function crossEntropyBackward(
  { memory, exports }: BackwardRuntime,
  { logits, rows, cols, targets, ignoreIndex, labelSmoothing }: CrossEntropy,
  { max, sum }: Omit<CrossEntropyResult, 'loss'>,
  dLoss: number,
): Float32Array {
  memory.enter();
  const dX = memory.reserve(logits.length * 4);
  const operands = [logits, max, sum, targets].map((array) => memory.copyIn(array));
  const dRow = dLoss / targets.reduce((counted, target) => counted + (target === ignoreIndex ? 0 : 1), 0);
  const own = (1 - labelSmoothing) * dRow;
  exports.cross_entropy_backward(
    ...operands,
    dX,
    cols,
    ignoreIndex,
    dRow,
    own,
    (labelSmoothing / cols) * dRow,
    0,
    rows,
  );
  return memory.copyOut(dX, logits.length);
}

function layerNormBackward(runtime: BackwardRuntime, problem: LayerNormBackward): LayerNormGradients {
  const { dOut, rows, cols, mean, inverseStd } = problem;
  const gradients = normBackward(runtime, problem, inverseStd, mean);
  return { ...gradients, dBias: sumRows(runtime, dOut, rows, cols) };
}

function rmsNormBackward(runtime: BackwardRuntime, problem: RmsNormBackward): RmsNormGradients {
  return normBackward(runtime, problem, problem.inverseRms);
}

/** Without a mean: that of the root mean square norm. */
function normBackward(
  { memory, exports }: BackwardRuntime,
  { x, dOut, gain, rows, cols }: Omit<RmsNormBackward, 'inverseRms'>,
  inverse: Floats,
  mean?: Floats,
): RmsNormGradients {
  memory.enter();
  const [dX, dGain] = [memory.reserve(x.length * 4), memory.reserve(cols * 4)];
  const [atX, atD, atInverse] = [x, dOut, inverse].map((array) => memory.copyIn(array));
  const atMean = mean ? memory.copyIn(mean) : 0;
  const atGain = memory.copyIn(gain ?? new Float32Array(cols).fill(1));
  exports.norm_backward(atX, atD, atGain, atMean, atInverse, dX, cols, 0, rows);
  exports.gain_backward(atX, atD, atMean, atInverse, dGain, memory.reserve(cols * 4), rows, cols, 0, cols);
  return { dX: memory.copyOut(dX, x.length), dGain: memory.copyOut(dGain, cols) };
}

function sumRows({ memory, exports }: BackwardRuntime, x: Floats, rows: number, cols: number): Float32Array {
  memory.enter();
  const out = memory.reserve(cols * 4);
  exports.column_sums(memory.copyIn(x), out, memory.reserve(cols * 4), rows, cols, 0, cols);
  return memory.copyOut(out, cols);
}
