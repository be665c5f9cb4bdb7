import { describe, expect, it } from 'vitest';
import { euclideanNorm, updateAdam, updateSGD } from '../../../src/kernels/reference/updates.js';
import { expectClose, expectSame } from '../../support/compare.js';

const SGD = { learningRate: 0.5, momentum: 0, nesterov: false, weightDecay: 0 };
const ADAM = { beta1: 0.8, beta2: 0.9, epsilon: 0.01, rate: 0.25, rootCorrection: 0.5, added: 0, kept: 1 };

describe('updateSGD by hand', () => {
  const run = (momentum: number, nesterov: boolean, weightDecay: number) => {
    const p = Float64Array.of(1);
    const buffer = momentum === 0 ? undefined : new Float64Array(1);
    for (const g of [2, -4]) {
      updateSGD({ ...SGD, p, buffer, gradient: Float64Array.of(g), cols: 1, momentum, nesterov, weightDecay });
    }
    return p;
  };
  it('plain, momentum, nesterov, decay', () => {
    expectClose(run(0, false, 0), [1 - 0.5 * 2 + 0.5 * 4], 1e-15);
    // b = 2, then 0.5·2 − 4 = −3.
    expectClose(run(0.5, false, 0), [1 - 0.5 * 2 + 0.5 * 3], 1e-15);
    // g + momentum·b: 2 + 1 = 3, then −4 − 1.5 = −5.5.
    expectClose(run(0.5, true, 0), [1 - 0.5 * 3 + 0.5 * 5.5], 1e-15);
    // g + 0.1·p: 2.1, p = −0.05; then −4.005.
    expectClose(run(0, false, 0.1), [-0.05 + 0.5 * 4.005], 1e-15);
  });
});

describe('updateAdam by hand', () => {
  it('with the decay in the gradient, and decoupled', () => {
    for (const [added, kept] of [
      [0, 1],
      [0.5, 1],
      [0, 0.95],
    ]) {
      const [p, m, v] = [Float64Array.of(2), Float64Array.of(0.3), Float64Array.of(0.04)];
      updateAdam({ ...ADAM, p, m, v, gradient: Float64Array.of(1), cols: 1, added, kept });
      const g = 1 + added * 2;
      const [mean, square] = [0.8 * 0.3 + 0.2 * g, 0.9 * 0.04 + 0.1 * g * g];
      expectClose([...m, ...v], [mean, square], 1e-15);
      expectClose(p, [kept * 2 - (0.25 * mean) / (Math.sqrt(square) / 0.5 + 0.01)], 1e-15);
    }
  });

  it('takes the step by moments that are not rounded yet', () => {
    const [p, m, v] = [Float32Array.of(1), new Float32Array(1), new Float32Array(1)];
    updateAdam({ ...ADAM, p, m, v, gradient: Float32Array.of(1e-30), cols: 1, epsilon: 0 });
    // v is below float32: by the rounded one the step would be infinite.
    expectSame(v, [0]);
    expectSame(p, [Math.fround(1 - (0.25 * 0.2) / (Math.sqrt(0.1) / 0.5))]);
  });
});

describe('what moves', () => {
  it('rows: those that are named, and no others', () => {
    const [p, buffer] = [Float32Array.of(1, 1, 2, 2, 3, 3), new Float32Array(6)];
    const rows = { rows: Int32Array.of(0, 2), cols: 2, gradient: Float32Array.of(2, 4, 6, 8) };
    updateSGD({ ...SGD, ...rows, p, buffer, momentum: 0.5 });
    expectSame(p, [0, -1, 2, 2, 0, -1]);
    expectSame(buffer, [2, 4, 0, 0, 6, 8]);
  });

  it('no decay multiplies nothing: an infinite parameter stays infinite, and is no NaN', () => {
    const p = Float32Array.of(Number.POSITIVE_INFINITY);
    const gradient = Float32Array.of(1);
    updateSGD({ ...SGD, p, gradient, cols: 1 });
    updateAdam({ ...ADAM, p, m: new Float32Array(1), v: new Float32Array(1), gradient, cols: 1 });
    expectSame(p, [Number.POSITIVE_INFINITY]);
  });
});

describe('euclideanNorm', () => {
  it('is that of all parts as one', () => {
    expect(euclideanNorm([Float32Array.of(3, 4), new Float32Array(0), Float32Array.of(12)])).toBe(13);
    expect(euclideanNorm([])).toBe(0);
    expect(euclideanNorm([new Float32Array(3)])).toBe(0);
  });

  it.each([1e200, 1e-200, 1e-160, 5e-324, 1e308])('of entries of %s is in range', (size) => {
    expectClose([euclideanNorm([Float64Array.of(size, 0), Float64Array.of(0)]) / size], [1], 1e-12);
  });

  it('is infinite for an infinity, and NaN for a NaN, beside one, too', () => {
    const { POSITIVE_INFINITY: infinity, NaN: nan } = Number;
    expect(euclideanNorm([Float32Array.of(1, -infinity)])).toBe(infinity);
    for (const pair of [
      [nan, infinity],
      [infinity, nan],
      [nan, 1],
    ]) {
      expect(euclideanNorm([Float32Array.from(pair)])).toBeNaN();
    }
  });
});
