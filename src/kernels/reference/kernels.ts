// kernels/reference: the specification, as plain loops that read like the formulas. Knows nothing of the twins that must
// agree with it, and nothing of speed.

import type { Allocate, ForwardKernels } from '../contract.js';
import { attention, attentionStage, attentionStatistics } from './attention.js';
import { crossEntropy } from './cross-entropy.js';
import { dropout } from './dropout.js';
import { binary, scale, sum, unary } from './elementwise.js';
import { gemm } from './gemm.js';
import { concat, concatColumns, gatherRows, sliceColumns, transpose } from './layout.js';
import { layerNorm, rmsNorm } from './normalization.js';
import { rotary } from './rotary.js';
import { logSoftmax, softmax } from './softmax.js';

/** The specification, computing in whatever arrays `allocate` makes. */
function referenceKernels(name: ForwardKernels['name'], allocate: Allocate): ForwardKernels {
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
  };
}

export const reference: ForwardKernels = /* @__PURE__ */ referenceKernels(
  'reference',
  (length) => new Float32Array(length),
);

/** The oracle: the same code on 64-bit storage. */
export const float64: ForwardKernels = /* @__PURE__ */ referenceKernels(
  'float64',
  (length) => new Float64Array(length),
);
