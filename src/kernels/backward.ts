import type { BackwardKernels } from './contract.js';
import { referenceBackward } from './reference/backward.js';
import { family } from './state.js';
import { attentionBackward } from './wasm/calls/attention-backward.js';
import * as wasm from './wasm/calls/backward.js';

/**
 * Apart from the others, because a program that never differentiates needs none of it: valueAndGrad provides it. That of
 * attention too: imports are static, so none can mean "attention and gradients"; one side has to hold it, and attention
 * without gradients should not pay.
 */
export const backwardKernels = /* @__PURE__ */ family<BackwardKernels>({
  reference: referenceBackward,
  wasm: (runtime) => ({
    attentionBackward: (problem) => attentionBackward(runtime, problem),
    unaryBackward: (operation, x, y, dY) => wasm.unaryBackward(runtime, operation, x, y, dY),
    softmaxBackward: (y, dY, rows, cols) => wasm.softmaxBackward(runtime, y, dY, rows, cols),
    logSoftmaxBackward: (y, dY, rows, cols) => wasm.logSoftmaxBackward(runtime, y, dY, rows, cols),
    crossEntropyBackward: (problem, forward, dLoss) => wasm.crossEntropyBackward(runtime, problem, forward, dLoss),
    layerNormBackward: (problem) => wasm.layerNormBackward(runtime, problem),
    rmsNormBackward: (problem) => wasm.rmsNormBackward(runtime, problem),
    sumRows: (x, rows, cols) => wasm.sumRows(runtime, x, rows, cols),
  }),
});
