import { describe, expect, it } from 'vitest';
import { philox } from '../../../src/core/random.js';
import { dropout } from '../../../src/kernels/reference/dropout.js';
import { expectDerivative, float64, wave } from './derivatives.js';

describe('dropout', () => {
  const x = wave(103, 1);

  it('keeps entry i, times 1 / (1 − rate), where word i % 4 of block i / 4 is at least rate·2^32', () => {
    const words = new Uint32Array(4);
    dropout(float64, { x, rate: 0.25, seedLow: 5, seedHigh: 9 }).forEach((y, i) => {
      philox(Math.floor(i / 4), 0, 0, 0, 5, 9, words);
      expect(y).toBe(words[i % 4] >= 2 ** 30 ? x[i] / 0.75 : 0);
    });
  });

  it('drops nothing at rate 0 and everything at 1, NaN too', () => {
    expect(dropout(float64, { x, rate: 0, seedLow: 5, seedHigh: 9 })).toEqual(x);
    const poison = new Float64Array(9).fill(Number.NaN);
    expect(dropout(float64, { x: poison, rate: 1, seedLow: 5, seedHigh: 9 })).toEqual(new Float64Array(9));
  });

  it('drops by whole words: of rate·2^32 rounded, an entry whose word is just that stays', () => {
    const words = new Uint32Array(4);
    philox(0, 0, 0, 0, 5, 9, words);
    const [one, word] = [Float64Array.of(1), words[0]];
    const isKept = (threshold: number) =>
      dropout(float64, { x: one, rate: threshold / 2 ** 32, seedLow: 5, seedHigh: 9 })[0] !== 0;
    expect([word - 1, word, word + 0.4, word + 0.6, word + 1].map(isKept)).toEqual([true, true, true, false, false]);
  });

  it('is its own backward', () => {
    const key = { rate: 0.4, seedLow: 1, seedHigh: 2 };
    const dY = wave(103, 2);
    expectDerivative((at) => dropout(float64, { ...key, x: at }), x, dY, dropout(float64, { ...key, x: dY }));
  });
});
