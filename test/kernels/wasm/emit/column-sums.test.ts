import { describe, expect, test } from 'vitest';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectOneHash, grid } from './support.js';

function run(x: ArrayLike<number>, rows: number, cols: number, cut: number): Float32Array {
  const arena = new Arena();
  const at = { x: arena.input(x), out: arena.output(cols), scratch: arena.scratch(cols) };
  arena.run(cols, cut, (a, b) => entries.column_sums(at.x, at.out, rows, cols, a, b, at.scratch));
  return arena.read(at.out);
}

/** 256 rows from 0, each sum rounded, then added to those before: the same sums to the bit. */
function expected(x: ArrayLike<number>, rows: number, cols: number): Float32Array {
  const out = new Float32Array(cols);
  for (let first = 0; first < rows; first += 256) {
    const block = new Float32Array(cols);
    for (let r = first; r < Math.min(first + 256, rows); r++) {
      for (let c = 0; c < cols; c++) block[c] += x[r * cols + c];
    }
    for (let c = 0; c < cols; c++) out[c] += block[c];
  }
  return out;
}

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
  test('rows ascending, in blocks', () => {
    for (const rows of [255, 256, 257, 511, 512, 513, 2000]) {
      const x = grid(-1, 1.5, rows * 9).map((value) => value ** 5);
      expect(run(x, rows, 9, 4)).toEqual(expected(x, rows, 9));
    }
    expect(run([1e8, 1, -1e8], 3, 1, 0)).toEqual(Float32Array.of(0));
    expect(run([1e8, -1e8, 1], 3, 1, 0)).toEqual(Float32Array.of(1));
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const at = { x: arena.input(grid(-9, 8, 2100)), out: arena.output(7), scratch: arena.scratch(7) };
    expectOneHash(arena, () => entries.column_sums(at.x, at.out, 300, 7, 0, 7, at.scratch));
  });
});
