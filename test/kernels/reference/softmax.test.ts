import { describe, expect, it } from 'vitest';
import {
  logSoftmax,
  logSoftmaxBackward,
  softmaxBackward,
  softmax as softmaxRows,
} from '../../../src/kernels/reference/softmax.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { expectClose, expectRelative, expectSame } from '../../support/compare.js';
import { fc } from '../../support/property.js';
import { forEachTwin } from '../../support/twins.js';
import { expectDerivative, float64, wave } from './derivatives.js';

const { NEGATIVE_INFINITY, POSITIVE_INFINITY } = Number;
const softmax = (...row: number[]) => [...Matrix.from([row]).softmax().data];

forEachTwin(({ tolerance }) => {
  describe('softmax', () => {
    it('has rows that sum to 1, in the order of the entries, unmoved by a constant', () => {
      const rows = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 70 });
      fc.assert(
        fc.property(rows, fc.integer({ min: -50, max: 50 }), (values, c) => {
          const row = values.map((value) => Math.round(value * 64) / 64); // exact when c is added
          const got = softmax(...row);
          expectClose([got.reduce((sum, x) => sum + x, 0)], [1], tolerance);
          expectSame(softmax(...row.map((x) => x + c)), got);
          row.forEach((x, i) => expect(x > row[0] ? got[i] >= got[0] : got[i] <= got[0]).toBe(true));
        }),
      );
    });

    it('is e^x / Σ e^x', () => {
      const row = [0.5, -1, 2, 0];
      const sum = row.reduce((total, x) => total + Math.exp(x), 0);
      expectClose(
        softmax(...row),
        row.map((x) => Math.exp(x) / sum),
        tolerance,
      );
    });

    it('subtracts the maximum: huge logits and ties give no NaN', () => {
      expect(softmax(1e30, 1e30, -1e30)).toEqual([0.5, 0.5, 0]);
      expect(softmax(3e38, -3e38)).toEqual([1, 0]);
      expect(softmax(-1e4)).toEqual([1]);
    });

    it('keeps the relative accuracy of small weights, and takes denormal logits', () => {
      const row = [0, -20, -40, -60, -80];
      const sum = row.reduce((total, x) => total + Math.exp(x), 0);
      // e^{−80} is 2e-35: only a relative tolerance sees it; 80 costs its exponent 7 of 24 bits in a float32 kernel.
      const expected = row.map((x) => Math.exp(x) / sum);
      expectRelative(softmax(...row), expected, 10 * tolerance, 0);
      expect(softmax(1e-45, 0, -1e-45, -0)).toEqual([0.25, 0.25, 0.25, 0.25]);
    });

    it('treats −∞ as weight 0, a row of them as zeros, NaN and +∞ as NaN of their row', () => {
      expect(softmax(0, NEGATIVE_INFINITY)).toEqual([1, 0]);
      expect(softmax(NEGATIVE_INFINITY, NEGATIVE_INFINITY)).toEqual([0, 0]);
      expect(softmax(1, Number.NaN).every(Number.isNaN)).toBe(true);
      expect(softmax(NEGATIVE_INFINITY, Number.NaN).every(Number.isNaN)).toBe(true);
      expect(softmax(1, POSITIVE_INFINITY).some(Number.isNaN)).toBe(true);
      const mixed = Matrix.from([
        [Number.NaN, 0],
        [0, 0],
      ]).softmax();
      expect([...mixed.row(1)]).toEqual([0.5, 0.5]);
    });

    it('takes empty shapes', () => {
      expect(new Matrix(0, 5).softmax().rows).toBe(0);
      expect(new Matrix(5, 0).softmax().cols).toBe(0);
    });
  });
});

describe('the specification', () => {
  const [x, dY] = [wave(3 * 5, 1), wave(3 * 5, 2)];
  const y = softmaxRows(float64, x, 3, 5);
  const logY = logSoftmax(float64, x, 3, 5);

  it('logSoftmax is the logarithm of softmax, also where that is 0', () => {
    expectClose(logY, y.map(Math.log), 1e-14);
    expectSame(logSoftmax(float64, Float64Array.of(1e30, 0), 1, 2), [0, -1e30]);
    expectSame(logSoftmax(float64, Float64Array.of(1e30, 1e30), 1, 2), [-Math.LN2, -Math.LN2]);
    expectSame(logSoftmax(float64, Float64Array.of(NEGATIVE_INFINITY, 0), 1, 2), [NEGATIVE_INFINITY, 0]);
    expectSame(
      logSoftmax(float64, new Float64Array(2).fill(NEGATIVE_INFINITY), 1, 2),
      Array(2).fill(NEGATIVE_INFINITY),
    );
  });

  it('softmaxBackward and logSoftmaxBackward are the derivatives', () => {
    expectDerivative((z) => softmaxRows(float64, z, 3, 5), x, dY, softmaxBackward(float64, y, dY, 3, 5));
    expectDerivative((z) => logSoftmax(float64, z, 3, 5), x, dY, logSoftmaxBackward(float64, logY, dY, 3, 5));
  });

  it('an entry of weight 0 gets and gives nothing, whatever its gradient', () => {
    const poison = Float64Array.of(Number.NaN, 3, 5);
    expectSame(softmaxBackward(float64, Float64Array.of(0, 0.5, 0.5), poison, 1, 3), [0, -0.5, 0.5]);
    const logHalf = -Math.LN2;
    const got = logSoftmaxBackward(float64, Float64Array.of(NEGATIVE_INFINITY, logHalf, logHalf), poison, 1, 3);
    expectClose(got, [0, -1, 1], 1e-15);
  });
});
