import { describe, expect, test } from 'vitest';
import { maxAndSum } from '../../../../src/kernels/reference/softmax.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectBound, expectOneHash, grid } from './support.js';

const { NEGATIVE_INFINITY, POSITIVE_INFINITY, NaN: nan } = Number;
const UNIT = 2 ** -24;

function statistics(x: ArrayLike<number>, rows: number, cols: number, cut: number) {
  const arena = new Arena();
  const at = { x: arena.input(x), max: arena.output(rows), sum: arena.output(rows), gap: arena.output(rows) };
  arena.run(rows, cut, (a, b) => entries.row_statistics(at.x, at.max, at.sum, at.gap, cols, a, b));
  return { max: arena.read(at.max), sum: arena.read(at.sum), gap: arena.read(at.gap) };
}

interface Case {
  rows: number;
  cols: number;
  x: ArrayLike<number>;
  cut: number;
}

/**
 * max is exact; sum is off by at most (cols/4 + 4)·2^−24 of itself and, because x − max rounds, 2^−24·Σ|x − max|·e^(x−max);
 * gap by (cols/4 + 4)·2^−24 of itself.
 */
function expectLaw({ rows, cols, x, cut }: Case): void {
  const got = statistics(x, rows, cols, cut);
  const wide = Float64Array.from(Float32Array.from(x));
  const relative = (cols / 4 + 4) * UNIT;
  for (let r = 0; r < rows; r++) {
    const [max, sum] = maxAndSum(wide, r * cols, cols);
    let [gap, moved] = [0, 0];
    for (const value of wide.subarray(r * cols, (r + 1) * cols)) {
      const distance = (max === NEGATIVE_INFINITY ? 0 : max) - value;
      gap += distance;
      if (distance < 1000) moved += distance * Math.exp(-distance);
    }
    expect(got.max[r]).toBe(max);
    expectBound([got.sum[r]], [sum], () => relative * sum + UNIT * moved + cols * 2 ** -125.5, `sum ${r}`);
    expectBound([got.gap[r]], [Math.fround(gap)], () => relative * gap, `gap ${r}`);
  }
}

const ordinary = fc.double({ min: -30, max: 30, noNaN: true });
const matrices = (value: fc.Arbitrary<number>): fc.Arbitrary<Case> =>
  fc.tuple(fc.nat(5), fc.nat(70)).chain(([rows, cols]) =>
    fc.record({
      rows: fc.constant(rows),
      cols: fc.constant(cols),
      x: fc.array(value, { minLength: rows * cols, maxLength: rows * cols }),
      cut: fc.nat(rows),
    }),
  );

describe('row_statistics', () => {
  test('a row in blocks of 256 turns of four columns, each from 0: to the bit', () => {
    for (const turns of [255, 256, 257, 512, 513, 1100]) {
      // Columns 4, 8, … hold −d and all others the maximum, 0: the gap is the sum of d in one lane.
      const d = Float32Array.from(grid(0.1, 3, turns), (value) => value ** 5);
      const x = new Float32Array(4 * turns);
      d.forEach((value, turn) => {
        x[4 * turn] = -value;
      });
      const expected = new Float32Array(1);
      for (let first = 0; first < turns; first += 256) {
        const block = new Float32Array(1);
        for (const value of d.subarray(first, first + 256)) block[0] += value;
        expected[0] += block[0];
      }
      expect(statistics(x, 1, 4 * turns, 0).gap, `${turns} turns`).toEqual(expected);
    }
  });
  test('rows of 0 … 70 columns, between NaNs', () => {
    fc.assert(fc.property(matrices(ordinary), expectLaw));
  });
  test('extreme values, NaN and ∞', () => {
    const value = fc.oneof(
      { weight: 40, arbitrary: ordinary },
      { weight: 8, arbitrary: fc.constantFrom(NEGATIVE_INFINITY, 1e37, -1e37, 1e30, 0, 1e-45) },
      { weight: 1, arbitrary: fc.constantFrom(nan, POSITIVE_INFINITY) },
    );
    fc.assert(fc.property(matrices(value), expectLaw), { numRuns: 300 });
  });
  test('NaN anywhere in a row of −∞, and a row of nothing else', () => {
    for (let cols = 1; cols <= 37; cols++) {
      expectLaw({ rows: 1, cols, x: Array(cols).fill(NEGATIVE_INFINITY), cut: 0 });
      for (let at = 0; at < cols; at++) {
        const x = Float32Array.from({ length: cols }, (_, i) => (i === at ? nan : NEGATIVE_INFINITY));
        expectLaw({ rows: 1, cols, x, cut: 0 });
      }
    }
  });
  test('50 000 columns keep the law', () => {
    expectLaw({ rows: 1, cols: 50_000, x: grid(-8, 8, 50_000), cut: 0 });
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const x = arena.input(grid(-9, 9, 210));
    const [max, sum, gap] = [arena.output(3), arena.output(3), arena.output(3)];
    expectOneHash(arena, () => entries.row_statistics(x, max, sum, gap, 70, 0, 3));
  });
});

test('log_softmax_rows subtracts first one, then the other, to the bit', () => {
  fc.assert(
    fc.property(matrices(fc.oneof(ordinary, fc.float())), ({ rows, cols, x, cut }) => {
      const [max, logSum] = [grid(-3, 31, rows + 2), grid(0.1, 2, rows + 2)];
      const arena = new Arena();
      const at = { x: arena.input(x), max: arena.input(max), logSum: arena.input(logSum), out: arena.output(x.length) };
      arena.run(rows, cut, (a, b) => entries.log_softmax_rows(at.x, at.out, at.max, at.logSum, cols, a, b));
      const expected = Float32Array.from(x, (value, i) => {
        const r = Math.floor(i / cols);
        return Math.fround(Math.fround(value) - max[r]) - logSum[r];
      });
      expect(arena.read(at.out)).toEqual(expected);
    }),
  );
});
