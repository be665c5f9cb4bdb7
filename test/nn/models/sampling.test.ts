import { describe, expect, it } from 'vitest';
import { type SamplingOptions, sampler } from '../../../src/nn/models/sampling.js';
import { fc } from '../../support/property.js';

const LOGITS = [0.5, 3, -1, 2, 3, Number.NEGATIVE_INFINITY, 1];

/** How often each token comes in `count` draws. */
function counts(logits: readonly number[], options: SamplingOptions, count = 20_000): number[] {
  const sample = sampler('w', { seed: 5, ...options });
  const found = logits.map(() => 0);
  for (let i = 0; i < count; i++) found[sample(logits)]++;
  return found;
}

const softmax = (logits: readonly number[], temperature: number) => {
  const weights = logits.map((z) => Math.exp((z - Math.max(...logits)) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
};

/** |frequency − p| stays below 5 standard deviations √(p(1 − p)/n), and 0 is 0. */
function expectShares(found: readonly number[], shares: readonly number[]): void {
  const total = found.reduce((sum, n) => sum + n, 0);
  shares.forEach((p, id) => {
    const limit = 5 * Math.sqrt((p * (1 - p)) / total);
    const error = Math.abs(found[id] / total - p);
    expect(p === 0 ? found[id] === 0 : error <= limit, `token ${id}: ${found[id]} of ${total}, expected ${p}`).toBe(
      true,
    );
  });
}

const normed = (shares: readonly number[]) => {
  const total = shares.reduce((sum, p) => sum + p, 0);
  return shares.map((p) => p / total);
};
const only = (shares: readonly number[], ids: readonly number[]) =>
  normed(shares.map((p, id) => (ids.includes(id) ? p : 0)));

describe('sampler', () => {
  it('takes the first of the most likely tokens at temperature 0', () => {
    expect(sampler('w', { temperature: 0 })(LOGITS)).toBe(1);
    expect(sampler('w', { temperature: 0, topK: 3, topP: 0.2 })(Float32Array.of(-5, -5))).toBe(0);
  });

  it.each([0.5, 1, 3])('draws each token as often as softmax(logits / %d) says', (temperature) => {
    expectShares(counts(LOGITS, { temperature }), softmax(LOGITS, temperature));
  });

  it('draws from the topK most likely, the lower ids of equals', () => {
    const shares = softmax(LOGITS, 1);
    expectShares(counts(LOGITS, { topK: 3 }), only(shares, [1, 3, 4]));
    expectShares(counts(LOGITS, { topK: 1 }), only(shares, [1]));
    expectShares(counts(LOGITS, { topK: 100 }), shares);
    expectShares(counts([1, 1, 1, 0], { topK: 2 }), [0.5, 0.5, 0, 0]);
    expectShares(counts([Number.NEGATIVE_INFINITY, 0, Number.NEGATIVE_INFINITY], { topK: 2 }), [0, 1, 0]);
  });

  it('draws from the fewest tokens that reach topP, after topK and temperature', () => {
    const shares = softmax(LOGITS, 1); // .04 .38 .01 .14 .38 0 .05
    expectShares(counts(LOGITS, { topP: 0 }), only(shares, [1]));
    expectShares(counts(LOGITS, { topP: 0.5 }), only(shares, [1, 4]));
    expectShares(counts(LOGITS, { topP: 0.8 }), only(shares, [1, 3, 4]));
    expectShares(counts(LOGITS, { topP: 0.8, topK: 2 }), only(shares, [1, 4]));
    expectShares(counts(LOGITS, { topP: 0.7, temperature: 10 }), only(softmax(LOGITS, 10), [1, 4, 3, 6]));
  });

  it('keeps the same tokens as sorting them all', () => {
    const logits = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(logits, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(), (z, topP, seed) => {
        const shares = softmax(z, 1);
        const order = z.map((_, id) => id).sort((a, b) => shares[b] - shares[a] || a - b);
        let [sum, count] = [0, 0];
        while (count === 0 || (count < z.length && sum < topP)) sum += shares[order[count++]];
        // One more than that, for a sum that rounds to just below topP; and those as likely as it up to the rounding of a
        // share (exp, total and quotient: under 4 units of 2^−53), which may tie here and not there.
        const least = shares[order[Math.min(count, z.length - 1)]] * (1 - 2 ** -51);
        const sample = sampler('w', { topP, seed });
        for (let i = 0; i < 20; i++) expect(shares[sample(z)]).toBeGreaterThanOrEqual(least);
      }),
      { examples: [[[0, 0, 5.55e-17], 0, 0]] },
    );
  });

  it('repeats itself with the same seed, not with another', () => {
    const draws = (seed: number) => {
      const sample = sampler('w', { seed });
      return Array.from({ length: 30 }, () => sample(LOGITS));
    };
    expect(draws(3)).toEqual(draws(3));
    expect(draws(3)).not.toEqual(draws(4));
  });

  it('stands extreme temperatures and logits', () => {
    expectShares(counts(LOGITS, { temperature: 1e-300 }, 2000), [0, 0.5, 0, 0, 0.5, 0, 0]);
    expectShares(counts([1e38, -1e38], {}, 50), [1, 0]);
    expectShares(counts([0, 5], { temperature: 1e300 }), [0.5, 0.5]);
  });

  it('refuses logits that say nothing', () => {
    const rule = 'w: the logits of the next token must be numbers, the largest of them finite';
    const sample = sampler('w', { temperature: 0 });
    expect(() => sample([0, Number.NaN])).toThrow(`${rule}: token 1 has NaN`);
    expect(() => sample([Number.NaN, 1])).toThrow(`${rule}: token 0 has NaN`);
    expect(() => sample([0, Number.POSITIVE_INFINITY])).toThrow(`${rule}: the largest is Infinity`);
    expect(() => sample([Number.NEGATIVE_INFINITY])).toThrow(`${rule}: the largest is -Infinity`);
  });

  it('refuses numbers out of range', () => {
    expect(() => sampler('w', { temperature: -1 })).toThrow(
      'w: temperature must be a finite number of at least 0: got -1',
    );
    expect(() => sampler('w', { topK: 0 })).toThrow('w: topK must be an integer of at least 1: got 0');
    expect(() => sampler('w', { topP: 1.5 })).toThrow('w: topP must be a finite number from 0 to 1: got 1.5');
    expect(() => sampler('w', { temperature: 0, seed: -1 })).toThrow(
      'w: seed must be an integer of at least 0: got -1',
    );
  });
});

it('topP keeps no token more than its share needs, also where the sum meets it exactly', () => {
  const sample = sampler('w', { topP: 0.5, seed: 1 });
  for (let i = 0; i < 50; i++) expect(sample([2, 2, -1000])).toBe(0);
});
