import { describe, expect, it } from 'vitest';
import { hasNaN, quieted, quietRows, withoutRows } from '../../../src/kernels/reference/quiet-rows.js';

const { NaN: nan } = Number;
const allocate = (length: number) => new Float32Array(length);
const quietOf = (dY: Float32Array, rows: number, cols: number) => [...quietRows(dY, rows, cols)];

describe('quiet rows', () => {
  it('are those in which every entry is 0, whatever its sign; a row of no entries is one', () => {
    expect(quietOf(Float32Array.of(0, -0, 0, 1, 1, 0, nan, 0), 4, 2)).toEqual([0]);
    expect(quietOf(Float32Array.of(0, 0, 1, 0), 2, 2)).toEqual([0]);
    expect(quietOf(Float32Array.of(5e-324, 1e-45), 2, 1)).toEqual([0]); // the first is 0 as float32
    expect(quietOf(new Float32Array(0), 3, 0)).toEqual([0, 1, 2]);
    expect(quietOf(new Float32Array(0), 0, 3)).toEqual([]);
  });

  it('are looked for where one entry of a row, or of the first so many, is NaN', () => {
    const x = Float32Array.of(1, nan, 2, 3, nan, 4);
    expect([hasNaN(x, 1, 6), hasNaN(x, 2, 3), hasNaN(x, 3, 2)]).toEqual([true, true, false]);
    expect([hasNaN(x, 2, 2), hasNaN(x, 1, 1), hasNaN(x, 1, 2)]).toEqual([false, false, true]);
    expect([hasNaN(Float32Array.of(Number.POSITIVE_INFINITY), 1, 1), hasNaN(new Float32Array(0), 0, 0)]).toEqual([
      false,
      false,
    ]);
  });

  it('are cleared in a copy', () => {
    const x = Float32Array.of(1, 2, nan, 4, 5, 6);
    expect([...withoutRows(allocate, x, Int32Array.of(1), 2)]).toEqual([1, 2, 0, 0, 5, 6]);
    expect([...withoutRows(allocate, x, Int32Array.of(0, 2), 2)]).toEqual([0, 0, nan, 4, 0, 0]);
    expect([...x]).toEqual([1, 2, nan, 4, 5, 6]);
  });

  it('get 0, whatever came out of them, and no other row does', () => {
    const dX = Float32Array.of(nan, 1, 3, 4, nan, nan);
    expect(quieted(dX, Float32Array.of(0, -0, 1, 0, 0, nan), 3, 2)).toBe(dX);
    expect([...dX]).toEqual([0, 0, 3, 4, nan, nan]);
  });
});
