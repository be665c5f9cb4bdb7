import { describe, expect, it } from 'vitest';
import { exactly, inFloat32, rowsOf, transposed } from '../../bench/contenders/arithmetic.js';

const third = 1 / 3;

describe('dots', () => {
  // 2 rows of a, 1 to 9 rows of b: every number of columns that is left over.
  const a = Float64Array.of(1, 2, 3, 4, 5, 6);
  const b = (n: number) => Float64Array.from({ length: 3 * n }, (_, i) => (i % 3 === 0 ? i : 1));

  it.each([1, 2, 3, 4, 5, 8, 9])('is every row of a with every row of b: %i rows', (n) => {
    const expected = [0, 1].flatMap((i) =>
      Array.from({ length: n }, (_, j) => a[3 * i] * 3 * j + a[3 * i + 1] + a[3 * i + 2]),
    );
    // Row 0 of b begins with 0, row j with 3·j.
    expect([...exactly.dots(a, b(n), 2, 3, n)]).toEqual(expected);
    expect([...inFloat32.dots(a, b(n), 2, 3, n)]).toEqual(expected);
  });

  it('rounds every product and every sum, or none, from first to last', () => {
    const x = Float64Array.from([third, 0.1, 0.7, 1e-4, 3], Math.fround);
    const y = Float64Array.from([1.1, 0.3, third, 7, 0.9], Math.fround);
    let [sum, rounded] = [0, 0];
    for (let p = 0; p < 5; p++) {
      sum += x[p] * y[p];
      rounded = Math.fround(rounded + Math.fround(x[p] * y[p]));
    }
    expect([...exactly.dots(x, y, 1, 5, 1)]).toEqual([sum]);
    expect([...inFloat32.dots(x, y, 1, 5, 1)]).toEqual([rounded]);
    expect(rounded).not.toBe(sum);
  });

  it('says 0 where there is nothing to add, and nothing where there are no columns', () => {
    expect([...exactly.dots(new Float64Array(0), new Float64Array(0), 1, 0, 2)]).toEqual([0, 0]);
    expect([...inFloat32.dots(a, new Float64Array(0), 2, 3, 0)]).toEqual([]);
  });

  it('lets NaN through', () => {
    const x = Float64Array.of(0, Number.NaN);
    for (const { dots } of [exactly, inFloat32]) expect([...dots(x, x, 1, 2, 1)]).toEqual([Number.NaN]);
  });
});

describe('round', () => {
  it('is float32 or nothing', () => {
    expect(inFloat32.round(third)).toBe(Math.fround(third));
    expect(exactly.round(third)).toBe(third);
  });
});

describe('transposed and rowsOf', () => {
  const x = Float32Array.of(1, 2, 3, 4, 5, 6);

  it('move numbers', () => {
    expect([...transposed(x, 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]);
    expect([...rowsOf(x, [2, 0], 2)]).toEqual([5, 6, 1, 2]);
    expect(x).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });
});
