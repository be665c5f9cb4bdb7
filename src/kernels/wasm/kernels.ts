// kernels/wasm: the contract by WebAssembly kernels. Never imports the reference (what it lacks is handed in), nor its own
// generators.

import { fitsFloat32 } from '../../core/float32.js';
import type {
  BinaryOperation,
  CrossEntropy,
  CrossEntropyResult,
  Dropout,
  Floats,
  ForwardKernels,
  LayerNormResult,
  Normalization,
  RmsNormResult,
  Rotary,
} from '../contract.js';
import type { UnaryEntry } from '../unary.js';
import { attention, attentionStage, attentionStatistics, dropoutFields } from './calls/attention.js';
import { gemm } from './calls/gemm.js';
import { ATTENTION_FIELDS } from './module/attention-record.js';
import type { Runtime } from './module/loader.js';

/** The operations that run in WASM; the rest of a Kernels comes from elsewhere. */
export type WasmKernels = Pick<
  ForwardKernels,
  | 'gemm'
  | 'softmax'
  | 'unary'
  | 'binary'
  | 'scale'
  | 'attention'
  | 'attentionStatistics'
  | 'attentionStage'
  | 'rotary'
  | 'layerNorm'
  | 'rmsNorm'
  | 'logSoftmax'
  | 'crossEntropy'
  | 'dropout'
>;

/** What computes in float64 where float32 is too small, and log and sqrt. */
type Others = Pick<ForwardKernels, 'unary' | 'scale' | 'layerNorm' | 'rmsNorm'>;

export function wasmKernels(runtime: Runtime, others: Others): WasmKernels {
  return {
    gemm: (problem) => gemm(runtime, problem),
    softmax: (x, rows, cols) => softmax(runtime, x, rows, cols),
    unary: (operation, x) =>
      operation === 'log' || operation === 'sqrt' ? others.unary(operation, x) : unary(runtime, operation, x),
    binary: (operation, a, b) => binary(runtime, operation, a, b),
    scale: (x, factor) => (fitsFloat32(factor) ? scale(runtime, x, factor) : others.scale(x, factor)),
    attention: (problem) => attention(runtime, problem),
    attentionStatistics: (problem) => attentionStatistics(runtime, problem),
    attentionStage: (problem, stage, sequence, head) => attentionStage(runtime, problem, stage, sequence, head),
    rotary: (problem) => rotary(runtime, problem),
    layerNorm: (problem) => layerNorm(runtime, problem, others),
    rmsNorm: (problem) => rmsNorm(runtime, problem, others),
    logSoftmax: (x, rows, cols) => logSoftmax(runtime, x, rows, cols),
    crossEntropy: (problem) => crossEntropy(runtime, problem),
    dropout: (problem) => dropout(runtime, problem),
  };
}

function softmax({ memory, exports }: Runtime, x: Floats, rows: number, cols: number): Float32Array {
  memory.enter();
  const out = memory.reserve(x.length * 4);
  exports.softmax_rows(memory.copyIn(x), out, cols, 0, rows);
  return memory.copyOut(out, x.length);
}

function unary({ memory, exports }: Runtime, entry: UnaryEntry, x: Floats): Float32Array {
  memory.enter();
  const out = memory.reserve(x.length * 4);
  exports[entry](memory.copyIn(x), out, 0, x.length);
  return memory.copyOut(out, x.length);
}

function binary({ memory, exports }: Runtime, operation: BinaryOperation, a: Floats, b: Floats): Float32Array {
  memory.enter();
  const out = memory.reserve(a.length * 4);
  const rows = b.length === 0 ? 0 : a.length / b.length;
  exports[operation](memory.copyIn(a), memory.copyIn(b), out, b.length, 0, 0, rows);
  return memory.copyOut(out, a.length);
}

function scale({ memory, exports }: Runtime, x: Floats, factor: number): Float32Array {
  memory.enter();
  const out = memory.reserve(x.length * 4);
  exports.scale(memory.copyIn(x), out, factor, 0, x.length);
  return memory.copyOut(out, x.length);
}

function rotary({ memory, exports }: Runtime, problem: Rotary): Float32Array {
  const { x, rows, numHeads, headDim, dim, interleaved } = problem;
  memory.enter();
  const out = memory.reserve(x.length * 4);
  const [cos, sin] = [memory.copyIn(problem.cos), memory.copyIn(problem.sin)];
  exports.rotary_rows(memory.copyIn(x), out, cos, sin, numHeads, headDim, dim, interleaved ? 1 : 0, 0, rows);
  return memory.copyOut(out, x.length);
}

/**
 * Whether the squares of a row have left float32: then 1/√(their mean + ε) is 0 or NaN; or have lost digits in it: where
 * that mean with ε is below 2^−100. Such rows are done again by `others`.
 */
const hasLostSquares = (inverse: number): boolean => !(inverse > 0 && inverse < 2 ** 50);

function layerNorm({ memory, exports }: Runtime, problem: Normalization, others: Others): LayerNormResult {
  const { x, rows, cols, epsilon } = problem;
  memory.enter();
  const [out, mean, inverseStd] = [x.length, rows, rows].map((length) => memory.reserve(length * 4));
  const gain = problem.gain ? memory.copyIn(problem.gain) : 0;
  const bias = problem.bias ? memory.copyIn(problem.bias) : 0;
  exports.layer_norm(memory.copyIn(x), out, gain, bias, mean, inverseStd, cols, epsilon, 0, rows);
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

function rmsNorm({ memory, exports }: Runtime, problem: Normalization, others: Others): RmsNormResult {
  const { x, rows, cols, epsilon } = problem;
  memory.enter();
  const [out, inverseRms] = [x.length, rows].map((length) => memory.reserve(length * 4));
  const gain = problem.gain ? memory.copyIn(problem.gain) : 0;
  exports.rms_norm(memory.copyIn(x), out, gain, inverseRms, cols, epsilon, 0, rows);
  const result = { out: memory.copyOut(out, x.length), inverseRms: memory.copyOut(inverseRms, rows) };
  for (const [r, inverse] of result.inverseRms.entries()) {
    if (!hasLostSquares(inverse)) continue;
    const row = others.rmsNorm({ ...problem, x: x.subarray(r * cols, (r + 1) * cols), rows: 1 });
    result.out.set(row.out, r * cols);
    result.inverseRms.set(row.inverseRms, r);
  }
  return result;
}

/** The logarithm of a row's sum is taken here: one a row. */
function logSoftmax(runtime: Runtime, x: Floats, rows: number, cols: number): Float32Array {
  const { memory, exports } = runtime;
  memory.enter();
  const [at, out] = [memory.copyIn(x), memory.reserve(x.length * 4)];
  const { max, sum } = rowStatistics(runtime, at, rows, cols);
  // A row of −∞, whose sum is 0, is copied.
  const logSum = sum.map((s) => (s === 0 ? 0 : Math.log(s)));
  const shift = max.map((m) => (m === Number.NEGATIVE_INFINITY ? 0 : m));
  exports.log_softmax_rows(at, out, memory.copyIn(shift), memory.copyIn(logSum), cols, 0, rows);
  return memory.copyOut(out, x.length);
}

/** As the reference says: loss = log s + (1 − ε)·(m − z_y) + ε/cols · Σ_c (m − z_c) of a counted row; their mean. */
function crossEntropy(runtime: Runtime, problem: CrossEntropy): CrossEntropyResult {
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
function rowStatistics({ memory, exports }: Runtime, x: number, rows: number, cols: number) {
  const [max, sum, gap] = [0, 0, 0].map(() => memory.reserve(rows * 4));
  exports.row_statistics(x, max, sum, gap, cols, 0, rows);
  return { max: memory.copyOut(max, rows), sum: memory.copyOut(sum, rows), gap: memory.copyOut(gap, rows) };
}

/**
 * The kernel that drops attention weights, on one long row of one head: entry i is key i. It writes whole vectors of four,
 * the last into the room that `reserve` leaves behind; a range of entries begins at a multiple of 16.
 */
function dropout({ memory, exports }: Runtime, { x, rate, seedLow, seedHigh }: Dropout): Float32Array {
  memory.enter();
  const out = memory.reserve(x.length * 4);
  const fields = dropoutFields({ dropout: rate, seedLow, seedHigh, call: 0 });
  exports.scale(memory.copyIn(x), out, fields.keepScale ?? 1, 0, x.length);
  exports.attention_dropout(memory.copyRecord(ATTENTION_FIELDS, fields, {}), out, x.length, 0, 0, 0);
  return memory.copyOut(out, x.length);
}
