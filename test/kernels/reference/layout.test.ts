import { describe, expect, it } from 'vitest';
import {
  concat,
  concatColumns,
  gatherRows,
  gatherRowsBackward,
  scatterRows,
  sliceColumns,
  sliceColumnsBackward,
  transpose,
  write,
} from '../../../src/kernels/reference/layout.js';

const allocate = (length: number) => new Float64Array(length);
const x = Float64Array.of(1, 2, 3, 4, 5, 6); // 2 × 3

describe('layout kernels', () => {
  it('transpose', () => {
    expect([...transpose(allocate, x, 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]);
    expect([...transpose(allocate, transpose(allocate, x, 2, 3), 3, 2)]).toEqual([...x]);
  });

  it('slice columns and put them together again', () => {
    const [left, right] = [sliceColumns(allocate, x, 2, 3, 0, 1), sliceColumns(allocate, x, 2, 3, 1, 3)];
    expect([...left]).toEqual([1, 4]);
    expect([...right]).toEqual([2, 3, 5, 6]);
    expect([...concatColumns(allocate, [left, right], 2)]).toEqual([...x]);
    expect(sliceColumns(allocate, x, 2, 3, 2, 2).length).toBe(0);
    expect(concatColumns(allocate, [new Float64Array(0)], 0).length).toBe(0);
  });

  it('give the gradient of columns back to where they were, and 0 to the others', () => {
    const back = (start: number, end: number, dY: number[]) => [
      ...sliceColumnsBackward(allocate, Float64Array.from(dY), 2, 3, start, end),
    ];
    expect(back(1, 3, [1, 2, 3, Number.NaN])).toEqual([0, 1, 2, 0, 3, Number.NaN]);
    expect(back(0, 1, [-0, 2])).toEqual([-0, 0, 0, 2, 0, 0]);
    expect(back(2, 2, [])).toEqual([0, 0, 0, 0, 0, 0]);
    expect(sliceColumnsBackward(allocate, new Float64Array(0), 0, 3, 1, 2).length).toBe(0);
  });

  it('put sparse rows among zeros', () => {
    const sparse = { rows: Int32Array.of(0, 2), values: Float64Array.of(1, 2, Number.NaN, -0) };
    expect([...scatterRows(allocate, sparse, 4, 2)]).toEqual([1, 2, 0, 0, Number.NaN, -0, 0, 0]);
    expect([...scatterRows(allocate, { rows: new Int32Array(0), values: new Float64Array(0) }, 1, 2)]).toEqual([0, 0]);
  });

  it('write a part of one array into another, which may be a part of itself', () => {
    const target = Float64Array.of(1, 2, 3, 4, 5);
    write(target, 1, Float64Array.of(7, 8, 9), 1, 3);
    expect([...target]).toEqual([1, 8, 9, 4, 5]);
    write(target, 0, target, 2, 5);
    expect([...target]).toEqual([9, 4, 5, 4, 5]);
    write(target, 5, target, 3, 3);
    expect([...target]).toEqual([9, 4, 5, 4, 5]);
  });

  it('concatenate and gather', () => {
    expect([...concat(allocate, [x, Float64Array.of(7)])]).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect([...gatherRows(allocate, x, 3, Int32Array.of(1, 0, 1))]).toEqual([4, 5, 6, 1, 2, 3, 4, 5, 6]);
  });

  it('gathered rows give back: ids ascending as numbers, rows summed, the ignored id left out', () => {
    const dOut = Float64Array.from({ length: 12 }, (_, i) => 2 ** i); // 6 × 2
    const ids = Int32Array.of(10, 9, 2, 10, 2, 9);
    const { rows, values } = gatherRowsBackward(allocate, dOut, 2, ids);
    expect([...rows]).toEqual([2, 9, 10]);
    expect([...values]).toEqual([16 + 256, 32 + 512, 4 + 1024, 8 + 2048, 1 + 64, 2 + 128]);
    const without = gatherRowsBackward(allocate, dOut, 2, ids, 9);
    expect([...without.rows]).toEqual([2, 10]);
    expect([...without.values]).toEqual([16 + 256, 32 + 512, 1 + 64, 2 + 128]);
  });
});
