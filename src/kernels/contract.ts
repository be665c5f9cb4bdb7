// kernels: arrays and integers in, new arrays out. Trusts its arguments, which were checked above; never sees a Matrix.

import type { ActivationOperation, ElementaryOperation, UnaryOperation } from './unary.js';

export type { ActivationOperation, ElementaryOperation, UnaryOperation };

/** Storage of numbers: Float32Array everywhere but in the oracle. */
export type Floats = Float32Array | Float64Array;

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

/** Everything a fused attention needs, with every default filled in and every shape checked. */
export interface AttentionProblem {
  /** (total query rows × numHeads·dK). */
  q: Floats;
  /** (total key rows × numKvHeads·dK). */
  k: Floats;
  numHeads: number;
  /** Query head h reads key/value head floor(h / (numHeads / numKvHeads)). */
  numKvHeads: number;
  dK: number;
  /** Sequence s: query rows [cuSeqlens[s], cuSeqlens[s + 1]), key rows [cuSeqlensK[s], cuSeqlensK[s + 1]). */
  cuSeqlens: Int32Array;
  cuSeqlensK: Int32Array;
  scale: number;
  /** Query i of sequence s stands at position offsets[s] + i; key j at j. */
  offsets: Int32Array;
  /** Key j is in reach if position − left ≤ j ≤ position + right; Infinity = open; causal is right = 0. */
  left: number;
  right: number;
  /** 1 = may attend. Row h·rowsPerHead + i (rowsPerHead 0: one row for all heads), column = position in the sequence. */
  mask?: Uint8Array;
  maskRowsPerHead: number;
  /** One flag a key row. */
  keyMask?: Uint8Array;
  /** Added to the logits; laid out as the mask. */
  bias?: Floats;
  biasRowsPerHead: number;
  /** Columns of mask and bias: the longest key sequence. */
  columns: number;
  /** Logits become c·tanh(z / c); 0 = off. */
  softcap: number;
  /** One slope a head; the bias −slope·|position − j|. */
  alibi?: Floats;
  /** One logit a head that only the denominator sees. */
  sinks?: Floats;
}

export interface AttentionForwardProblem extends AttentionProblem {
  /** (total key rows × numKvHeads·dV). */
  v: Floats;
  dV: number;
  /** Share of the weights dropped, keyed by (seedLow, seedHigh) and (call, batch, head, query, key). */
  dropout: number;
  seedLow: number;
  seedHigh: number;
  call: number;
}

/** max and sum are (total query rows × numHeads): m = max(Z, sink), s = Σ e^{Z−m} + e^{sink−m}. */
export interface AttentionStatistics {
  max: Floats;
  sum: Floats;
}

export interface AttentionResult extends AttentionStatistics {
  /** (total query rows × numHeads·dV). */
  out: Floats;
}

/** What the backward of an attention needs of its forward, and the gradient of its results. */
export interface AttentionBackwardProblem extends AttentionForwardProblem, AttentionResult {
  /** ∂loss/∂out, (total query rows × numHeads·dV). */
  dOut: Floats;
  /** ∂loss/∂(m + log s), (total query rows × numHeads); absent = 0. */
  dLogSumExp?: Floats;
}

export interface AttentionGradients {
  dQ: Floats;
  dK: Floats;
  dV: Floats;
  /** Laid out as the bias, summed over the heads that share it. */
  dBias?: Floats;
  /** (1 × numHeads), where there are sinks. */
  dSinks?: Floats;
}

export type AttentionStage = 'scaledScores' | 'softcapped' | 'masked' | 'weights';

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

export type BinaryOperation = 'add' | 'subtract' | 'multiply' | 'divide';

// The families of kernels. Kernels trust their arguments, never write to them and return new arrays.

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
}

/** f(x) of every entry, for some of the operations. */
export interface UnaryKernels<Operation extends UnaryOperation> {
  unary(operation: Operation, x: Floats): Floats;
}

export interface ElementwiseKernels extends UnaryKernels<ElementaryOperation> {
  /** b is as long as a, or one row of it, repeated. */
  binary(operation: BinaryOperation, a: Floats, b: Floats): Floats;
  scale(x: Floats, factor: number): Floats;
  sum(x: Floats): Floats;
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
  /** dLoss is ∂/∂loss; m and s are those of the forward. */
  crossEntropyBackward(problem: CrossEntropy, forward: Omit<CrossEntropyResult, 'loss'>, dLoss: number): Floats;
}

/** Makes an array of zeros: of 32-bit numbers, or of the 64 bits of the oracle. */
export type Allocate = (length: number) => Floats;
