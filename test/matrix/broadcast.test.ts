import { describe, expect, it } from 'vitest';
import { Matrix } from '../../src/index.js';
import { broadcast, withNumber } from '../../src/matrix/broadcast.js';
import { fc } from '../support/property.js';
import { forEachTwin } from '../support/twins.js';

const OPERATIONS = {
  add: (a: number, b: number) => a + b,
  subtract: (a: number, b: number) => a - b,
  multiply: (a: number, b: number) => a * b,
  divide: (a: number, b: number) => a / b,
  maximum: (a: number, b: number) => Math.max(a, b),
} as const;

forEachTwin(({ tolerance }) => {
  describe.each(Object.entries(OPERATIONS))('%s of what differs in shape', (name, f) => {
    const operation = name as keyof typeof OPERATIONS;

    it('is that of the repeated operands', () => {
      const size = fc.integer({ min: 1, max: 9 });
      const or1 = (n: number) => fc.constantFrom(1, n);
      const shapes = fc
        .tuple(size, size)
        .chain(([rows, cols]) => fc.tuple(or1(rows), or1(cols), or1(rows), or1(cols), fc.constant([rows, cols])));
      fc.assert(
        fc.property(shapes, ([aRows, aCols, bRows, bCols]) => {
          const a = Matrix.randomUniform(aRows, aCols, { seed: 1, low: 0.5, high: 2 });
          const b = Matrix.randomUniform(bRows, bCols, { seed: 2, low: 0.5, high: 2 });
          const rows = Math.max(aRows, bRows);
          const cols = Math.max(aCols, bCols);
          const at = (m: Matrix, r: number, c: number) => m.get(m.rows === 1 ? 0 : r, m.cols === 1 ? 0 : c);
          const out = a[operation](b);
          expect(out.shape).toEqual([rows, cols]);
          for (let r = 0; r < rows; r++) {
            for (let c = 0; c < cols; c++) {
              const exact = f(at(a, r, c), at(b, r, c));
              expect(Math.abs(out.get(r, c) - exact) <= Math.max(tolerance, 1e-7) * Math.abs(exact)).toBe(true);
            }
          }
        }),
      );
    });

    it('takes a number', () => {
      const a = Matrix.from([
        [1, 2],
        [-4, 0.5],
      ]);
      expect(a[operation](4).toArray()).toEqual(a.toArray().map((row) => row.map((value) => f(value, 4))));
    });
  });

  describe('numbers and shapes that do not fit', () => {
    const a = Matrix.from([[1, 2, 3]]);
    it.each<[() => unknown, string]>([
      [() => a.add(1e300), 'Matrix.add: other must be 0 or of a size from 1.2e-38 to 3.4e38'],
      [() => a.add(new Matrix(3, 2)), 'Matrix.add: other must be a number, have the same shape, or be'],
      [() => Matrix.zeros(2, 3).add(Matrix.zeros(3, 2)), '(transpose() gives it that shape)'],
    ])('%#', (call, message) => {
      expect(call).toThrow(message);
    });

    it('a zero keeps its sign where it is repeated', () => {
      const ones = Matrix.ones(2, 2);
      const [down, up] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      expect(ones.divide(Matrix.from([[-0], [0]])).toArray()).toEqual([
        [down, down],
        [up, up],
      ]);
      expect(ones.divide(Matrix.from([[-0]])).get(1, 1)).toBe(down);
      expect(
        Matrix.from([[1, -1]])
          .multiply(Matrix.from([[-0], [0]]))
          .toArray(),
      ).toEqual([
        [-0, 0],
        [0, -0],
      ]);
    });

    it('infinities and NaN are numbers', () => {
      expect(a.divide(Number.POSITIVE_INFINITY).toArray()).toEqual([[0, 0, 0]]);
      expect(a.add(Number.NaN).toArray()).toEqual([[Number.NaN, Number.NaN, Number.NaN]]);
    });

    it('are told apart below the methods too', () => {
      expect(broadcast('add', a, a, 1, 3).rows).toBe(1);
      expect(() => withNumber('f', 'add', a, '1')).toThrow('f: other must be a number');
    });
  });
});
