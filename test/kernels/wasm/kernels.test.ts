import { describe, expect, it } from 'vitest';
import type { UnaryOperation } from '../../../src/kernels/contract.js';
import { reference } from '../../../src/kernels/reference/kernels.js';
import { wasmKernels } from '../../../src/kernels/wasm/kernels.js';
import { loadKernels } from '../../../src/kernels/wasm/loader.js';
import { KernelMemory } from '../../../src/kernels/wasm/memory.js';
import { expectClose, expectSame } from '../../support/compare.js';

const wasm = wasmKernels(loadKernels(new KernelMemory()), reference.unary);
const x = Float32Array.from({ length: 5 * 13 }, (_, i) => 4 * Math.sin(i * 78.233));
const gain = x.slice(0, 13);
const bias = x.slice(13, 26);
// The vector exp and tanh are good to 4 roundings, a norm of 13 numbers to a few more: 1e-6 of size 1.
const TOLERANCE = 1e-6;

describe('the WASM twin', () => {
  it.each<UnaryOperation>(['exp', 'tanh', 'relu', 'gelu', 'geluTanh', 'silu', 'log', 'sqrt'])('computes %s', (name) => {
    expectClose(wasm.unary(name, x), reference.unary(name, x), TOLERANCE);
  });

  it('computes softmax, norms and rotary as the reference', () => {
    expectClose(wasm.softmax(x, 5, 13), reference.softmax(x, 5, 13), TOLERANCE);
    const norm = { x, rows: 5, cols: 13, gain, bias, epsilon: 1e-5 };
    for (const problem of [norm, { ...norm, gain: undefined }, { ...norm, bias: undefined }]) {
      const [a, b] = [wasm.layerNorm(problem), reference.layerNorm(problem)];
      expectClose(a.out, b.out, TOLERANCE);
      expectClose(a.mean, b.mean, TOLERANCE);
      expectClose(a.inverseStd, b.inverseStd, TOLERANCE);
      expectClose(wasm.rmsNorm(problem).out, reference.rmsNorm(problem).out, TOLERANCE);
      expectClose(wasm.rmsNorm(problem).inverseRms, reference.rmsNorm(problem).inverseRms, TOLERANCE);
    }
    const angles = Float32Array.from({ length: 10 }, (_, i) => i);
    for (const interleaved of [false, true]) {
      const [cos, sin] = [angles.map(Math.cos), angles.map(Math.sin)];
      const problem = { x, rows: 5, numHeads: 1, headDim: 13, dim: 4, interleaved, cos, sin };
      expectClose(wasm.rotary(problem), reference.rotary(problem), TOLERANCE);
    }
  });

  it('never writes its operands', () => {
    const before = x.slice();
    wasm.softmax(x, 5, 13);
    wasm.unary('exp', x);
    wasm.layerNorm({ x, rows: 5, cols: 13, gain, bias, epsilon: 0 });
    wasm.gemm({ m: 5, n: 5, k: 13, a: x, b: x, transposeB: true });
    expectSame(x, before);
  });

  it('takes empty operands', () => {
    const empty = new Float32Array(0);
    expect(wasm.softmax(empty, 0, 4).length).toBe(0);
    expect(wasm.unary('gelu', empty).length).toBe(0);
    expect(wasm.rmsNorm({ x: empty, rows: 0, cols: 3, epsilon: 1 }).out.length).toBe(0);
    expect([...wasm.gemm({ m: 2, n: 2, k: 0, a: empty, b: empty })]).toEqual([0, 0, 0, 0]);
  });
});
