// kernels: arrays and integers in, new arrays out. Trusts its arguments, which were checked above; never sees a Matrix.

import type { OwnIntegers } from '../core/array-types.js';
import type {
  AttentionBackwardProblem,
  AttentionForwardProblem,
  AttentionGradients,
  AttentionProblem,
  AttentionResult,
  AttentionStage,
  AttentionStatistics,
  AttentionUnit,
  AttentionWeights,
} from './attention-problem.js';
import type { Floats } from './floats.js';
import type { ActivationOperation, ElementaryOperation, UnaryOperation } from './unary.js';

export type { ActivationOperation, ElementaryOperation, Floats, UnaryOperation };

/** C (m × n) = op(A) · op(B). */
export interface Gemm {
  m: number;
  n: number;
  k: number;
  /** (m × k), or (k × m) with transposeA. */
  a: Floats;
  /** (k × n), or (n × k) with transposeB. */
  b: Floats;
  transposeA?: boolean;
  transposeB?: boolean;
}

/** Rotates pairs of columns inside every head; pair p of row r by the angle whose cosine is cos[r·dim/2 + p]. */
export interface Rotary {
  /** (rows × numHeads·headDim). */
  x: Floats;
  rows: number;
  numHeads: number;
  headDim: number;
  /** The first dim columns of a head turn, the rest is copied. Even. */
  dim: number;
  /** Pairs (2p, 2p + 1) instead of (p, p + dim/2). */
  interleaved: boolean;
  cos: Floats;
  sin: Floats;
}

export interface Normalization {
  /** (rows × cols). */
  x: Floats;
  rows: number;
  cols: number;
  /** (1 × cols); absent = 1. */
  gain?: Floats;
  /** (1 × cols); absent = 0. */
  bias?: Floats;
  epsilon: number;
}

/** mean and inverseStd have one entry a row. */
export interface LayerNormResult {
  out: Floats;
  mean: Floats;
  inverseStd: Floats;
}

export interface RmsNormResult {
  out: Floats;
  inverseRms: Floats;
}

export interface LayerNormBackward extends Normalization, Omit<LayerNormResult, 'out'> {
  dOut: Floats;
}

export interface RmsNormBackward extends Omit<Normalization, 'bias'>, Omit<RmsNormResult, 'out'> {
  dOut: Floats;
}

/** dGain and dBias are (1 × cols). */
export interface LayerNormGradients {
  dX: Floats;
  dGain: Floats;
  dBias: Floats;
}

export type RmsNormGradients = Omit<LayerNormGradients, 'dBias'>;

/** Mean over the counted rows of −Σ_c t_c·log softmax(row)_c, t = (1 − ε)·onehot(target) + ε / cols. */
export interface CrossEntropy {
  /** (rows × cols). */
  logits: Floats;
  rows: number;
  cols: number;
  /** Row r is counted unless targets[r] is ignoreIndex. */
  targets: Int32Array;
  ignoreIndex: number;
  /** ε, from 0 to 1. */
  labelSmoothing: number;
}

/** loss has one entry, 0 where no row counts; max and sum one a row: m = max z, s = Σ e^{z−m}. */
export interface CrossEntropyResult {
  loss: Floats;
  max: Floats;
  sum: Floats;
}

/** Entry i is kept, times 1 / (1 − rate), unless its random word says otherwise: the same bits for the same key. */
export interface Dropout {
  x: Floats;
  rate: number;
  seedLow: number;
  seedHigh: number;
}

/** Some rows of a matrix whose other rows are 0: ids ascending, each once. */
export interface SparseRows {
  rows: Int32Array;
  /** (rows.length × cols). */
  values: Floats;
}

export type BinaryOperation = 'add' | 'subtract' | 'multiply' | 'divide' | 'maximum';

// The families of kernels. Kernels trust their arguments, never write to them and return new arrays, but for `write` and
// `quieted`, which say so, and the updates of updates.ts. Between kernels nobody reads or writes an entry: the arrays may lie
// where only kernels reach. What the host decides by a gradient it asks of `hasNaN`; where that said yes, of `quietRows`.

export interface ProductKernels {
  gemm(problem: Gemm): Floats;
}

/** Where numbers stay numbers and only their places change. */
export interface LayoutKernels {
  transpose(x: Floats, rows: number, cols: number): Floats;
  /** Columns [start, end). */
  sliceColumns(x: Floats, rows: number, cols: number, start: number, end: number): Floats;
  /** The parts one after another. */
  concat(parts: readonly Floats[]): Floats;
  /** Parts of equal rows side by side. */
  concatColumns(parts: readonly Floats[], rows: number): Floats;
  /** Row r of the result is row ids[r] of the table. */
  gatherRows(table: Floats, cols: number, ids: Int32Array): Floats;
  /** Entries [start, end) of source, put into target from `at` on. */
  write(target: Floats, at: number, source: Floats, start: number, end: number): void;
}

/** f(x) of every entry, for some of the operations. */
export interface UnaryKernels<Operation extends UnaryOperation> {
  unary(operation: Operation, x: Floats): Floats;
}

export interface ElementwiseKernels extends UnaryKernels<ElementaryOperation> {
  /** b is as long as a, or one row of it, repeated. */
  binary(operation: BinaryOperation, a: Floats, b: Floats): Floats;
  scale(x: Floats, factor: number): Floats;
  /** x^exponent of every entry. */
  power(x: Floats, exponent: number): Floats;
  /** Entries of a where the condition is not 0, of b elsewhere; all three are equally long. */
  select(condition: Floats, a: Floats, b: Floats): Floats;
  sum(x: Floats): Floats;
  /** The column of the largest entry of every row, the first of equals; a NaN counts as largest. cols ≥ 1. */
  argmax(x: Floats, rows: number, cols: number): OwnIntegers;
}

export interface SoftmaxKernels {
  softmax(x: Floats, rows: number, cols: number): Floats;
}

export interface LossKernels {
  logSoftmax(x: Floats, rows: number, cols: number): Floats;
  crossEntropy(problem: CrossEntropy): CrossEntropyResult;
}

export interface NormalizationKernels {
  layerNorm(problem: Normalization): LayerNormResult;
  rmsNorm(problem: Normalization): RmsNormResult;
}

export interface RotaryKernels {
  rotary(problem: Rotary): Floats;
}

export interface AttentionKernels {
  attention(problem: AttentionForwardProblem): AttentionResult;
  attentionStatistics(problem: AttentionProblem): AttentionStatistics;
  /** The (Lq × Lk) logits or weights of one head of one sequence; weights are before dropout. */
  attentionStage(problem: AttentionProblem, stage: AttentionStage, sequence: number, head: number): Floats;
  /** m + log s, −∞ where s is 0. */
  logSumExp(statistics: AttentionStatistics): Floats;
}

/** Attention of a unit in its steps, for who changes what lies between them; the scores Z are the stage 'masked'. */
export interface AttentionStepKernels {
  /** dQ, dK and dBias, as q, k and bias, of the unit's scores (Lq × Lk); `capped` is the stage 'softcapped' where there is one. */
  scoresBackward(
    problem: AttentionProblem,
    unit: AttentionUnit,
    scores: Floats,
    capped: Floats | undefined,
    dScores: Floats,
  ): Pick<AttentionGradients, 'dQ' | 'dK' | 'dBias'>;
  /** P = e^{Z−m} / s, and the share of the sink, e^{sink−m} / s; a row that is all −∞ gives zeros. */
  weights(scores: Floats, rows: number, cols: number, sinks: Floats | undefined, head: number): AttentionWeights;
  /** dZ, and dSinks where there are sinks. */
  weightsBackward(
    weights: AttentionWeights,
    dWeights: Floats,
    rows: number,
    cols: number,
    sinks: Floats | undefined,
    head: number,
  ): { dScores: Floats; dSinks?: Floats };
  /** O (Lq × dV) of weights (Lq × Lk) after dropout; one that is 0 adds nothing, whatever v holds. */
  timesValues(problem: AttentionForwardProblem, unit: AttentionUnit, weights: Floats): Floats;
  timesValuesBackward(
    problem: AttentionForwardProblem,
    unit: AttentionUnit,
    weights: Floats,
    dOut: Floats,
  ): { dWeights: Floats; dV: Floats };
}

export interface DropoutKernels {
  dropout(problem: Dropout): Floats;
}

/** dX = ∂loss/∂x from dY = ∂loss/∂y, for everything above: one family, which comes with valueAndGrad. */
export interface BackwardKernels {
  /** The sum of every column of x (rows × cols), rows ascending. */
  sumRows(x: Floats, rows: number, cols: number): Floats;
  /** y is the softmax; an entry that is 0 has gradient 0 and adds nothing to its row. */
  softmaxBackward(y: Floats, dY: Floats, rows: number, cols: number): Floats;
  /** y is the log-softmax. */
  logSoftmaxBackward(y: Floats, dY: Floats, rows: number, cols: number): Floats;
  /** y is what the operation gave for x. */
  unaryBackward(operation: UnaryOperation, x: Floats, y: Floats, dY: Floats): Floats;
  /** dRow[id] = Σ dOut rows where ids is id, in their order; without the rows of `ignored`. */
  gatherRowsBackward(dOut: Floats, cols: number, ids: Int32Array, ignored?: number): SparseRows;
  attentionBackward(problem: AttentionBackwardProblem): AttentionGradients;
  layerNormBackward(problem: LayerNormBackward): LayerNormGradients;
  rmsNormBackward(problem: RmsNormBackward): RmsNormGradients;
  /** dLoss is ∂/∂loss, one entry; m and s are those of the forward. */
  crossEntropyBackward(problem: CrossEntropy, forward: Omit<CrossEntropyResult, 'loss'>, dLoss: Floats): Floats;
  /** The slope of max(a, b) in a: 1, 0, or ½ where they are equal; b is as long as a, or one row of it, repeated. */
  shareOfMaximum(a: Floats, b: Floats): Floats;
  /** factor·dY, dY one entry, `length` times: of a sum. */
  broadcast(dY: Floats, length: number, factor: number): Floats;
  /** dX (rows × cols): dY in columns [start, end), 0 elsewhere. */
  sliceColumnsBackward(dY: Floats, rows: number, cols: number, start: number, end: number): Floats;
  /** All rows of a matrix (rows × cols), those that are not named 0. */
  scatterRows(sparse: SparseRows, rows: number, cols: number): Floats;
  /** Whether one of the entries 0, stride, 2·stride … is NaN, of the first `count` of them: one flag for the host. */
  hasNaN(x: Floats, stride: number, count: number): boolean;
  /** The rows of dY (rows × cols) that are exactly 0. */
  quietRows(dY: Floats, rows: number, cols: number): Int32Array;
  /** A copy of x (… × cols) with 0 in these rows. */
  withoutRows(x: Floats, rows: Int32Array, cols: number): Floats;
  /** dX (rows × cols) itself, which kernels made and nobody else has, with 0 in the rows of dY that are 0. */
  quieted(dX: Floats, dY: Floats, rows: number, cols: number): Floats;
}

/** Makes an array of zeros: of 32-bit numbers, or of the 64 bits of the oracle. */
export type Allocate = (length: number) => Floats;
