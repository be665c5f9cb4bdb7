import { describe, expect, it } from 'vitest';
import { Matrix, Parameter, ShapeError } from '../../src/index.js';
import { Table } from '../../src/matrix/table.js';

const x = () =>
  Matrix.from([
    [1, 2, 3],
    [4, 5, 6],
  ]);

describe('what a table is made of', () => {
  it.each([
    [
      'zeros',
      () => Matrix.zeros(2, 2),
      [
        [0, 0],
        [0, 0],
      ],
    ],
    ['ones', () => Matrix.ones(1, 3), [[1, 1, 1]]],
    ['full', () => Matrix.full(2, 1, -0.5), [[-0.5], [-0.5]]],
    [
      'from',
      x,
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    ],
    [
      'fromFlat',
      () => Matrix.fromFlat(2, 3, [1, 2, 3, 4, 5, 6]),
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    ],
    ['fromFlat of a typed array', () => Matrix.fromFlat(1, 2, Float32Array.of(7, 8)), [[7, 8]]],
    ['fromJSON', () => Matrix.fromJSON('[[1,2]]'), [[1, 2]]],
    [
      'identity',
      () => Matrix.identity(2),
      [
        [1, 0],
        [0, 1],
      ],
    ],
  ])('%s', (_, make, rows) => {
    expect(make().toArray()).toEqual(rows);
  });

  it('is of the class that is asked', () => {
    for (const made of [
      Parameter.zeros(1, 1),
      Parameter.ones(1, 1),
      Parameter.from([[1]]),
      Parameter.randomNormal(1, 1),
    ]) {
      expect(made).toBeInstanceOf(Parameter);
    }
    class Mine extends Matrix {}
    expect(Mine.full(1, 1, 2)).toBeInstanceOf(Mine);
    expect(x()).toBeInstanceOf(Table);
    const { zeros } = Matrix as unknown as { zeros: () => unknown };
    expect(() => zeros()).toThrow('Matrix.zeros: it must be called on its class: got undefined (write Matrix.zeros)');
  });

  it('copies what it is made from', () => {
    const values = Float32Array.of(1, 2);
    const made = Matrix.fromFlat(1, 2, values);
    values[0] = 9;
    expect(made.toArray()).toEqual([[1, 2]]);
  });
});

describe('what a table tells', () => {
  it('shape, size, entries, rows', () => {
    expect(x().shape).toEqual([2, 3]);
    expect(x().size).toBe(6);
    expect(Matrix.full(1, 1, 3).item()).toBe(3);
    expect(() => x().item()).toThrow(ShapeError);
    expect(() => x().item()).toThrow(
      'Matrix.item: the matrix must be 1×1: it is 2×3 (get(row, column) reads any entry)',
    );
    expect([...x()].map((row) => Array.from(row))).toEqual(x().toArray());
    expect([...new Matrix(0, 3)]).toEqual([]);
  });

  it('rows of the iteration are views', () => {
    const matrix = x();
    for (const row of matrix) row[0] = 0;
    expect(matrix.toArray()).toEqual([
      [0, 2, 3],
      [0, 5, 6],
    ]);
  });
});

describe('arguments that nobody reads', () => {
  const matrix = x();
  it.each<[string, () => unknown]>([
    ['Matrix.transpose', () => Reflect.apply(matrix.transpose, matrix, [1])],
    ['Matrix.toArray', () => Reflect.apply(matrix.toArray, matrix, [1])],
    ['Matrix.get', () => Reflect.apply(matrix.get, matrix, [0, 0, 0])],
    ['Matrix.set', () => Reflect.apply(matrix.set, matrix, [0, 0, 0, 0])],
    ['Matrix.row', () => Reflect.apply(matrix.row, matrix, [0, 1])],
    ['Matrix.exp', () => Reflect.apply(matrix.exp, matrix, [1])],
    ['Matrix.add', () => Reflect.apply(matrix.add, matrix, [1, 2])],
    ['Matrix.clone', () => Reflect.apply(matrix.clone, matrix, [1])],
    ['Matrix.concatRows', () => Reflect.apply(Matrix.concatRows, Matrix, [[matrix], matrix])],
    ['Matrix.zeros', () => Reflect.apply(Matrix.zeros, Matrix, [1, 1, 1])],
    ['Matrix', () => Reflect.construct(Matrix, [1, 1, new Float32Array(1), 1])],
  ])('are refused: %s', (where, call) => {
    expect(call).toThrow(TypeError);
    expect(call).toThrow(
      new RegExp(`^${where.replace('.', '\\.')}: (no|at most \\d) arguments? must be given: got \\d`),
    );
  });
});
