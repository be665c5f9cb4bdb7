import type { Allocate, Kernels } from '../contract.js';
import { attention, attentionStage, attentionStatistics } from './attention.js';
import { attentionBackward } from './attention-backward.js';
import { crossEntropy, crossEntropyBackward } from './cross-entropy.js';
import { dropout } from './dropout.js';
import { binary, scale, sum, sumRows, unary, unaryBackward } from './elementwise.js';
import { gemm } from './gemm.js';
import { concat, concatColumns, gatherRows, gatherRowsBackward, sliceColumns, transpose } from './layout.js';
import { layerNorm, layerNormBackward, rmsNorm, rmsNormBackward } from './normalization.js';
import { rotary } from './rotary.js';
import { logSoftmax, logSoftmaxBackward, softmax, softmaxBackward } from './softmax.js';

/** The specification, computing in whatever arrays `allocate` makes. */
function referenceKernels(name: Kernels['name'], allocate: Allocate): Kernels {
  return {
    name,
    allocate,
    gemm: (problem) => gemm(allocate, problem),
    transpose: (x, rows, cols) => transpose(allocate, x, rows, cols),
    softmax: (x, rows, cols) => softmax(allocate, x, rows, cols),
    scale: (x, factor) => scale(allocate, x, factor),
    unary: (operation, x) => unary(allocate, operation, x),
    binary: (operation, a, b) => binary(allocate, operation, a, b),
    sum: (x) => sum(allocate, x),
    sliceColumns: (x, rows, cols, start, end) => sliceColumns(allocate, x, rows, cols, start, end),
    concat: (parts) => concat(allocate, parts),
    concatColumns: (parts, rows) => concatColumns(allocate, parts, rows),
    gatherRows: (table, cols, ids) => gatherRows(allocate, table, cols, ids),
    attention: (problem) => attention(allocate, problem),
    attentionStatistics: (problem) => attentionStatistics(allocate, problem),
    attentionStage: (problem, stage, sequence, head) => attentionStage(allocate, problem, stage, sequence, head),
    rotary: (problem) => rotary(allocate, problem),
    layerNorm: (problem) => layerNorm(allocate, problem),
    rmsNorm: (problem) => rmsNorm(allocate, problem),
    logSoftmax: (x, rows, cols) => logSoftmax(allocate, x, rows, cols),
    crossEntropy: (problem) => crossEntropy(allocate, problem),
    dropout: (problem) => dropout(allocate, problem),
    sumRows: (x, rows, cols) => sumRows(allocate, x, rows, cols),
    softmaxBackward: (y, dY, rows, cols) => softmaxBackward(allocate, y, dY, rows, cols),
    logSoftmaxBackward: (y, dY, rows, cols) => logSoftmaxBackward(allocate, y, dY, rows, cols),
    unaryBackward: (operation, x, y, dY) => unaryBackward(allocate, operation, x, y, dY),
    gatherRowsBackward: (dOut, cols, ids, ignored) => gatherRowsBackward(allocate, dOut, cols, ids, ignored),
    attentionBackward: (problem) => attentionBackward(allocate, problem),
    layerNormBackward: (problem) => layerNormBackward(allocate, problem),
    rmsNormBackward: (problem) => rmsNormBackward(allocate, problem),
    crossEntropyBackward: (problem, forward, dLoss) => crossEntropyBackward(allocate, problem, forward, dLoss),
  };
}

export const reference: Kernels = /* @__PURE__ */ referenceKernels('reference', (length) => new Float32Array(length));

/** The oracle: the same code on 64-bit storage. */
export const float64: Kernels = /* @__PURE__ */ referenceKernels('float64', (length) => new Float64Array(length));
