import { describe, expect, it } from 'vitest';
import { crossEntropy, crossEntropyBackward } from '../../../src/kernels/reference/cross-entropy.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { expectDerivative, float64, wave } from './derivatives.js';

const problem = {
  logits: wave(4 * 5, 1, 3),
  rows: 4,
  cols: 5,
  targets: Int32Array.of(2, 0, -1, 4),
  ignoreIndex: -1,
  labelSmoothing: 0,
};
const smoothings = [0, 0.1, 1];

describe('crossEntropy', () => {
  it.each(smoothings)('is the mean of −Σ t·log softmax over the counted rows, smoothing %d', (labelSmoothing) => {
    let total = 0;
    for (const r of [0, 1, 3]) {
      const row = [...problem.logits.subarray(5 * r, 5 * r + 5)];
      const logSum = Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
      row.forEach((z, c) => {
        const t = (c === problem.targets[r] ? 1 - labelSmoothing : 0) + labelSmoothing / 5;
        total -= t * (z - logSum);
      });
    }
    expectClose(crossEntropy(float64, { ...problem, labelSmoothing }).loss, [total / 3], 1e-14);
  });

  it('is 0 where no row counts, and exact at logits of 1e30', () => {
    const none = { ...problem, targets: new Int32Array(4).fill(-1) };
    expectSame(crossEntropy(float64, none).loss, [0]);
    expectSame(
      crossEntropyBackward(float64, none, crossEntropy(float64, none), Float64Array.of(1)),
      new Float64Array(20),
    );
    const tied = { ...problem, rows: 1, cols: 2, logits: Float64Array.of(1e30, 1e30), targets: Int32Array.of(1) };
    expectSame(crossEntropy(float64, tied).loss, [Math.LN2]);
    expectSame(crossEntropyBackward(float64, tied, crossEntropy(float64, tied), Float64Array.of(1)), [0.5, -0.5]);
  });

  it.each(smoothings)('has its derivative, smoothing %d', (labelSmoothing) => {
    const loss = (logits: Float64Array) => crossEntropy(float64, { ...problem, logits, labelSmoothing });
    const given = { ...problem, labelSmoothing };
    const dLogits = crossEntropyBackward(float64, given, loss(problem.logits), Float64Array.of(-1.5));
    expectDerivative((z) => loss(z).loss, problem.logits, [-1.5], dLogits);
    expect([...dLogits.subarray(10, 15)]).toEqual([0, 0, 0, 0, 0]);
  });

  it('gives m and s of every row, also of those that do not count', () => {
    const { max, sum } = crossEntropy(float64, problem);
    for (let r = 0; r < problem.rows; r++) {
      const row = [...problem.logits.subarray(5 * r, 5 * r + 5)];
      expect(max[r]).toBe(Math.max(...row));
      expectClose(
        sum.subarray(r, r + 1),
        [row.reduce((total, z) => total + Math.exp(z - max[r]), 0)],
        1e-14,
        `row ${r}`,
      );
    }
  });

  it('does not read a logit of −∞ that has no part in the target', () => {
    const logits = Float64Array.of(0, 0, -Infinity);
    const given = { ...problem, logits, rows: 1, cols: 3, targets: Int32Array.of(1) };
    expectSame(crossEntropy(float64, given).loss, [Math.LN2]);
    expectSame(crossEntropy(float64, { ...given, targets: Int32Array.of(2) }).loss, [Infinity]);
    expectSame(crossEntropy(float64, { ...given, labelSmoothing: 0.1 }).loss, [Infinity]);
  });
});
