import { describe, expect, it } from 'vitest';
import { Matrix, wrap } from '../../src/matrix/matrix.js';
import { expectSame, expectTable } from '../support/compare.js';
import { fc } from '../support/property.js';
import { forEachTwin } from '../support/twins.js';

const a = () =>
  Matrix.from([
    [1, 2, 3],
    [4, 5, 6],
  ]);
const b = () =>
  Matrix.from([
    [1, 0],
    [2, 1],
    [0, 3],
  ]);
const row = () => Matrix.from([[10, 20, 40]]);
const same = () =>
  Matrix.from([
    [2, 2, 2],
    [4, 4, 4],
  ]);

/** Every method that gives a matrix, and what it gives. */
const methods: [string, (x: Matrix) => Matrix, number[][]][] = [
  [
    'matmul',
    (x) => x.matmul(b()),
    [
      [5, 11],
      [14, 23],
    ],
  ],
  [
    'matmul transposeB',
    (x) => x.matmul(same(), { transposeB: true }),
    [
      [12, 24],
      [30, 60],
    ],
  ],
  [
    'matmul transposeA',
    (x) => x.matmul(same(), { transposeA: true }),
    [
      [18, 18, 18],
      [24, 24, 24],
      [30, 30, 30],
    ],
  ],
  [
    'transpose',
    (x) => x.transpose(),
    [
      [1, 4],
      [2, 5],
      [3, 6],
    ],
  ],
  [
    'scale',
    (x) => x.scale(-2),
    [
      [-2, -4, -6],
      [-8, -10, -12],
    ],
  ],
  [
    'add',
    (x) => x.add(same()),
    [
      [3, 4, 5],
      [8, 9, 10],
    ],
  ],
  [
    'add a row',
    (x) => x.add(row()),
    [
      [11, 22, 43],
      [14, 25, 46],
    ],
  ],
  [
    'subtract',
    (x) => x.subtract(same()),
    [
      [-1, 0, 1],
      [0, 1, 2],
    ],
  ],
  [
    'subtract a row',
    (x) => x.subtract(row()),
    [
      [-9, -18, -37],
      [-6, -15, -34],
    ],
  ],
  [
    'multiply',
    (x) => x.multiply(same()),
    [
      [2, 4, 6],
      [16, 20, 24],
    ],
  ],
  [
    'multiply a row',
    (x) => x.multiply(row()),
    [
      [10, 40, 120],
      [40, 100, 240],
    ],
  ],
  [
    'divide',
    (x) => x.divide(same()),
    [
      [0.5, 1, 1.5],
      [1, 1.25, 1.5],
    ],
  ],
  [
    'divide by a row',
    (x) => x.divide(Matrix.from([[1, 2, 3]])),
    [
      [1, 1, 1],
      [4, 2.5, 2],
    ],
  ],
  ['sliceRows', (x) => x.sliceRows(1), [[4, 5, 6]]],
  [
    'sliceColumns',
    (x) => x.sliceColumns(1, 3),
    [
      [2, 3],
      [5, 6],
    ],
  ],
  [
    'concatRows',
    (x) => Matrix.concatRows([x, row()]),
    [
      [1, 2, 3],
      [4, 5, 6],
      [10, 20, 40],
    ],
  ],
  [
    'concatColumns',
    (x) => Matrix.concatColumns([x, x]),
    [
      [1, 2, 3, 1, 2, 3],
      [4, 5, 6, 4, 5, 6],
    ],
  ],
  ['sum', (x) => x.sum(), [[21]]],
  ['mean', (x) => x.mean(), [[3.5]]],
  [
    'clone',
    (x) => x.clone(),
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
  ],
  ['exp', (x) => x.exp(), [1, 4].map((s) => [0, 1, 2].map((i) => Math.exp(s + i)))],
  ['log', (x) => x.log(), [1, 4].map((s) => [0, 1, 2].map((i) => Math.log(s + i)))],
  ['sqrt', (x) => x.sqrt(), [1, 4].map((s) => [0, 1, 2].map((i) => Math.sqrt(s + i)))],
  ['tanh', (x) => x.tanh(), [1, 4].map((s) => [0, 1, 2].map((i) => Math.tanh(s + i)))],
  ['softmax', (x) => x.softmax(), [0, 1].map(() => [0, 1, 2].map((i) => Math.exp(i) / (1 + Math.E + Math.E ** 2)))],
];

forEachTwin(({ name: twin, tolerance }) => {
  it.each(methods)('%s gives its value, writes no operand, shares no memory', (_, method, expected) => {
    const x = a();
    const got = method(x);
    expectTable(got, { rows: expected.length, cols: expected[0].length, data: expected.flat() }, tolerance);
    expect(x.toArray()).toEqual(a().toArray());
    expect(got.data.buffer).not.toBe(x.data.buffer);
    got.data.fill(9);
    expect(x.toArray()).toEqual(a().toArray());
  });

  it('keeps results in the storage of its kernels', () => {
    const expected = twin === 'float64' ? Float64Array : Float32Array;
    for (const [name, method] of methods) {
      if (!/slice|clone/.test(name)) expect(method(a()).data, name).toBeInstanceOf(expected);
    }
  });

  it('has the laws of algebra, within the error of a sum', () => {
    const size = fc.integer({ min: 1, max: 20 });
    fc.assert(
      fc.property(size, size, size, fc.nat(), (m, k, n, seed) => {
        const random = (rows: number, cols: number, s: number) =>
          Matrix.randomUniform(rows, cols, { seed: seed + s, low: -1 });
        const [x, y, z] = [random(m, k, 0), random(k, n, 1), random(k, n, 2)];
        // k terms below 1: γ_k ≤ k·6e-8, or 1e-16 for float64.
        const bound = Math.max(tolerance / 4, 1e-12) * k;
        expectTable(x.matmul(y).transpose(), y.transpose().matmul(x.transpose()), bound);
        expectTable(x.matmul(y.add(z)), x.matmul(y).add(x.matmul(z)), bound);
        expectTable(x.matmul(y), x.matmul(y.transpose(), { transposeB: true }), bound);
        expectTable(x.matmul(y), x.transpose().matmul(y, { transposeA: true }), bound);
        expectSame(x.matmul(Matrix.identity(k)).data, x.data);
        expectSame(x.transpose().transpose().data, x.data);
      }),
      { numRuns: 40 },
    );
  });
});

forEachTwin(() => {
  it('matmul errs at most γ_k·(|A||B|), γ_k = k·u / (1 − k·u), u = 2^−24', () => {
    for (const [m, k, n, seed] of [
      [1, 1, 1, 1],
      [1, 300, 17, 2],
      [33, 127, 9, 3],
      [7, 600, 70, 4],
      [70, 31, 33, 5],
    ]) {
      const x = Matrix.randomNormal(m, k, { seed });
      const y = Matrix.randomNormal(k, n, { seed: seed + 10, mean: 0.5 });
      const [straight, turned] = [
        x.matmul(y),
        x.transpose().matmul(y.transpose(), { transposeA: true, transposeB: true }),
      ];
      const gamma = (k * 2 ** -24) / (1 - k * 2 ** -24);
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let [exact, size] = [0, 0];
          for (let p = 0; p < k; p++) {
            exact += x.get(i, p) * y.get(p, j);
            size += Math.abs(x.get(i, p) * y.get(p, j));
          }
          const worst = Math.max(Math.abs(straight.get(i, j) - exact), Math.abs(turned.get(i, j) - exact));
          expect(worst, `${m}×${k}×${n} at ${i}, ${j}`).toBeLessThanOrEqual(gamma * size);
        }
      }
    }
  });
});

describe('Matrix', () => {
  it('keeps the array it is given, and makes zeros without one', () => {
    const data = Float32Array.of(1, 2);
    expect(new Matrix(1, 2, data).data).toBe(data);
    expect(Matrix.zeros(2, 2).toArray()).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(Matrix.identity(2).toArray()).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(Matrix.from([]).rows).toBe(0);
    expect(Matrix.from([[], []]).cols).toBe(0);
    expect(Matrix.from([Float32Array.of(1), [2]]).toArray()).toEqual([[1], [2]]);
  });

  it('reads and writes entries, and rows as views', () => {
    const x = a();
    x.set(1, 2, 9);
    expect(x.get(1, 2)).toBe(9);
    x.row(0)[1] = 7;
    expect(x.toArray()).toEqual([
      [1, 7, 3],
      [4, 5, 9],
    ]);
  });

  it('finds the largest column of every row: the first of equals, NaN above all', () => {
    expect([
      ...Matrix.from([
        [1, 3, 3],
        [0, Number.NaN, 5],
        [-1, -2, -3],
        [-0, 0, 0],
      ]).argmax(),
    ]).toEqual([1, 1, 0, 0]);
    expect(new Matrix(0, 0).argmax().length).toBe(0);
  });

  it('takes empty shapes everywhere', () => {
    expect(new Matrix(0, 3).matmul(new Matrix(3, 2)).rows).toBe(0);
    expect(new Matrix(2, 0).matmul(new Matrix(0, 2)).toArray()).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(new Matrix(0, 0).sum().get(0, 0)).toBe(0);
    expect(new Matrix(0, 0).mean().get(0, 0)).toBeNaN();
    expect(a().sliceRows(2).rows).toBe(0);
    expect(wrap(1, 1, Float32Array.of(4)).get(0, 0)).toBe(4);
  });
});
