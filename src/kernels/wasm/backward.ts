import type { BackwardKernels } from '../contract.js';
import { attentionBackward } from './attention-backward.js';
import type { BackwardRuntime } from './loader.js';

/** The backwards that run in WASM; the rest comes from elsewhere. */
export function wasmBackward(runtime: BackwardRuntime): Pick<BackwardKernels, 'attentionBackward'> {
  return {
    attentionBackward: (problem) => attentionBackward(runtime, problem),
  };
}
