import { describe, expect, it } from 'vitest';
import { crossEntropy, crossEntropyBackward } from '../../../src/kernels/reference/cross-entropy.js';

const floats = (length: number) => new Float64Array(length);
const problem = (logits: number[], targets: number[], more: object = {}) => ({
  logits: Float64Array.from(logits),
  rows: targets.length,
  cols: logits.length / targets.length,
  targets: Int32Array.from(targets),
  ignoreIndex: -100,
  labelSmoothing: 0,
  ...more,
});

describe('crossEntropy', () => {
  it('is the mean of log Σ e^z − z_target over the rows that count', () => {
    const { loss, max, sum } = crossEntropy(floats, problem([0, Math.log(3), 5, 5, 9, 9], [0, 1, -100]));
    expect(loss[0]).toBeCloseTo((Math.log(4) + Math.log(2)) / 2, 14);
    expect([...max]).toEqual([Math.log(3), 5, 9]);
    expect(sum[1]).toBe(2);
  });

  it('spreads a share of every target over all classes', () => {
    const { loss } = crossEntropy(floats, problem([0, Math.log(3)], [1], { labelSmoothing: 0.5 }));
    expect(loss[0]).toBeCloseTo(Math.log(4) - 0.75 * Math.log(3), 14);
  });

  it('is exact at logits of 1e30, and 0 where nothing counts', () => {
    expect(crossEntropy(floats, problem([1e30, 1e30], [0])).loss[0]).toBe(Math.log(2));
    expect(crossEntropy(floats, problem([1, 2], [-100])).loss[0]).toBe(0);
    expect(crossEntropy(floats, problem([Number.NEGATIVE_INFINITY, 0], [1])).loss[0]).toBe(0);
  });
});

describe('crossEntropyBackward', () => {
  it('is (softmax − target) / counted, 0 in rows that do not count', () => {
    const p = problem([0, Math.log(3), 1, 2], [0, -100], { labelSmoothing: 0.2 });
    const dLogits = crossEntropyBackward(floats, p, crossEntropy(floats, p), 2);
    [2 * (0.25 - 0.9), 2 * (0.75 - 0.1), 0, 0].forEach((d, i) => expect(dLogits[i]).toBeCloseTo(d, 14));
  });

  it('halves ties at 1e30', () => {
    const p = problem([1e30, 1e30], [0]);
    expect([...crossEntropyBackward(floats, p, crossEntropy(floats, p), 1)]).toEqual([-0.5, 0.5]);
  });
});
