import type { Allocate, BackwardKernels } from '../contract.js';
import { attentionBackward } from './attention-backward.js';
import { crossEntropyBackward } from './cross-entropy.js';
import { broadcast, shareOfMaximum, sumRows, unaryBackward } from './elementwise.js';
import { gatherRowsBackward, scatterRows, sliceColumnsBackward } from './layout.js';
import { layerNormBackward, rmsNormBackward } from './normalization.js';
import { hasNaN, quieted, quietRows, withoutRows } from './quiet-rows.js';
import { logSoftmaxBackward, softmaxBackward } from './softmax.js';

/** The specification of every backward, computing in whatever arrays `allocate` makes. */
export function referenceBackward(allocate: Allocate): BackwardKernels {
  return {
    sumRows: (x, rows, cols) => sumRows(allocate, x, rows, cols),
    softmaxBackward: (y, dY, rows, cols) => softmaxBackward(allocate, y, dY, rows, cols),
    logSoftmaxBackward: (y, dY, rows, cols) => logSoftmaxBackward(allocate, y, dY, rows, cols),
    unaryBackward: (operation, x, y, dY) => unaryBackward(allocate, operation, x, y, dY),
    gatherRowsBackward: (dOut, cols, ids, ignored) => gatherRowsBackward(allocate, dOut, cols, ids, ignored),
    attentionBackward: (problem) => attentionBackward(allocate, problem),
    layerNormBackward: (problem) => layerNormBackward(allocate, problem),
    rmsNormBackward: (problem) => rmsNormBackward(allocate, problem),
    crossEntropyBackward: (problem, forward, dLoss) => crossEntropyBackward(allocate, problem, forward, dLoss),
    shareOfMaximum: (a, b) => shareOfMaximum(allocate, a, b),
    broadcast: (dY, length, factor) => broadcast(allocate, dY, length, factor),
    sliceColumnsBackward: (dY, rows, cols, start, end) => sliceColumnsBackward(allocate, dY, rows, cols, start, end),
    scatterRows: (sparse, rows, cols) => scatterRows(allocate, sparse, rows, cols),
    withoutRows: (x, rows, cols) => withoutRows(allocate, x, rows, cols),
    hasNaN,
    quietRows,
    quieted,
  };
}
