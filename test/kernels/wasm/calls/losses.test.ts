import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../../support/compare.js';
import { kernelsOf } from '../../../support/kernels.js';

const [wasm, reference, float64] = (['wasm-simd', 'reference', 'float64'] as const).map(kernelsOf);
const x = Float32Array.from({ length: 5 * 13 }, (_, i) => 4 * Math.sin(i * 78.233));
// The vector exp is good to 4 roundings, a sum of 13 numbers to a few more: 1e-6 of size 1.
const TOLERANCE = 1e-6;

describe('log-softmax and cross-entropy on WASM', () => {
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

  it('never write their operands, and take empty ones', () => {
    const before = x.slice();
    wasm.logSoftmax(x, 5, 13);
    expectSame(x, before);
    expect(wasm.logSoftmax(new Float32Array(0), 0, 4).length).toBe(0);
    expect(wasm.logSoftmax(new Float32Array(0), 4, 0).length).toBe(0);
  });
});
