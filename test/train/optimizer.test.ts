import { describe, expect, test } from 'vitest';
import { Adam, AdamW, Matrix, Parameter, SGD, ShapeError } from '../../src/index.js';
import { type KernelChoice, withKernels } from '../../src/kernels/state.js';
import { expectClose, expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';
import { denseLike, gradientsLike, sparseLike } from './support.js';

type AnyOptimizer = SGD | Adam | AdamW;
type RowUpdates = 'lazy' | 'dense' | undefined;

const MAKERS: [name: string, make: (parameters: Matrix[], rowUpdates?: RowUpdates) => AnyOptimizer][] = [
  ['SGD', (ps, rowUpdates) => new SGD(ps, { learningRate: 0.1, rowUpdates })],
  [
    'SGD with everything',
    (ps, rowUpdates) => {
      return new SGD(ps, { learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.1, rowUpdates });
    },
  ],
  ['Adam with decay', (ps, rowUpdates) => new Adam(ps, { learningRate: 0.1, weightDecay: 0.1, rowUpdates })],
  ['AdamW', (ps, rowUpdates) => new AdamW(ps, { learningRate: 0.1, rowUpdates })],
];

const table = (seed = 1) => new Parameter(6, 3, Matrix.randomNormal(6, 3, { seed }).data);
const noise = (rows: number, seed: number) => Matrix.randomNormal(rows, 3, { seed });

/** Everything an optimizer keeps, and the parameters, as one list. */
function everything(optimizer: AnyOptimizer, ...parameters: Matrix[]): number[] {
  const state = [...optimizer.stateDict().values()].flatMap(({ data }) => Array.from(data, Number));
  return [...state, ...parameters.flatMap(({ data }) => Array.from(data))];
}

forEachTwin(({ tolerance }) => {
  describe.each(MAKERS)('%s', (_, make) => {
    test('lazy: after 100 steps rows without a gradient, and their moments, are the same to the bit', () => {
      const p = table();
      const before = p.clone();
      const optimizer = make([p]);
      for (let n = 0; n < 100; n++) optimizer.step(sparseLike(p, [4, 1, 4], noise(3, n)));
      const state = [...optimizer.stateDict()].filter(([, { shape }]) => shape.length === 2);
      for (let row = 0; row < 6; row++) {
        const isTouched = row === 1 || row === 4;
        expect(
          p.row(row).every((value, c) => Object.is(value, before.get(row, c))),
          `row ${row}`,
        ).toBe(!isTouched);
        for (const [name, { data }] of state) {
          const own = Array.from(data.slice(row * 3, row * 3 + 3), Number);
          expect(
            own.every((value) => Object.is(value, 0)),
            `${name} of row ${row}`,
          ).toBe(!isTouched);
        }
      }
    });

    test('dense: a row-sparse gradient does what the same gradient with zeros does, to the bit', () => {
      const [p, q] = [table(), table()];
      const [sparse, dense] = [make([p], 'dense'), make([q])];
      for (const [n, rows] of [[0, 2], [5], [2, 3]].entries()) {
        sparse.step(sparseLike(p, rows, noise(rows.length, n)));
        dense.step(denseLike(q, rows, noise(rows.length, n)));
      }
      expectSame(everything(sparse, p), everything(dense, q));
    });

    test('lazy: rows that are read in every step move as in dense', () => {
      const [p, q] = [table(), table()];
      const [lazy, dense] = [make([p], 'lazy'), make([q], 'dense')];
      for (let n = 0; n < 3; n++) {
        lazy.step(sparseLike(p, [0, 2], noise(2, n)));
        dense.step(sparseLike(q, [0, 2], noise(2, n)));
      }
      expectSame(p.row(0), q.row(0));
      expectSame(p.row(2), q.row(2));
    });

    test('a parameter without a gradient stays as it is, and so does what is kept of it', () => {
      const [p, q] = [table(1), table(2)];
      const optimizer = make([p, q]);
      optimizer.step(gradientsLike([p, noise(6, 1)], [q, noise(6, 2)]));
      const of = (i: number) =>
        [...optimizer.stateDict()].filter(([name]) => name.startsWith(`${i}.`)).flatMap(([, { data }]) => [...data]);
      const before = [of(1), q.clone().data];
      const ownBefore = of(0);
      optimizer.step(gradientsLike([p, noise(6, 3)]));
      expect([of(1), q.clone().data]).toEqual(before);
      expect(of(0)).not.toEqual(ownBefore);
    });

    test('goes on to the bit where its state is loaded, the learning rate included', () => {
      const p = table();
      const optimizer = make([p]);
      const step = (of: AnyOptimizer, x: Matrix, n: number) => {
        of.step(n % 2 === 0 ? sparseLike(x, [n, 1], noise(2, n)) : gradientsLike([x, noise(6, n)]));
      };
      for (let n = 0; n < 3; n++) step(optimizer, p, n);
      optimizer.learningRate = 0.05;
      const state = optimizer.stateDict();
      const q = new Parameter(6, 3, Float32Array.from(p.data));
      const copy = structuredClone(state); // that it is a copy is tested here too: the original goes on first
      for (let n = 3; n < 6; n++) step(optimizer, p, n);
      expect(state).toEqual(copy);
      const resumed = make([q]);
      resumed.loadStateDict(state);
      expect(resumed.learningRate).toBe(0.05);
      for (let n = 3; n < 6; n++) step(resumed, q, n);
      expectSame(everything(resumed, q), everything(optimizer, p));
      expect(state).toEqual(copy); // loading copies too
    });

    test('the learning rate of a step is the one that is set before it', () => {
      const [p, start] = [table(), table()];
      const optimizer = make([p]);
      const gradients = gradientsLike([p, noise(6, 1)]);
      optimizer.learningRate = 0;
      optimizer.step(gradients);
      expectSame(p.data, start.data);
      optimizer.learningRate = 0.3;
      expect(optimizer.learningRate).toBe(0.3);
      optimizer.step(gradients);
      expect(p.data).not.toEqual(start.data);
      for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => {
          optimizer.learningRate = wrong;
        }).toThrow(ShapeError);
      }
      expect(optimizer.learningRate).toBe(0.3);
    });

    test('a step in which a parameter is released moves no other, nor what is kept of it', () => {
      const [p, q] = [table(1), table(2)];
      const optimizer = make([p, q]);
      const gradients = gradientsLike([p, noise(6, 1)], [q, noise(6, 2)]);
      optimizer.step(gradients);
      const before = everything(optimizer, p);
      q.release();
      expect(() => optimizer.step(gradients)).toThrow('Parameter.data: the parameter must not be released');
      expect(everything(optimizer, p)).toEqual(before);
    });

    test('a NaN in a gradient reaches its entry, and no other', () => {
      const p = table();
      const gradient = noise(6, 1);
      gradient.set(2, 1, Number.NaN);
      make([p]).step(gradientsLike([p, gradient]));
      expect(Array.from(p.data, Number.isNaN)).toEqual(Array.from({ length: 18 }, (_, i) => i === 7));
    });

    test('finds the minimum of (p − 3)²', () => {
      const p = new Parameter(1, 2, Float32Array.of(2, 5));
      const optimizer = make([p]);
      // Decay, where there is any, shares the way: (p − 3)² + 0.05·p² has its minimum at 3/1.05.
      for (let n = 0; n < 400; n++) {
        optimizer.learningRate = 0.2 / (1 + n / 10);
        optimizer.step(gradientsLike([p, p.subtract(Matrix.from([[3, 3]])).scale(2)]));
      }
      for (const value of p.data) expect(Math.abs(value - 3)).toBeLessThan(0.2);
    });
  });

  test('the rows of a table share its count of steps: a row first read at step 3 is corrected as at step 3', () => {
    const p = table();
    const optimizer = new Adam([p], { learningRate: 0.1, betas: [0.5, 0.75], epsilon: 0 });
    for (const row of [0, 1, 2]) {
      const start = p.get(row, 0);
      optimizer.step(sparseLike(p, [row], Matrix.from([[4, 4, 4]])));
      const t = row + 1;
      const [mean, square] = [(0.5 * 4) / (1 - 0.5 ** t), (0.25 * 16) / (1 - 0.75 ** t)];
      expectClose([p.get(row, 0)], [start - (0.1 * mean) / Math.sqrt(square)], Math.max(tolerance, 1e-6));
    }
  });
});

describe.each(MAKERS)('%s on all kernels', (_, make) => {
  // Above the sizes that WASM leaves to the specification; a table, a weight, a bias, a matrix that is no parameter.
  const shapes = [
    [20, 67],
    [33, 31],
    [1, 300],
    [18, 18],
  ];
  const steps = (before: KernelChoice, later: KernelChoice, rowUpdates: RowUpdates, count: number) =>
    withKernels(before, () => {
      const matrices = shapes.map(([rows, cols], i) => {
        const { data } = Matrix.randomNormal(rows, cols, { seed: i + 1 });
        return i === 3 ? new Matrix(rows, cols, data) : new Parameter(rows, cols, data);
      });
      const optimizer = make(matrices, rowUpdates);
      return withKernels(later, () => {
        for (let n = 0; n < count; n++) {
          const dense = matrices.map((x, i) => {
            return [x, Matrix.randomNormal(x.rows, x.cols, { seed: 10 * n + i })] as const;
          });
          const ids = [n % 20, 3, 7, 3, (n * 7) % 20, 11];
          const rows = Matrix.randomNormal(ids.length, 67, { seed: n });
          const gradients = withKernels('reference', () =>
            n % 5 === 4
              ? gradientsLike(...dense)
              : gradientsLike(...dense.slice(1)).add(sparseLike(matrices[0], ids, rows)),
          );
          optimizer.step(gradients);
        }
        return everything(optimizer, ...matrices);
      });
    });

  test.each([
    ['lazy', 1],
    ['lazy', 50],
    ['dense', 50],
  ] as const)('%s: after %i steps they are in the same state, to the bit', (rowUpdates, count) => {
    const expected = steps('reference', 'reference', rowUpdates, count);
    expectSame(steps('wasm-simd', 'wasm-simd', rowUpdates, count), expected, 'resident');
    expectSame(steps('javascript', 'wasm-simd', rowUpdates, count), expected, 'ordinary arrays, updated by WASM');
    expectSame(steps('wasm-simd', 'javascript', rowUpdates, count), expected, 'resident, updated by JavaScript');
  });
});

test('an optimizer keeps its own list of parameters', () => {
  const [p, q] = [table(1), table(2)];
  const list = [p];
  const optimizer = new SGD(list, { learningRate: 1 });
  list.push(q);
  const before = q.clone();
  optimizer.step(gradientsLike([p, noise(6, 1)], [q, noise(6, 2)]));
  expectSame(q.data, before.data);
});

test('a state of other names, counts or rates is refused and changes nothing', () => {
  const [p] = [table()];
  const optimizer = new Adam([p], { learningRate: 0.1 });
  optimizer.step(gradientsLike([p, noise(6, 1)]));
  const before = optimizer.stateDict();
  const changed = (name: string, data: Float64Array | Int32Array | Float32Array) => {
    const state = new Adam([table()], { learningRate: 0.1 }).stateDict();
    const tensor = state.get(name);
    return tensor && state.set(name, { ...tensor, data });
  };
  const refused = [
    new SGD([table()], { learningRate: 0.1 }).stateDict(),
    new Adam([table(), table()], { learningRate: 0.1 }).stateDict(),
    changed('learningRate', Float64Array.of(-1)),
    changed('0.step', Int32Array.of(-1)),
    changed('0.secondMoment', new Float32Array(17)),
  ];
  for (const state of refused) {
    expect(() => optimizer.loadStateDict(state as never)).toThrow(ShapeError);
    expect(optimizer.stateDict()).toEqual(before);
  }
});

test('a step tells which parameters had no gradient, and refuses to move none at all', () => {
  const [p, q] = [table(1), table(2)];
  const optimizer = new SGD([p, q]);
  expect(optimizer.learningRate).toBe(1e-3);
  expect(optimizer.step(gradientsLike([p, noise(6, 1)], [q, noise(6, 2)]))).toEqual({ withoutGradient: [] });
  const { withoutGradient } = optimizer.step(gradientsLike([p, noise(6, 1)]));
  expect(withoutGradient).toHaveLength(1);
  expect(withoutGradient[0]).toBe(q);
  const before = everything(optimizer, p, q);
  expect(() => optimizer.step(gradientsLike([table(3), noise(6, 1)]))).toThrow(
    'SGD.step: a parameter must have a gradient: none of 2 has one (they are of a loss that used none of these parameters)',
  );
  expect(everything(optimizer, p, q)).toEqual(before);
});
