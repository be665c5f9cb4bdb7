import { describe, expect, test } from 'vitest';
import { softmax } from '../../../../src/kernels/reference/softmax.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectOneHash, float64, grid } from './support.js';

const { NEGATIVE_INFINITY, NaN: nan } = Number;
const LARGEST = 3.4028234663852886e38;

function run(x: ArrayLike<number>, rows: number, cols: number, cut = 0): Float32Array {
  const arena = new Arena();
  const [from, to] = [arena.input(x), arena.output(rows * cols)];
  arena.run(rows, cut, (a, b) => entries.softmax_rows(from, to, cols, a, b));
  return arena.read(to);
}

/**
 * Relative error of an entry: (cols/2 + |x − max| + 12)·2^−24 (additions; x − max rounds; exponentials, division, product),
 * and what underflows: e^(x−max) counts as 0 below 2^−125.5.
 */
function expectLaw(got: Float32Array, values: ArrayLike<number>, rows: number, cols: number): void {
  const x = Float64Array.from(Float32Array.from(values));
  const exact = softmax(float64, x, rows, cols);
  for (let r = 0; r < rows; r++) {
    const max = Math.max(...x.subarray(r * cols, (r + 1) * cols));
    for (let i = r * cols; i < (r + 1) * cols; i++) {
      if (Number.isNaN(exact[i])) expect(got[i], `entry ${i}`).toBeNaN();
      else {
        const distance = Math.min(Math.abs(x[i] - max) || 0, 1000); // beyond that the exact entry is 0
        const bound = (cols / 2 + distance + 12) * 2 ** -24 * exact[i] + 2 ** -125.5;
        expect(Math.abs(got[i] - exact[i]) <= bound, `entry ${i}: ${got[i]}, exactly ${exact[i]}`).toBe(true);
      }
    }
  }
}

const ordinary = fc.double({ min: -30, max: 30, noNaN: true });
const extreme = fc.constantFrom(NEGATIVE_INFINITY, LARGEST, -LARGEST, 1e30, -1e30, 0, -0, 1e-45, -100);
const poison = fc.constantFrom(nan, Number.POSITIVE_INFINITY);

/** rows × cols values, and where to cut the rows in two. */
const matrices = (value: fc.Arbitrary<number>) =>
  fc.tuple(fc.nat(5), fc.nat(70)).chain(([rows, cols]) =>
    fc.record({
      rows: fc.constant(rows),
      cols: fc.constant(cols),
      x: fc.array(value, { minLength: rows * cols, maxLength: rows * cols }),
      cut: fc.nat(rows),
    }),
  );

describe('softmax_rows', () => {
  test('ordinary rows of 0 … 70 columns, between NaNs', () => {
    fc.assert(
      fc.property(matrices(ordinary), ({ x, rows, cols, cut }) => expectLaw(run(x, rows, cols, cut), x, rows, cols)),
    );
  });
  test('extreme values: finite ones stay finite, −∞ counts nothing', () => {
    const value = fc.oneof(ordinary, extreme);
    fc.assert(
      fc.property(matrices(value), ({ x, rows, cols, cut }) => expectLaw(run(x, rows, cols, cut), x, rows, cols)),
    );
  });
  test('NaN or +∞ makes its row NaN and no other', () => {
    const value = fc.oneof({ weight: 60, arbitrary: fc.oneof(ordinary, extreme) }, { weight: 1, arbitrary: poison });
    fc.assert(
      fc.property(matrices(value), ({ x, rows, cols, cut }) => expectLaw(run(x, rows, cols, cut), x, rows, cols)),
    );
  });
  test('NaN anywhere in a row of −∞', () => {
    for (let cols = 1; cols <= 37; cols++) {
      for (let at = 0; at < cols; at++) {
        const x = Float32Array.from({ length: cols }, (_, i) => (i === at ? nan : NEGATIVE_INFINITY));
        expect(run(x, 1, cols).every(Number.isNaN), `${cols} columns, NaN at ${at}`).toBe(true);
      }
    }
  });
  test('a row that is all −∞ gives +0', () => {
    for (const cols of [1, 3, 4, 16, 23]) {
      expect(run(Array(cols).fill(NEGATIVE_INFINITY), 1, cols).every((p) => Object.is(p, 0))).toBe(true);
    }
  });
  test('ties are exact', () => {
    expect([...run([1e30, 1e30], 1, 2)]).toEqual([0.5, 0.5]);
    expect([...run(Array(8).fill(-LARGEST), 1, 8)]).toEqual(Array(8).fill(0.125));
  });
  test('long rows keep the law', () => {
    const x = grid(-8, 8, 5000);
    expectLaw(run(x, 1, 5000), x, 1, 5000);
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const [from, to] = [arena.input(grid(-9, 9, 210)), arena.output(210)];
    expectOneHash(arena, () => entries.softmax_rows(from, to, 70, 0, 3));
  });
});
