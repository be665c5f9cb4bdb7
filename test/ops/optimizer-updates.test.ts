import { expect, test } from 'vitest';
import { Matrix, Parameter } from '../../src/index.js';
import { momentLike, spansOf, updateAdam, updateSGD } from '../../src/ops/optimizer-updates.js';
import { expectClose, expectSame } from '../support/compare.js';

const all = (g: number[]) => [{ from: 0, count: g.length, values: Float64Array.from(g), valuesFrom: 0 }];

test('SGD by hand: plain, momentum, nesterov, decay', () => {
  const run = (momentum: number, nesterov: boolean, weightDecay: number) => {
    const p = Float64Array.of(1);
    const buffer = momentum === 0 ? undefined : new Float64Array(1);
    for (const g of [2, -4]) {
      updateSGD(p, buffer, all([g]), { learningRate: 0.5, momentum, nesterov, weightDecay });
    }
    return p;
  };
  expectClose(run(0, false, 0), [1 - 0.5 * 2 + 0.5 * 4], 1e-15);
  // b = 2, then 0.5·2 − 4 = −3.
  expectClose(run(0.5, false, 0), [1 - 0.5 * 2 + 0.5 * 3], 1e-15);
  // g + momentum·b: 2 + 1 = 3, then −4 − 1.5 = −5.5.
  expectClose(run(0.5, true, 0), [1 - 0.5 * 3 + 0.5 * 5.5], 1e-15);
  // g + 0.1·p: 2.1, p = −0.05; then −4.005.
  expectClose(run(0, false, 0.1), [-0.05 + 0.5 * 4.005], 1e-15);
});

test('the first step of Adam is learningRate in the direction of the sign, whatever the betas', () => {
  const rule = { learningRate: 0.1, beta1: 0.7, beta2: 0.9, epsilon: 0, weightDecay: 0, isDecoupled: false };
  const p = Float64Array.of(1, 1);
  updateAdam(p, new Float64Array(2), new Float64Array(2), all([3, -1e-3]), 1, rule);
  expectClose(p, [0.9, 1.1], 1e-15);
});

test('Adam by hand at t = 2, with decay in the gradient and decoupled', () => {
  const run = (isDecoupled: boolean) => {
    const [p, m, v] = [Float64Array.of(2), Float64Array.of(0.3), Float64Array.of(0.04)];
    const rule = { learningRate: 0.1, beta1: 0.8, beta2: 0.9, epsilon: 0.01, weightDecay: 0.5, isDecoupled };
    updateAdam(p, m, v, all([1]), 2, rule);
    return [...p, ...m, ...v];
  };
  const byHand = (g: number, start: number) => {
    const [m, v] = [0.8 * 0.3 + 0.2 * g, 0.9 * 0.04 + 0.1 * g * g];
    return [start - (0.1 * (m / 0.36)) / (Math.sqrt(v / 0.19) + 0.01), m, v];
  };
  expectClose(run(false), byHand(1 + 0.5 * 2, 2), 1e-14);
  expectClose(run(true), byHand(1, 2 * (1 - 0.1 * 0.5)), 1e-14);
});

test('no decay multiplies nothing: an infinite parameter stays infinite, and is no NaN', () => {
  const p = Float32Array.of(Number.POSITIVE_INFINITY);
  updateSGD(p, undefined, all([1]), { learningRate: 1, momentum: 0, nesterov: false, weightDecay: 0 });
  const rule = { learningRate: 1, beta1: 0, beta2: 0, epsilon: 0, weightDecay: 0, isDecoupled: false };
  updateAdam(p, new Float32Array(1), new Float32Array(1), all([1]), 1, rule);
  expectSame(p, [Number.POSITIVE_INFINITY]);
});

test('spans: one of a dense gradient, one a row of a sparse one, all rows of it where dense is asked for', () => {
  const table = new Matrix(4, 2);
  expect(spansOf(table, new Matrix(4, 2), 'lazy')).toMatchObject([{ from: 0, count: 8, valuesFrom: 0 }]);
  const sparse = {
    rows: Int32Array.of(1, 3),
    values: Matrix.from([
      [5, 6],
      [7, 8],
    ]),
  };
  expect(spansOf(table, sparse, 'lazy')).toMatchObject([
    { from: 2, count: 2, valuesFrom: 0 },
    { from: 6, count: 2, valuesFrom: 2 },
  ]);
  const [span, ...others] = spansOf(table, sparse, 'dense');
  expect(others).toEqual([]);
  expect(span).toMatchObject({ from: 0, count: 8, valuesFrom: 0 });
  expectSame(span.values, [0, 0, 5, 6, 0, 0, 7, 8]);
});

test('moments are ordinary arrays of zeros, of the kind of the parameter', () => {
  const parameter = new Parameter(2, 3, new Float32Array(6).fill(1));
  const moment = momentLike(parameter);
  expect(moment).toBeInstanceOf(Float32Array);
  expect(moment.buffer).toBeInstanceOf(ArrayBuffer);
  expectSame(moment, [0, 0, 0, 0, 0, 0]);
  expect(momentLike({ data: new Float64Array(1) } as unknown as Matrix)).toBeInstanceOf(Float64Array);
});
