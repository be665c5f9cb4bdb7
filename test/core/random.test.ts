import { describe, expect, it } from 'vitest';
import { keepsWeight, philox, Random, seedOfCall, seedWords, xavierBound } from '../../src/core/random.js';

const words = (...[c0, c1, c2, c3, k0, k1]: number[]) => {
  const out = new Uint32Array(4);
  philox(c0, c1, c2, c3, k0, k1, out);
  return [...out];
};

describe('Philox 4×32-10', () => {
  // The known answers published with Random123 (kat_vectors).
  it.each([
    [
      [0, 0, 0, 0, 0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [Array(6).fill(0xffffffff), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('of %j is %j', (input, expected) => {
    expect(words(...input)).toEqual(expected);
  });
});

describe('Random', () => {
  it('gives the same sequence for the same seed, another for another, and goes on from a position', () => {
    const draw = (random: Random, n: number) => Array.from({ length: n }, () => random.word());
    const first = draw(new Random(5), 20);
    expect(draw(new Random(5), 20)).toEqual(first);
    expect(draw(new Random(6), 20)).not.toEqual(first);
    expect(draw(new Random(5 + 2 ** 32), 20)).not.toEqual(first);
    const later = new Random(5);
    later.position = 7;
    expect(draw(later, 13)).toEqual(first.slice(7));
    later.position = 4 * (2 ** 32 + 3); // the number of its block takes two words of the counter
    expect(draw(later, 4)).toEqual(words(3, 1, 0, 0, 5, 0));
  });

  it('draws uniform numbers: mean ½, variance 1/12, inside the range, exact in float32', () => {
    const random = new Random(1);
    const n = 100_000;
    const drawn = Array.from({ length: n }, () => random.uniform());
    const mean = drawn.reduce((sum, x) => sum + x, 0) / n;
    const variance = drawn.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n;
    // Five standard errors: √(1/12n) of the mean, √(1/180n) of the variance.
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / n));
    expect(drawn.every((x) => x >= 0 && x < 1 && Math.fround(x) === x)).toBe(true);
    expect(drawn.every((x) => Number.isInteger(x * 2 ** 24))).toBe(true);
    expect(drawn.some((x) => x * 2 ** 23 !== Math.floor(x * 2 ** 23))).toBe(true); // 24 bits, not fewer
    expect(Array.from({ length: 1000 }, () => random.uniform(-3, -2)).every((x) => x >= -3 && x < -2)).toBe(true);
  });

  it('draws normal numbers: mean, variance, fourth moment', () => {
    const random = new Random(2);
    const n = 100_000;
    const drawn = Array.from({ length: n }, () => random.normal(3, 2));
    const moment = (power: number) => drawn.reduce((sum, x) => sum + ((x - 3) / 2) ** power, 0) / n;
    // Five standard errors: the variances of the powers of a normal number are 1, 2, 15 and 96.
    [1, 2, 3, 4].forEach((power, i) => {
      const expected = [0, 1, 0, 3][i];
      expect(Math.abs(moment(power) - expected)).toBeLessThan(5 * Math.sqrt([1, 2, 15, 96][i] / n));
    });
    expect(drawn.every(Number.isFinite)).toBe(true);
    expect(random.position).toBe(2 * n);
  });

  it('draws finite normal numbers where the uniform one is 0', () => {
    const random = new Random(1);
    const atZero = 41_841_907; // the first word of this seed whose upper 24 bits are all 0
    random.position = atZero;
    expect(random.uniform()).toBe(0);
    random.position = atZero;
    expect(random.normal(3, 2)).toBe(3); // radius √(−2·log 1)
  });

  it('draws seeds of 53 bits that are seeds', () => {
    const random = new Random(3);
    const seeds = Array.from({ length: 1000 }, () => random.seedForChild());
    expect(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)).toBe(true);
    expect(new Set(seeds).size).toBe(1000);
    expect(Math.max(...seeds)).toBeGreaterThan(2 ** 52);
  });
});

describe('seedWords and xavierBound', () => {
  it('cut a seed into its 32-bit words', () => {
    expect(seedWords(0)).toEqual([0, 0]);
    expect(seedWords(2 ** 32 + 7)).toEqual([7, 1]);
    expect(seedWords(Number.MAX_SAFE_INTEGER)).toEqual([0xffffffff, 0x1fffff]);
  });

  it('give √(6 / (fanIn + fanOut))', () => {
    expect(xavierBound(10, 14)).toBe(0.5);
    expect(xavierBound(0, 0)).toBe(0);
  });
});

it('the seed of a call: another for every call and seed, 53 bits, none of the seeds for children', () => {
  const seeds = [0, 1, 2, 2 ** 32, 2 ** 53 - 1].flatMap((call) =>
    [1, 2, 2 ** 40].map((seed) => seedOfCall(seed, call)),
  );
  expect(new Set([...seeds, new Random(1).seedForChild(), new Random(2).seedForChild()]).size).toBe(17);
  for (const seed of seeds) expect(Number.isSafeInteger(seed) && seed >= 0).toBe(true);
  expect(Math.max(...seeds)).toBeGreaterThan(2 ** 52);
  expect(seedOfCall(1, 0)).toBe(seedOfCall(1, 0));
});

it('a weight whose word is the threshold itself is kept', () => {
  const drop = (dropout: number) => ({ dropout, call: 4, seedLow: 5, seedHigh: 6 });
  for (const [i, word] of words(1, 2, 3, 4, 5, 6).entries()) {
    expect(keepsWeight(drop(word / 2 ** 32), 3, 2, 4 + i)).toBe(true);
    expect(keepsWeight(drop((word + 1) / 2 ** 32), 3, 2, 4 + i)).toBe(false);
  }
});
