import { expect, it } from 'vitest';
import { dropout } from '../../../src/kernels/reference/dropout.js';

const floats = (length: number) => new Float32Array(length);
const ones = new Float32Array(10_001).fill(1);
const drop = (rate: number, seedLow = 1, seedHigh = 2, x = ones) => dropout(floats, { x, rate, seedLow, seedHigh });

it('drops that share of the entries and scales the others', () => {
  const kept = drop(0.25).filter((y) => y !== 0);
  // Binomial: standard deviation √(n·p·(1 − p)) = 43; four of them.
  expect(Math.abs(kept.length - 0.75 * ones.length)).toBeLessThan(174);
  expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.75)]));
  expect(drop(0)).toEqual(ones);
  expect(drop(1)).toEqual(new Float32Array(ones.length));
});

it('draws by key and place alone: the beginning is that of a longer array', () => {
  expect(drop(0.5, 1, 2, ones.slice(0, 7))).toEqual(drop(0.5).slice(0, 7));
  expect(drop(0.5, 3, 2)).not.toEqual(drop(0.5));
  expect(drop(0.5, 1, 3)).not.toEqual(drop(0.5));
});
