import { describe, expect, it } from 'vitest';
import type { UnaryOperation } from '../../../../src/kernels/contract.js';
import { expectClose, expectSame } from '../../../support/compare.js';
import { attentionOn, kernelsOf, newRuntime } from '../../../support/kernels.js';

it('the backward runs in the memory of the forward kernels', () => {
  const own = attentionOn(newRuntime());
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
  const forward = own.attention(problem);
  const dOut = Float32Array.of(2);
  const { dQ, dK, dV } = own.attentionBackward({
    ...problem,
    ...forward,
    dOut,
  });
  // Both weights are ½, out is 2: dZ = ½·(2·v − 4) = −1 and 1, dQ = −1·5 + 1·(−7), dK = dZ·q.
  expect([dQ, dK, dV].map((d) => [...d])).toEqual([[-12], [0, 0], [1, 1]]);
});

describe('the WASM backward', () => {
  const [wasm, reference, exact] = (['wasm-simd', 'reference', 'float64'] as const).map(kernelsOf);
  const [rows, cols] = [5, 13];
  const x = Float32Array.from({ length: rows * cols }, (_, i) => 4 * Math.sin(i * 78.233));
  const dY = Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i * 12.9898));
  const gain = x.slice(0, cols);
  // Sums of 13 numbers of size 4 and functions good to a few roundings: 3e-6 of size 1.
  const TOLERANCE = 3e-6;

  it.each<UnaryOperation>(['exp', 'tanh', 'relu', 'gelu', 'geluTanh', 'silu', 'log', 'sqrt'])('of %s', (name) => {
    const positive = x.map((value) => Math.abs(value) + 0.1);
    const y = reference.unary(name, positive);
    expectClose(wasm.unaryBackward(name, positive, y, dY), exact.unaryBackward(name, positive, y, dY), TOLERANCE);
  });

  it('of softmax, log-softmax, cross-entropy and sums as the reference', () => {
    const y = reference.softmax(x, rows, cols);
    expectClose(wasm.softmaxBackward(y, dY, rows, cols), exact.softmaxBackward(y, dY, rows, cols), TOLERANCE);
    const log = reference.logSoftmax(x, rows, cols);
    expectClose(wasm.logSoftmaxBackward(log, dY, rows, cols), exact.logSoftmaxBackward(log, dY, rows, cols), TOLERANCE);
    expectClose(wasm.sumRows(x, rows, cols), exact.sumRows(x, rows, cols), TOLERANCE);
    for (const labelSmoothing of [0, 0.1, 1]) {
      const targets = Int32Array.of(3, -7, 12, 0, 5);
      const problem = { logits: x, rows, cols, targets, ignoreIndex: -7, labelSmoothing };
      const forward = reference.crossEntropy(problem);
      const [got, expected] = [wasm, exact].map((twin) =>
        twin.crossEntropyBackward(problem, forward, Float32Array.of(-2.5)),
      );
      expectClose(got, expected, TOLERANCE);
      const none = { ...problem, targets: new Int32Array(rows).fill(-7) };
      expectSame(wasm.crossEntropyBackward(none, forward, Float32Array.of(1)), new Float32Array(rows * cols));
    }
  });

  it('of the norms, with and without gain', () => {
    for (const given of [{ gain }, {}]) {
      const problem = { x, rows, cols, ...given, epsilon: 1e-5, dOut: dY };
      const layer = { ...problem, ...reference.layerNorm(problem) };
      const [got, expected] = [wasm, exact].map((twin) => twin.layerNormBackward(layer));
      for (const name of ['dX', 'dGain', 'dBias'] as const) expectClose(got[name], expected[name], TOLERANCE, name);
      const rms = { ...problem, ...reference.rmsNorm(problem) };
      const [gotRms, expectedRms] = [wasm, exact].map((twin) => twin.rmsNormBackward(rms));
      for (const name of ['dX', 'dGain'] as const) expectClose(gotRms[name], expectedRms[name], TOLERANCE, name);
    }
  });

  it('takes empty operands, and never writes the others', () => {
    const empty = new Float32Array(0);
    expect(wasm.unaryBackward('gelu', empty, empty, empty).length).toBe(0);
    expect(wasm.softmaxBackward(empty, empty, 0, 4).length).toBe(0);
    expect(wasm.softmaxBackward(empty, empty, 4, 0).length).toBe(0);
    expectSame(wasm.sumRows(empty, 0, 3), [0, 0, 0]);
    const none = { x: empty, rows: 0, cols: 2, epsilon: 1, mean: empty, inverseStd: empty, dOut: empty };
    expectSame(wasm.layerNormBackward(none).dGain, [0, 0]);
    const [before, upstream] = [x.slice(), dY.slice()];
    wasm.softmaxBackward(x, dY, rows, cols);
    wasm.unaryBackward('silu', x, x, dY);
    wasm.layerNormBackward({ x, rows, cols, gain, epsilon: 0, mean: gain, inverseStd: gain, dOut: dY });
    expectSame(x, before);
    expectSame(dY, upstream);
  });
});
