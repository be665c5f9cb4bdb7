import { fitsFloat32 } from '../core/float32.js';
import type {
  ActivationOperation,
  AttentionKernels,
  AttentionStepKernels,
  DropoutKernels,
  ElementwiseKernels,
  LayoutKernels,
  LossKernels,
  NormalizationKernels,
  ProductKernels,
  RotaryKernels,
  SoftmaxKernels,
  UnaryKernels,
} from './contract.js';
import { gemm as javascriptGemm } from './javascript/gemm.js';
import { activations } from './reference/activations.js';
import * as referenceAttention from './reference/attention.js';
import * as steps from './reference/attention-steps.js';
import { crossEntropy } from './reference/cross-entropy.js';
import { dropout } from './reference/dropout.js';
import { argmax, binary, elementary, mapped, power, scale, select, sum } from './reference/elementwise.js';
import { gemm } from './reference/gemm.js';
import { concat, concatColumns, gatherRows, sliceColumns, transpose, write } from './reference/layout.js';
import { layerNorm, rmsNorm } from './reference/normalization.js';
import { rotary } from './reference/rotary.js';
import { logSoftmax, softmax } from './reference/softmax.js';
import { euclideanNorm, muonDirection, quinticFactor, updateAdam, updateSGD } from './reference/updates.js';
import { family } from './state.js';
import type { MuonKernels, UpdateKernels } from './updates.js';
import * as wasmAttention from './wasm/calls/attention.js';
import * as wasmDropout from './wasm/calls/dropout.js';
import * as wasmElementwise from './wasm/calls/elementwise.js';
import * as wasmLosses from './wasm/calls/losses.js';
import * as wasmNormalization from './wasm/calls/normalization.js';
import * as wasmProducts from './wasm/calls/products.js';
import * as wasmRotary from './wasm/calls/rotary.js';
import * as wasmSoftmax from './wasm/calls/softmax.js';
import * as wasmSums from './wasm/calls/sums.js';
import * as wasmUpdates from './wasm/calls/updates.js';
import { activationsEntries } from './wasm/module/activations.generated.js';

// Every family of kernels in all its twins. An operation asks for those it needs, so that a bundle holds no others: their
// specification, their WASM text, and what copies their arguments in and out.

export const products = /* @__PURE__ */ family<ProductKernels>({
  reference: (allocate) => ({ gemm: (problem) => gemm(allocate, problem) }),
  javascript: (allocate) => ({ gemm: (problem) => javascriptGemm(allocate, problem) }),
  wasm: (runtime) => ({ gemm: (problem) => wasmProducts.gemm(runtime, problem) }),
});

// In JavaScript alone: copies into kernel memory and out of it would cost more, or kernels more bytes, than they gain
// (docs/kernels.md).
export const layouts = /* @__PURE__ */ family<LayoutKernels>({
  reference: (allocate) => ({
    transpose: (x, rows, cols) => transpose(allocate, x, rows, cols),
    sliceColumns: (x, rows, cols, start, end) => sliceColumns(allocate, x, rows, cols, start, end),
    concat: (parts) => concat(allocate, parts),
    concatColumns: (parts, rows) => concatColumns(allocate, parts, rows),
    gatherRows: (table, cols, ids) => gatherRows(allocate, table, cols, ids),
    write,
  }),
});

export const elementwise = /* @__PURE__ */ family<ElementwiseKernels>({
  reference: (allocate) => ({
    unary: (operation, x) => mapped(allocate, elementary[operation], x),
    binary: (operation, a, b) => binary(allocate, operation, a, b),
    scale: (x, factor) => scale(allocate, x, factor),
    power: (x, exponent) => power(allocate, x, exponent),
    select: (condition, a, b) => select(allocate, condition, a, b),
    sum: (x) => sum(allocate, x),
    argmax,
  }),
  wasm: (runtime, reference) => ({
    unary: (operation, x) => {
      const entry = wasmElementwise.ELEMENTARY[operation];
      return entry === undefined ? reference.unary(operation, x) : wasmElementwise.mapped(runtime, entry, x);
    },
    sum: (x) => wasmSums.sum(runtime, x, reference),
    binary: (operation, a, b) => wasmElementwise.binary(runtime, operation, a, b),
    scale: (x, factor) =>
      fitsFloat32(factor) ? wasmElementwise.scale(runtime, x, factor) : reference.scale(x, factor),
  }),
});

export const activationKernels = /* @__PURE__ */ family<UnaryKernels<ActivationOperation>>({
  reference: (allocate) => ({ unary: (operation, x) => mapped(allocate, activations[operation], x) }),
  wasm: (runtime) => ({ unary: (operation, x) => wasmElementwise.mapped(runtime, activationsEntries[operation], x) }),
});

export const softmaxKernels = /* @__PURE__ */ family<SoftmaxKernels>({
  reference: (allocate) => ({ softmax: (x, rows, cols) => softmax(allocate, x, rows, cols) }),
  wasm: (runtime) => ({ softmax: (x, rows, cols) => wasmSoftmax.softmax(runtime, x, rows, cols) }),
});

export const losses = /* @__PURE__ */ family<LossKernels>({
  reference: (allocate) => ({
    logSoftmax: (x, rows, cols) => logSoftmax(allocate, x, rows, cols),
    crossEntropy: (problem) => crossEntropy(allocate, problem),
  }),
  wasm: (runtime) => ({
    logSoftmax: (x, rows, cols) => wasmLosses.logSoftmax(runtime, x, rows, cols),
    crossEntropy: (problem) => wasmLosses.crossEntropy(runtime, problem),
  }),
});

export const norms = /* @__PURE__ */ family<NormalizationKernels>({
  reference: (allocate) => ({
    layerNorm: (problem) => layerNorm(allocate, problem),
    rmsNorm: (problem) => rmsNorm(allocate, problem),
  }),
  wasm: (runtime, reference) => ({
    layerNorm: (problem) => wasmNormalization.layerNorm(runtime, problem, reference),
    rmsNorm: (problem) => wasmNormalization.rmsNorm(runtime, problem, reference),
  }),
});

export const rotations = /* @__PURE__ */ family<RotaryKernels>({
  reference: (allocate) => ({ rotary: (problem) => rotary(allocate, problem) }),
  wasm: (runtime) => ({ rotary: (problem) => wasmRotary.rotary(runtime, problem) }),
});

export const attentionKernels = /* @__PURE__ */ family<AttentionKernels>({
  reference: (allocate) => ({
    attention: (problem) => referenceAttention.attention(allocate, problem),
    attentionStatistics: (problem) => referenceAttention.attentionStatistics(allocate, problem),
    attentionStage: (problem, stage, sequence, head) =>
      referenceAttention.attentionStage(allocate, problem, stage, sequence, head),
    logSumExp: (statistics) => referenceAttention.logSumExp(allocate, statistics),
  }),
  wasm: (runtime) => ({
    attention: (problem) => wasmAttention.attention(runtime, problem),
    attentionStatistics: (problem) => wasmAttention.attentionStatistics(runtime, problem),
    attentionStage: (problem, stage, sequence, head) =>
      wasmAttention.attentionStage(runtime, problem, stage, sequence, head),
  }),
});

/** For looking inside: clarity comes before speed. */
export const attentionSteps = /* @__PURE__ */ family<AttentionStepKernels>({
  reference: (allocate) => ({
    scoresBackward: (problem, unit, scores, capped, dScores) =>
      steps.scoresBackward(allocate, problem, unit, scores, capped, dScores),
    weights: (scores, rows, cols, sinks, head) => steps.weights(allocate, scores, rows, cols, sinks, head),
    weightsBackward: (weights, dWeights, rows, cols, sinks, head) =>
      steps.weightsBackward(allocate, weights, dWeights, rows, cols, sinks, head),
    timesValues: (problem, unit, weights) => steps.timesValues(allocate, problem, unit, weights),
    timesValuesBackward: (problem, unit, weights, dOut) =>
      steps.timesValuesBackward(allocate, problem, unit, weights, dOut),
  }),
});

export const dropouts = /* @__PURE__ */ family<DropoutKernels>({
  reference: (allocate) => ({ dropout: (problem) => dropout(allocate, problem) }),
  wasm: (runtime) => ({ dropout: (problem) => wasmDropout.dropout(runtime, problem) }),
});

export const updates = /* @__PURE__ */ family<UpdateKernels>({
  reference: () => ({ updateSGD, updateAdam, euclideanNorm }),
  wasm: (runtime, reference) => ({
    updateSGD: (update) => wasmUpdates.updateSGD(runtime, update, reference),
    updateAdam: (update) => wasmUpdates.updateAdam(runtime, update, reference),
    euclideanNorm: (parts) => wasmUpdates.euclideanNorm(runtime, parts, reference),
  }),
});

/** Beside the products of Muon these take no time. */
export const muon = /* @__PURE__ */ family<MuonKernels>({
  reference: (allocate) => ({
    muonDirection: (direction) => muonDirection(allocate, direction),
    quinticFactor: (s, square, n, coefficients) => quinticFactor(allocate, s, square, n, coefficients),
  }),
});
