import type { Allocate, BackwardKernels } from '../contract.js';
import { attentionBackward } from './attention-backward.js';
import { crossEntropyBackward } from './cross-entropy.js';
import { sumRows, unaryBackward } from './elementwise.js';
import { gatherRowsBackward } from './layout.js';
import { layerNormBackward, rmsNormBackward } from './normalization.js';
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
  };
}
