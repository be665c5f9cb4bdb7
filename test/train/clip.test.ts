import { expect, test } from 'vitest';
import { clipGradNorm, Matrix, Parameter } from '../../src/index.js';
import { expectClose, expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';
import { gradientsLike, sparseLike } from './support.js';

const parameter = (...values: number[]) => new Parameter(1, values.length, Float32Array.from(values));
const row = (...values: number[]) => Matrix.from([values]);

forEachTwin(({ tolerance }) => {
  test('all gradients shrink by one factor, to a norm of max', () => {
    const [p, q] = [parameter(1, 1), parameter(1)];
    const given = gradientsLike([p, row(3, -4)], [q, row(12)]);
    const { gradients, norm } = clipGradNorm(given, 6.5);
    expectClose([norm], [13], tolerance);
    const factor = 6.5 / (13 + 1e-6);
    expectClose((gradients.get(p) as Matrix).data, [3 * factor, -4 * factor], tolerance);
    expectClose((gradients.get(q) as Matrix).data, [12 * factor], tolerance);
    expectSame((given.get(p) as Matrix).data, [3, -4]); // those given stay
  });

  test('a norm within max changes no bit', () => {
    const p = parameter(1, 1);
    for (const max of [5.1, Number.POSITIVE_INFINITY]) {
      const { gradients, norm } = clipGradNorm(gradientsLike([p, row(3, -4)]), max);
      expect(norm).toBe(5);
      expectSame((gradients.get(p) as Matrix).data, [3, -4]);
    }
  });

  test('rows of a table count once, summed where an id was read twice, and stay rows', () => {
    const table = new Parameter(5, 2);
    // Row 3 gets (1, 2) + (2, 2) = (3, 4), row 0 gets (0, 12): norm 13.
    const values = Matrix.from([
      [1, 2],
      [0, 12],
      [2, 2],
    ]);
    const { gradients, norm } = clipGradNorm(sparseLike(table, [3, 0, 3], values), 1.3);
    expectClose([norm], [13], tolerance);
    const gradient = gradients.get(table);
    if (gradient === undefined || !('values' in gradient)) throw new Error('the gradient is not row-sparse');
    expect([...gradient.rows]).toEqual([0, 3]);
    expectClose(gradient.values.data, [0, 1.2, 0.3, 0.4], 1e-6);
  });
});

test('inputs do not count beside parameters, unless they are named or nothing else is there', () => {
  const [p, x] = [parameter(1, 1), row(1, 1)];
  const both = gradientsLike([p, row(3, 4)], [x, row(5, 12)]);
  expect(clipGradNorm(both, 1).norm).toBe(5);
  expect(clipGradNorm(both, 1, { parameters: [x, x] }).norm).toBe(13);
  expect(clipGradNorm(both, 1, { parameters: [x, p] }).norm).toBe(Math.sqrt(25 + 169));
  expect(clipGradNorm(both, 1, { parameters: [parameter(1)] }).norm).toBe(0); // which has no gradient
  expect(clipGradNorm(gradientsLike([x, row(5, 12)]), 1).norm).toBe(13);
});

test('the factor is max / (norm + 1e-6), as in torch, also where the norm is 0 or tiny', () => {
  const p = parameter(1);
  const clipped = (g: number, max: number) =>
    (clipGradNorm(gradientsLike([p, row(g)]), max).gradients.get(p) as Matrix).data;
  expectSame(clipped(0, 1), [0]);
  expectSame(clipped(0, 0), [0]);
  expectSame(clipped(7, 0), [0]);
  expectClose([clipped(1e-6, 1e-6)[0] * 1e6], [0.5], 1e-6);
});

test('a NaN or an infinity reaches the norm and the gradients', () => {
  const p = parameter(1, 1);
  const of = (g: number) => clipGradNorm(gradientsLike([p, row(g, 1)]), 1);
  expect(of(Number.NaN).norm).toBeNaN();
  expectSame((of(Number.NaN).gradients.get(p) as Matrix).data, [Number.NaN, Number.NaN]);
  expect(of(Number.POSITIVE_INFINITY).norm).toBe(Number.POSITIVE_INFINITY);
  expectSame((of(Number.POSITIVE_INFINITY).gradients.get(p) as Matrix).data, [Number.NaN, 0]);
});

test('squares of large gradients do not overflow', () => {
  expect(clipGradNorm(gradientsLike([parameter(1), row(3e38)]), 1).norm).toBe(Math.fround(3e38));
});
