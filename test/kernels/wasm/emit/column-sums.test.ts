import { describe, expect, test } from 'vitest';
import { sumRows } from '../../../../src/kernels/reference/elementwise.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectOneHash, grid } from './support.js';

function run(x: ArrayLike<number>, rows: number, cols: number, cut: number): Float32Array {
  const arena = new Arena();
  const at = { x: arena.input(x), out: arena.output(cols) };
  arena.run(cols, cut, (a, b) => entries.column_sums(at.x, at.out, rows, cols, a, b));
  return arena.read(at.out);
}

/** The reference on 32-bit storage rounds after every row: the same sums to the bit. */
const expected = (x: ArrayLike<number>, rows: number, cols: number) =>
  sumRows((length) => new Float32Array(length), Float32Array.from(x), rows, cols);

describe('column_sums', () => {
  test('any numbers in 0 … 6 rows of 0 … 70 columns, any range of columns: to the bit', () => {
    const anyFloat = fc.float({ noDefaultInfinity: false });
    const matrices = fc.tuple(fc.nat(6), fc.nat(70)).chain(([rows, cols]) =>
      fc.record({
        rows: fc.constant(rows),
        cols: fc.constant(cols),
        x: fc.array(anyFloat, { minLength: rows * cols, maxLength: rows * cols }),
        cut: fc.nat(cols),
      }),
    );
    fc.assert(
      fc.property(matrices, ({ rows, cols, x, cut }) => {
        expect(run(x, rows, cols, cut)).toEqual(expected(x, rows, cols));
      }),
    );
  });
  test('2 000 rows, ascending', () => {
    const x = grid(-1, 1.5, 2000 * 9).map((value) => value ** 5);
    expect(run(x, 2000, 9, 4)).toEqual(expected(x, 2000, 9));
    expect(run([1e8, 1, -1e8], 3, 1, 0)).toEqual(Float32Array.of(0));
    expect(run([1e8, -1e8, 1], 3, 1, 0)).toEqual(Float32Array.of(1));
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const at = { x: arena.input(grid(-9, 8, 210)), out: arena.output(70) };
    expectOneHash(arena, () => entries.column_sums(at.x, at.out, 3, 70, 0, 70));
  });
});
