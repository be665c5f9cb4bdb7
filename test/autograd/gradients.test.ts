import { beforeAll, describe, expect, it } from 'vitest';
import { Gradients, gradientAlgebra, gradientsOf, type SparseGradient } from '../../src/autograd/gradients.js';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { backwardKernels } from '../../src/kernels/backward.js';
import type { Floats } from '../../src/kernels/contract.js';
import { provideBackward, table } from '../../src/kernels/state.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { gatherRows } from '../../src/ops/embedding.js';
import { forEachTwin } from '../support/twins.js';

beforeAll(() => provideBackward(backwardKernels)); // as valueAndGrad does

const x = new Matrix(3, 2);
const floats = (...values: number[]): Floats => {
  const out = table(values.length);
  out.set(values);
  return out;
};
const sparse = (rows: number[], ...values: number[]) => ({ rows: Int32Array.from(rows), values: floats(...values) });

/** What is found for x, as plain numbers. */
function shown(gradients: Gradients, of = x): number[][] | { rows: number[]; values: number[][] } | undefined {
  const found = gradients.get(of);
  if (found === undefined || found instanceof Matrix) return found?.toArray();
  return { rows: [...found.rows], values: found.values.toArray() };
}

const given = (gradient: Floats | ReturnType<typeof sparse>) => gradientsOf(new Map([[x, gradient]]));

forEachTwin(() => {
  describe('sums of gradients', () => {
    const all = [
      ['dense and dense', () => floats(1, 2, 3, 4, 5, 6), () => floats(1, 1, 1, 1, 1, 1)],
      ['sparse and dense', () => sparse([0, 2], 1, 2, 5, 6), () => floats(1, 1, 4, 5, 1, 1)],
      ['dense and sparse', () => floats(1, 1, 4, 5, 1, 1), () => sparse([0, 2], 1, 2, 5, 6)],
    ] as const;
    it.each(all)('of %s are dense', (_, a, b) => {
      const [left, right] = [a(), b()];
      const sum = gradientAlgebra.add(x, left, right);
      expect('rows' in sum).toBe(false);
      expect([...(sum as Floats)]).toEqual([2, 3, 4, 5, 6, 7]);
      expect([left, right]).toEqual([a(), b()]);
      expect(shown(given(a()).add(given(b())))).toEqual([
        [2, 3],
        [4, 5],
        [6, 7],
      ]);
    });

    it('of rows are rows: ascending, each once, those of the first before those of the second', () => {
      const [a, b] = [sparse([0, 2], 1, 2, 5, 6), sparse([1, 2], 7, 8, 10, 20)];
      const expected = {
        rows: [0, 1, 2],
        values: [
          [1, 2],
          [7, 8],
          [15, 26],
        ],
      };
      expect(shown(given(a).add(given(b)))).toEqual(expected);
      expect([a, b]).toEqual([sparse([0, 2], 1, 2, 5, 6), sparse([1, 2], 7, 8, 10, 20)]);
      expect(shown(given(sparse([])).add(given(a)))).toEqual(shown(given(a)));
    });

    it('keep what only one side has, and take a side twice', () => {
      const y = new Matrix(1, 1);
      const [a, b] = [given(floats(1, 2, 3, 4, 5, 6)), gradientsOf(new Map([[y, floats(9)]]))];
      const sum = a.add(b);
      expect([shown(sum), shown(sum, y)]).toEqual([shown(a), [[9]]]);
      expect(shown(a.add(a))).toEqual(shown(a.scale(2)));
      expect(shown(b)).toBeUndefined();
    });

    it('are dense for whoever asks: zeros where no row was read, and where x was not used', () => {
      const all = given(floats(1, 2, 3, 4, 5, 6));
      expect(all.dense(x)).toBe(all.get(x));
      const read = given(sparse([0, 2], 1, 2, 5, 6));
      const dense = read.dense(x);
      expect(dense.toArray()).toEqual([
        [1, 2],
        [0, 0],
        [5, 6],
      ]);
      expect(dense.data.constructor).toBe(table(0).constructor);
      expect(shown(read)).toEqual(expect.objectContaining({ rows: [0, 2] }));
      const unused = read.dense(new Matrix(2, 3));
      expect([unused.toArray(), unused.data.constructor]).toEqual([
        [
          [0, 0, 0],
          [0, 0, 0],
        ],
        table(0).constructor,
      ]);
    });

    it('become those of another, of which no matrix is copied', () => {
      const [a, b] = [given(floats(1, 2, 3, 4, 5, 6)), given(sparse([1], 7, 8))];
      a.become(b);
      expect(a.get(x)).toBe(b.get(x));
      b.become(given(floats(0, 0, 0, 0, 0, 0)));
      expect(shown(a)).toEqual({ rows: [1], values: [[7, 8]] });
    });

    it('of dense() are the gradient itself or a new array', () => {
      const array = floats(1, 2, 3, 4, 5, 6);
      expect(gradientAlgebra.dense(x, array)).toBe(array);
      expect([...gradientAlgebra.dense(x, sparse([1], 7, 8))]).toEqual([0, 0, 7, 8, 0, 0]);
    });
  });

  it('scale() scales both kinds', () => {
    expect(shown(given(floats(1, 2, 3, 4, 5, 6)).scale(-2))).toEqual([
      [-2, -4],
      [-6, -8],
      [-10, -12],
    ]);
    expect(shown(given(sparse([2], 3, 4)).scale(0.5))).toEqual({ rows: [2], values: [[1.5, 2]] });
  });

  it('neither changes what it was made of, nor shares memory with it', () => {
    const y = new Matrix(1, 2);
    const make = () =>
      gradientsOf(
        new Map<Matrix, Floats | ReturnType<typeof sparse>>([
          [x, sparse([2], 3, 4)],
          [y, floats(1, 2)],
        ]),
      );
    const one = make();
    const other = gradientsOf(new Map());
    for (const made of [one.add(other), other.add(one), one.add(one), one.scale(1)]) {
      const rows = made.get(x) as SparseGradient;
      rows.rows.fill(0);
      rows.values.data.fill(9);
      (made.get(y) as Matrix).data.fill(9);
      expect([shown(one), shown(one, y)]).toEqual([shown(make()), shown(make(), y)]);
    }
  });

  it('two gradients of one array are two arrays to their user', () => {
    const y = new Matrix(3, 2);
    const [array, rows] = [floats(1, 2, 3, 4, 5, 6), sparse([1], 1, 2)];
    const dense = gradientsOf(
      new Map([
        [x, array],
        [y, array],
      ]),
    );
    (dense.get(x) as Matrix).data.fill(0);
    expect(shown(dense, y)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const both = gradientsOf(
      new Map([
        [x, rows],
        [y, rows],
      ]),
    );
    (both.get(x) as SparseGradient).rows.fill(0);
    (both.get(x) as SparseGradient).values.data.fill(0);
    expect(shown(both, y)).toEqual({ rows: [1], values: [[1, 2]] });
  });

  it('entries() are the matrices with their gradients', () => {
    const one = given(floats(1, 2, 3, 4, 5, 6));
    expect([...one.entries()]).toEqual([[x, one.get(x)]]);
    expect([...new Gradients(new Map()).entries()]).toEqual([]);
  });

  it('a batch in two parts gives the gradients of the whole', () => {
    const table = Matrix.randomNormal(5, 2, { seed: 1 });
    const w = Matrix.randomNormal(2, 2, { seed: 2 });
    const of = (ids: number[]) => valueAndGrad(() => gatherRows('test', table, ids).matmul(w).sum()).gradients;
    const [sum, whole] = [of([4, 1]).add(of([1, 0])), of([4, 1, 1, 0])];
    expect((sum.get(table) as SparseGradient).rows).toEqual(Int32Array.of(0, 1, 4));
    for (const [m, found] of whole.entries()) {
      const [got, expected] = [sum.get(m), found].map((one) =>
        one instanceof Matrix ? one : (one as SparseGradient).values,
      );
      got.data.forEach((value, i) => expect(value).toBeCloseTo(expected.data[i], 5));
    }
  });
});
