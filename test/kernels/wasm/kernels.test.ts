import { describe, expect, it } from 'vitest';
import { float64, reference } from '../../../src/kernels/reference/kernels.js';
import { UNARY, type UnaryOperation } from '../../../src/kernels/unary.js';
import { wasmKernels } from '../../../src/kernels/wasm/kernels.js';
import { KernelMemory } from '../../../src/kernels/wasm/memory/memory.js';
import { loadKernels } from '../../../src/kernels/wasm/module/loader.js';
import { expectClose, expectSame } from '../../support/compare.js';

const wasm = wasmKernels(loadKernels(new KernelMemory()), reference);
const x = Float32Array.from({ length: 5 * 13 }, (_, i) => 4 * Math.sin(i * 78.233));
const gain = x.slice(0, 13);
const bias = x.slice(13, 26);
// The vector exp and tanh are good to 4 roundings, a norm of 13 numbers to a few more: 1e-6 of size 1.
const TOLERANCE = 1e-6;

describe('the WASM twin', () => {
  it.each(Object.keys(UNARY) as UnaryOperation[])('computes %s', (name) => {
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

  it('computes log-softmax and cross-entropy as the reference', () => {
    expectClose(wasm.logSoftmax(x, 5, 13), float64.logSoftmax(x, 5, 13), TOLERANCE);
    const { NEGATIVE_INFINITY, NaN: nan } = Number;
    const rows = Float32Array.of(1e30, 1e30, NEGATIVE_INFINITY, 0, NEGATIVE_INFINITY, NEGATIVE_INFINITY, nan, 0);
    expectClose(wasm.logSoftmax(rows, 4, 2), reference.logSoftmax(rows, 4, 2), TOLERANCE);
    for (const labelSmoothing of [0, 0.1, 1]) {
      const problem = { logits: x, rows: 5, cols: 13, targets: Int32Array.of(3, -7, 12, 0, 5), ignoreIndex: -7 };
      const [got, expected] = [wasm, float64].map((twin) => twin.crossEntropy({ ...problem, labelSmoothing }));
      expectClose(got.loss, expected.loss, TOLERANCE);
      expectClose(got.max, expected.max, 0);
      expectClose(got.sum, expected.sum, TOLERANCE);
      const none = { ...problem, labelSmoothing, ignoreIndex: 3, targets: new Int32Array(5).fill(3) };
      expectSame(wasm.crossEntropy(none).loss, [0]);
      for (const value of [nan, NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]) {
        const poisoned = { ...problem, labelSmoothing, logits: x.map((z, i) => (i < 13 ? value : z)) };
        expect(wasm.crossEntropy(poisoned).loss[0]).toBeNaN();
        const ignored = { ...problem, labelSmoothing, logits: x.map((z, i) => (i >= 13 && i < 26 ? value : z)) };
        expectSame(wasm.crossEntropy(ignored).loss, got.loss);
      }
    }
  });

  it('drops what the reference drops, and scales the rest by a float32', () => {
    for (const rate of [0, 1e-9, 0.1, 0.5, 0.999, 1]) {
      for (const length of [...Array(70).keys(), 5003]) {
        const given = {
          x: Float32Array.from({ length }, (_, i) => i + 1),
          rate,
          seedLow: 0xfedcba98,
          seedHigh: length,
        };
        const [got, expected] = [wasm.dropout(given), reference.dropout(given)];
        const factor = Math.fround(1 / (1 - rate));
        expectSame(
          got,
          expected.map((y, i) => (y === 0 ? 0 : (i + 1) * factor)),
        );
      }
    }
    const poison = wasm.dropout({ x: new Float32Array(400).fill(Number.NaN), rate: 0.5, seedLow: 1, seedHigh: 0 });
    const kept = poison.filter(Number.isNaN).length;
    expect(poison.filter((y) => Object.is(y, 0)).length).toBe(400 - kept);
    expect(Math.abs(kept - 200)).toBeLessThan(50); // five standard deviations
  });

  it('never writes its operands', () => {
    const before = x.slice();
    wasm.softmax(x, 5, 13);
    wasm.unary('exp', x);
    wasm.layerNorm({ x, rows: 5, cols: 13, gain, bias, epsilon: 0 });
    wasm.gemm({ m: 5, n: 5, k: 13, a: x, b: x, transposeB: true });
    wasm.logSoftmax(x, 5, 13);
    wasm.dropout({ x, rate: 0.5, seedLow: 0, seedHigh: 0 });
    expectSame(x, before);
  });

  it('takes empty operands', () => {
    const empty = new Float32Array(0);
    expect(wasm.softmax(empty, 0, 4).length).toBe(0);
    expect(wasm.unary('gelu', empty).length).toBe(0);
    expect(wasm.rmsNorm({ x: empty, rows: 0, cols: 3, epsilon: 1 }).out.length).toBe(0);
    expect(wasm.logSoftmax(empty, 0, 4).length).toBe(0);
    expect(wasm.logSoftmax(empty, 4, 0).length).toBe(0);
    expect([...wasm.gemm({ m: 2, n: 2, k: 0, a: empty, b: empty })]).toEqual([0, 0, 0, 0]);
  });
});
