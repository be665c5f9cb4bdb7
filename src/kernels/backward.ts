import type { BackwardKernels, ForwardKernels } from './contract.js';
import { referenceBackward } from './reference/backward.js';
import { wasmBackward } from './wasm/backward.js';
import { loadBackward, type Runtime } from './wasm/module/loader.js';

/** The backward kernels that belong to these forward ones; `runtime` where those are WASM. */
export function backwardKernels({ allocate }: ForwardKernels, runtime: Runtime | undefined): BackwardKernels {
  const reference = referenceBackward(allocate);
  return runtime === undefined ? reference : { ...reference, ...wasmBackward(loadBackward(runtime)) };
}
