import { describe, expect, it } from 'vitest';
import { Matrix } from '../../src/index.js';
import { maxima, sums } from '../../src/matrix/axes.js';
import { forEachTwin } from '../support/twins.js';

const x = () =>
  Matrix.from([
    [1, -2, 3],
    [4, 5, -6],
  ]);

forEachTwin(() => {
  describe('results along an axis', () => {
    it.each<[string, (m: Matrix) => Matrix, number[][]]>([
      ['sum()', (m) => m.sum(), [[5]]],
      ['sum(0)', (m) => m.sum(0), [[5, 3, -3]]],
      ['sum(1)', (m) => m.sum(1), [[2], [3]]],
      ['sum(-1)', (m) => m.sum(-1), [[2], [3]]],
      ['mean(0)', (m) => m.mean(0), [[2.5, 1.5, -1.5]]],
      ['mean(1)', (m) => m.mean(1).scale(3), [[2], [3]]],
      ['max()', (m) => m.max(), [[5]]],
      ['max(0)', (m) => m.max(0), [[4, 5, 3]]],
      ['max(1)', (m) => m.max(1), [[3], [5]]],
    ])('%s', (_, f, rows) => {
      expect(f(x()).toArray()).toEqual(rows);
    });

    it('argmax and softmax too', () => {
      expect(Array.from(x().argmax())).toEqual([2, 1]);
      expect(Array.from(x().argmax(0))).toEqual([1, 1, 0]);
      const columns = x().softmax(0);
      expect(columns.allClose(x().transpose().softmax().transpose(), { tolerance: 0 })).toBe(true);
      expect(columns.sum(0).allClose(Matrix.ones(1, 3))).toBe(true);
    });

    it('count NaN as the largest, and are NaN where they have it', () => {
      const m = Matrix.from([
        [1, Number.NaN],
        [3, 4],
      ]);
      expect(m.max(1).toArray()).toEqual([[Number.NaN], [4]]);
      expect(m.sum(0).toArray()).toEqual([[4, Number.NaN]]);
    });

    it('of nothing are sums of 0 and no maximum', () => {
      expect(new Matrix(0, 2).sum(0).toArray()).toEqual([[0, 0]]);
      expect(new Matrix(2, 0).sum(1).toArray()).toEqual([[0], [0]]);
      expect(new Matrix(0, 2).mean(0).toArray()).toEqual([[Number.NaN, Number.NaN]]);
      expect(() => new Matrix(0, 2).max(0)).toThrow('Matrix.max: every column must have at least one entry');
      expect(() => new Matrix(2, 0).max(1)).toThrow('Matrix.max: every row must have at least one entry');
      expect(() => new Matrix(0, 0).max()).toThrow('Matrix.max: every row must have at least one entry');
    });

    it('are computed from shapes alone', () => {
      expect(sums(x(), 0, 2).rows).toBe(1);
      expect(maxima(x(), 1).cols).toBe(1);
    });
  });
});
