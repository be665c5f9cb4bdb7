import { describe, expect, it } from 'vitest';
import { median, quantile, ratioOf, roundOrder } from '../../bench/harness/statistics.js';

describe('quantile and median', () => {
  it('of odd and even counts, in any order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
    // As numbers: as text 10 would come before 9.
    expect(median([10, 9, 100])).toBe(10);
  });

  it('lie between neighbors', () => {
    const values = [50, 10, 40, 20, 30];
    expect([0, 0.25, 0.5, 0.75, 1].map((p) => quantile(values, p))).toEqual([10, 20, 30, 40, 50]);
    expect(quantile([0, 10], 0.25)).toBe(2.5);
  });

  it('leave what they are given as it is', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });

  it('refuse nothing and NaN', () => {
    expect(() => median([])).toThrow(RangeError);
    expect(() => median([1, Number.NaN, 2])).toThrow(RangeError);
  });
});

describe('ratioOf', () => {
  it('is the median of the ratios within a round, not the ratio of the medians', () => {
    // The machine is ten times slower in the second round, for both: the ratio stays 2 in every round.
    expect(ratioOf([20, 2, 20], [10, 1, 10])).toEqual({ median: 2, low: 2, high: 2 });
    // Medians 4 and 2 would say 2; within the rounds it is 0.5, 4, 4.
    expect(ratioOf([1, 4, 8], [2, 1, 2]).median).toBe(4);
  });

  it('says how far the middle half of the rounds lies apart', () => {
    expect(ratioOf([1, 2, 3, 4, 5], [1, 1, 1, 1, 1])).toEqual({ median: 3, low: 2, high: 4 });
  });

  it('needs the same rounds on both sides', () => {
    expect(() => ratioOf([1, 2], [1])).toThrow('as many rounds: 2, 1');
  });
});

describe('roundOrder', () => {
  it('has everybody in every round, and everybody first in turn', () => {
    const orders = [0, 1, 2, 3].map((round) => roundOrder(3, round));
    expect(orders).toEqual([
      [0, 1, 2],
      [1, 2, 0],
      [2, 0, 1],
      [0, 1, 2],
    ]);
  });
});
