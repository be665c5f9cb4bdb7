import { describe, expect, it } from 'vitest';
import { Matrix, noGrad, valueAndGrad } from '../../src/index.js';
import { choiceOf, mapped } from '../../src/matrix/by-entry.js';
import { forEachTwin } from '../support/twins.js';

const x = () =>
  Matrix.from([
    [1, -2],
    [3, 0],
  ]);

forEachTwin(() => {
  describe('entry by entry', () => {
    it('map gives value, row and column', () => {
      expect(
        x()
          .map((value, row, column) => value + 10 * row + 100 * column)
          .toArray(),
      ).toEqual([
        [1, 98],
        [13, 110],
      ]);
      expect(Array.from(mapped('f', x(), Math.abs))).toEqual([1, 2, 3, 0]);
    });

    it('map is refused where its slope is wanted, and a constant in noGrad', () => {
      const loss = () =>
        x()
          .map((value) => 2 * value)
          .sum();
      expect(() => valueAndGrad(loss)).toThrow('Matrix.map: operations that are recorded must be differentiable');
      expect(
        valueAndGrad(() =>
          x()
            .add(noGrad(() => x().map((value) => 2 * value)))
            .sum(),
        ).value,
      ).toBe(6);
      expect(() => x().map(() => '1' as never)).toThrow('Matrix.map: f must give numbers: it gave "1"');
    });

    it('where chooses matrices and numbers', () => {
      const condition = Matrix.from([
        [1, 0],
        [Number.NaN, -0],
      ]);
      expect(Matrix.where(condition, x(), 9).toArray()).toEqual([
        [1, 9],
        [3, 9],
      ]);
      expect(Matrix.where(condition, 9, x()).toArray()).toEqual([
        [9, -2],
        [9, 0],
      ]);
      expect(Matrix.where(condition, 1, 2).toArray()).toEqual([
        [1, 2],
        [1, 2],
      ]);
      expect(() => Matrix.where(condition, new Matrix(1, 2), 0)).toThrow(
        'Matrix.where: a must be a number or have the shape of condition',
      );
      expect(choiceOf('f', 'a', 2, { rows: 1, cols: 2, data: new Float32Array(2) }).data).toHaveLength(2);
    });

    it('only what is a matrix has a gradient', () => {
      const a = x();
      const { gradients } = valueAndGrad(() =>
        Matrix.where(
          Matrix.from([
            [1, 0],
            [0, 1],
          ]),
          a,
          5,
        ).sum(),
      );
      expect([...gradients.entries()].map(([matrix]) => matrix)).toEqual([a]);
      expect((gradients.get(a) as Matrix).toArray()).toEqual([
        [1, 0],
        [0, 1],
      ]);
    });

    it('abs, pow and maximum', () => {
      expect(x().abs().toArray()).toEqual([
        [1, 2],
        [3, 0],
      ]);
      expect(x().pow(2).toArray()).toEqual([
        [1, 4],
        [9, 0],
      ]);
      expect(x().pow(0).toArray()).toEqual([
        [1, 1],
        [1, 1],
      ]);
      expect(x().maximum(0).toArray()).toEqual([
        [1, 0],
        [3, 0],
      ]);
      const a = x();
      const slope = (f: (m: Matrix) => Matrix) => (valueAndGrad(() => f(a).sum()).gradients.get(a) as Matrix).toArray();
      expect(slope((m) => m.abs())).toEqual([
        [1, -1],
        [1, 0],
      ]);
      expect(slope((m) => m.maximum(0))).toEqual([
        [1, 0],
        [1, 0.5],
      ]);
      expect(slope((m) => m.pow(0))).toEqual([
        [0, 0],
        [0, 0],
      ]);
    });
  });
});
