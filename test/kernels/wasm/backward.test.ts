import { expect, it } from 'vitest';
import { reference } from '../../../src/kernels/reference/kernels.js';
import { wasmBackward } from '../../../src/kernels/wasm/backward.js';
import { wasmKernels } from '../../../src/kernels/wasm/kernels.js';
import { loadBackward, loadKernels } from '../../../src/kernels/wasm/loader.js';
import { KernelMemory } from '../../../src/kernels/wasm/memory.js';

it('wasmBackward runs in the memory of the forward kernels', () => {
  const runtime = loadKernels(new KernelMemory());
  const one = { numHeads: 1, numKvHeads: 1, dK: 1, dV: 1, scale: 1, left: Infinity, right: Infinity, columns: 2 };
  const none = { maskRowsPerHead: 0, biasRowsPerHead: 0, softcap: 0, dropout: 0, seedLow: 0, seedHigh: 0, call: 0 };
  const problem = {
    ...one,
    ...none,
    q: Float32Array.of(0),
    k: Float32Array.of(5, -7),
    v: Float32Array.of(1, 3),
    cuSeqlens: Int32Array.of(0, 1),
    cuSeqlensK: Int32Array.of(0, 2),
    offsets: Int32Array.of(1),
  };
  const forward = wasmKernels(runtime, reference.unary).attention(problem);
  const dOut = Float32Array.of(2);
  const { dQ, dK, dV } = wasmBackward(loadBackward(runtime)).attentionBackward({
    ...problem,
    ...forward,
    dOut,
    wantsBias: false,
  });
  // Both weights are ½, out is 2: dZ = ½·(2·v − 4) = −1 and 1, dQ = −1·5 + 1·(−7), dK = dZ·q.
  expect([dQ, dK, dV].map((d) => [...d])).toEqual([[-12], [0, 0], [1, 1]]);
});
