import { expect, test } from 'vitest';
import { capabilities, clipGradNorm, Matrix, Parameter, SGD, setKernels, valueAndGrad } from '../../src/index.js';
import { wrap } from '../../src/matrix/matrix.js';
import { expectClose, expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';
import { gradientsLike, sparseLike } from './support.js';

const parameter = (...values: number[]) => new Parameter(1, values.length, Float32Array.from(values));
const row = (...values: number[]) => Matrix.from([values]);

forEachTwin(({ tolerance }) => {
  test('all gradients shrink by one factor, to a norm of max', () => {
    const [p, q] = [parameter(1, 1), parameter(1)];
    const given = gradientsLike([p, row(3, -4)], [q, row(12)]);
    const taken = given.get(p) as Matrix;
    const { gradients, norm } = clipGradNorm(given, 6.5);
    expect(gradients).toBe(given);
    expectClose([norm], [13], tolerance);
    const factor = 6.5 / (13 + 1e-6);
    expectClose((given.get(p) as Matrix).data, [3 * factor, -4 * factor], tolerance);
    expectClose((given.get(q) as Matrix).data, [12 * factor], tolerance);
    expect([...given.entries()]).toEqual([p, q].map((x) => [x, given.get(x)]));
    expectSame(taken.data, [3, -4]); // a matrix that was taken before keeps its numbers
    expectClose([clipGradNorm(given, Number.POSITIVE_INFINITY).norm], [13 * factor], tolerance);
  });

  test('a step after clipping is clipped, whether it takes what was given or what was returned', () => {
    const [p, q] = [parameter(0), parameter(0)];
    const [first, second] = [gradientsLike([p, row(8)]), gradientsLike([q, row(8)])];
    clipGradNorm(first, 2);
    new SGD([p], { learningRate: 1 }).step(first);
    new SGD([q], { learningRate: 1 }).step(clipGradNorm(second, 2).gradients);
    expectClose([...p.data, ...q.data], [-2, -2], 1e-6);
  });

  test('a norm within max changes no bit', () => {
    const p = parameter(1, 1);
    for (const max of [5.1, Number.POSITIVE_INFINITY]) {
      const given = gradientsLike([p, row(3, -4)]);
      const before = given.get(p);
      const { gradients, norm } = clipGradNorm(given, max);
      expect(norm).toBe(5);
      expect(gradients.get(p)).toBe(before);
      expectSame((gradients.get(p) as Matrix).data, [3, -4]);
    }
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'a max of Infinity only measures, also where a gradient is %s: dense and of rows',
    (bad) => {
      const [p, table] = [parameter(1, 1, 1), new Parameter(5, 2)];
      for (const place of [0, 1]) {
        const dense = place === 0 ? row(bad, 5, 2) : row(1, 5, 2);
        const rows = place === 1 ? Matrix.from([[bad, 4]]) : Matrix.from([[3, 4]]);
        const parts = gradientsLike([p, dense]).add(sparseLike(table, [3], rows));
        const { gradients, norm } = clipGradNorm(parts, Number.POSITIVE_INFINITY);
        expect(norm).toBe(Math.abs(bad));
        expectSame((gradients.get(p) as Matrix).data, dense.data);
        const found = gradients.get(table);
        if (found === undefined || !('values' in found)) throw new Error('the gradient is not row-sparse');
        expectSame(found.values.data, rows.data);
      }
    },
  );

  test('a norm beyond float32 still gives the right lengths, and a tiny max does', () => {
    const p = parameter(...new Array<number>(400).fill(1));
    for (const max of [1, 1e-6]) {
      const { gradients, norm } = clipGradNorm(gradientsLike([p, row(...new Array<number>(400).fill(3e38))]), max);
      expectClose([norm / 6e39], [1], 1e-6);
      expectClose(
        (gradients.get(p) as Matrix).data.map((g) => g / max),
        new Array<number>(400).fill(1 / 20),
        1e-6,
      );
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
  const both = () => gradientsLike([p, row(3, 4)], [x, row(5, 12)]);
  expect(clipGradNorm(both(), 1).norm).toBe(5);
  expect(clipGradNorm(both(), 1, { parameters: [x, x] }).norm).toBe(13);
  expect(clipGradNorm(both(), 1, { parameters: [x, p] }).norm).toBe(Math.sqrt(25 + 169));
  expect(clipGradNorm(both(), 1, { parameters: [parameter(1)] }).norm).toBe(0); // which has no gradient
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

test.each([1e200, 1e-200, 1e-160, 5e-324, 1e308])(
  'squares of float64 gradients of %s do not leave the range',
  (size) => {
    const before = capabilities().kernels;
    setKernels('float64');
    try {
      const p = parameter(1, 1);
      const { gradients } = valueAndGrad(() => p.multiply(wrap(1, 2, Float64Array.of(size, 0))).sum());
      expectSame((clipGradNorm(gradients, Number.POSITIVE_INFINITY).gradients.get(p) as Matrix).data, [size, 0]);
      const clipped = clipGradNorm(gradients, size / 2);
      expectClose([clipped.norm / size], [1], 1e-12);
      const factor = size / 2 / (size + 1e-6);
      expectClose([(clipped.gradients.get(p) as Matrix).data[0]], [size * factor], 1e-12);
    } finally {
      setKernels(before);
    }
  },
);

test('a refused call leaves the gradients as they are', () => {
  const [p, q] = [parameter(1, 1), parameter(1)];
  const given = gradientsLike([p, row(3, 4)], [q, row(12)]);
  const before = given.get(p);
  const wrong = [
    () => clipGradNorm(given, -1),
    () => clipGradNorm(given, 1, { max: 1 } as never),
    () => clipGradNorm(given, 1, { parameters: [1] } as never),
  ];
  for (const call of wrong) expect(call).toThrow();
  expect(given.get(p)).toBe(before);
  // Found only while the gradients are scaled: this one does not count, so that its norm is not asked for.
  Object.assign(given.get(q) as Matrix, { data: new Float32Array(5) });
  expect(() => clipGradNorm(given, 1, { parameters: [p] })).toThrow();
  expect(given.get(p)).toBe(before);
  expectSame((before as Matrix).data, [3, 4]);
});
