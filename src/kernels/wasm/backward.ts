import type { BackwardKernels } from '../contract.js';
import { attentionBackward } from './attention-backward.js';
import { loadBackward, type Runtime } from './loader.js';

/** The backwards that run in WASM; the rest comes from elsewhere. Their module is compiled here. */
export function wasmBackward(runtime: Runtime): Pick<BackwardKernels, 'attentionBackward'> {
  const backward = loadBackward(runtime);
  return {
    attentionBackward: (problem) => attentionBackward(backward, problem),
  };
}
