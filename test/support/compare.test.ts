import { describe, expect, it } from 'vitest';
import { expectClose, expectRelative, expectSame, expectTable, isClose } from './compare.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describe('isClose', () => {
  it.each([
    [1, 1, 0, true],
    [1.019, 1, 0.01, true], // error 0.019 / 2
    [1.03, 1, 0.01, false],
    [0.01, 0, 0.01, true], // absolute near 0
    [0.011, 0, 0.01, false],
    [1005, 1000, 0.005, true], // relative far from 0: 5 / 1001
    [1006, 1000, 0.005, false],
    [-1, 1, 0.5, false],
    [nan, 1, 0.9, false],
    [1, nan, 0.9, false],
    [nan, nan, 0, true],
    [inf, nan, 0.9, false],
    [nan, inf, 0.9, false],
    [inf, inf, 0, true],
    [-inf, -inf, 0, true],
    [inf, -inf, 0.9, false],
    [inf, 1e300, 0.9, false],
    [1e300, inf, 0.9, false],
    [-0, 0, 0, true],
  ])('got %d, expected %d, tolerance %d: %s', (got, expected, tolerance, close) => {
    expect(isClose(got, expected, tolerance)).toBe(close);
  });
});

describe('expectClose', () => {
  it('passes equal arrays of any storage', () => {
    expectClose(Float32Array.of(0.5, 2), [0.5, 2], 0);
    expectClose([], new Float64Array(0), 0);
  });
  it('names index, values, error and tolerance of the first of all differences', () => {
    expect(() => expectClose([0, 1, 3, 9], [0, 1, 1, 1], 0.5, 'out')).toThrow(
      'out: 2 of 4 entries differ, first index 2: got 3, expected 1, error 1, tolerance 0.5',
    );
  });
  it('fails on NaN at any place', () => {
    for (const i of [0, 1, 2]) {
      const got = [1, 1, 1];
      got[i] = nan;
      expect(() => expectClose(got, [1, 1, 1], 0.9)).toThrow(`first index ${i}: got NaN, expected 1`);
    }
  });
  it('fails on other lengths', () => {
    expect(() => expectClose([1], [1, 1], 0.5)).toThrow('got 1 entries, expected 2');
    expect(() => expectClose([1, 1], [1], 0.5)).toThrow('got 2 entries, expected 1');
  });
  it.each([nan, inf, -1e-9, 1])('refuses the tolerance %d, which would pass everything or nothing', (tolerance) => {
    expect(() => expectClose([1], [1], tolerance)).toThrow('tolerance');
  });
});

describe('expectTable', () => {
  const table = (rows: number, cols: number, data: number[]) => ({ rows, cols, data });
  it('names row and column', () => {
    const expected = table(2, 3, [0, 0, 0, 0, 0, 0]);
    expectTable(table(2, 3, [0, 0, 0, 0, 0, 0]), expected, 0);
    expect(() => expectTable(table(2, 3, [0, 0, 0, 0, 7, 0]), expected, 0)).toThrow(
      'row 1, column 1: got 7, expected 0',
    );
  });
  it('fails on the same numbers in another shape', () => {
    expect(() => expectTable(table(3, 2, [1, 2, 3, 4, 5, 6]), table(2, 3, [1, 2, 3, 4, 5, 6]), 0)).toThrow(
      'got 3×2, expected 2×3',
    );
  });
  it('fails on NaN and on data shorter than the shape says', () => {
    expect(() => expectTable(table(1, 1, [nan]), table(1, 1, [0]), 0.9)).toThrow('got NaN');
    expect(() => expectTable(table(1, 2, [0]), table(1, 2, [0, 0]), 0.9)).toThrow('got 1 entries');
  });
});

describe('expectRelative', () => {
  it('sees a wrong tiny number', () => {
    expectRelative([1.0001e-20], [1e-20], 1e-3, 0);
    expect(() => expectRelative([2e-20], [1e-20], 1e-3, 0)).toThrow('got 2e-20');
    expectRelative([0], [1e-40], 0, 1e-39);
    expect(() => expectRelative([0], [1e-38], 0, 1e-39)).toThrow('got 0');
  });
  it('fails on NaN and on infinities that differ', () => {
    expect(() => expectRelative([nan], [1], 0.5, 0.5)).toThrow('got NaN');
    expect(() => expectRelative([inf], [1e300], 0.5, 0.5)).toThrow('got Infinity');
    expect(() => expectRelative([inf], [-inf], 0.5, 0.5)).toThrow('got Infinity');
    expectRelative([inf, nan], [inf, nan], 0, 0);
  });
});

describe('expectSame', () => {
  it('compares to the bit', () => {
    expectSame([nan, -0, inf], [nan, -0, inf]);
    expect(() => expectSame([0], [-0])).toThrow('got 0, expected -0');
    expect(() => expectSame([1 + Number.EPSILON], [1])).toThrow('1 of 1 entries differ');
    expect(() => expectSame([1], [1, 2])).toThrow('got 1 entries, expected 2');
  });
});
