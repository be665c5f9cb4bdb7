import { describe, expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { type SamplingOptions, sampler } from '../../../src/nn/models/sampling.js';
import { fc } from '../../support/property.js';

const LOGITS = [0.5, 3, -1, 2, 3, Number.NEGATIVE_INFINITY, 1];

/** How often each token comes in `count` draws. */
function counts(
  logits: readonly number[],
  options: SamplingOptions,
  count = 20_000,
  ids?: ArrayLike<number>,
): number[] {
  const sample = sampler({ seed: 5, ...options });
  const found = logits.map(() => 0);
  for (let i = 0; i < count; i++) found[sample(logits, ids)]++;
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
    expect(sampler({ temperature: 0 })(LOGITS)).toBe(1);
    expect(sampler({ temperature: 0, topK: 3, topP: 0.2 })(Float32Array.of(-5, -5))).toBe(0);
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

  it('draws from the tokens at least minP as likely as the likeliest, after temperature, topK and topP', () => {
    const shares = softmax(LOGITS, 1); // .04 .38 .01 .14 .38 0 .05, of the largest .08 1 .02 .37 1 0 .14
    expectShares(counts(LOGITS, { minP: 0 }), shares);
    expectShares(counts(LOGITS, { minP: 1 }), only(shares, [1, 4]));
    expectShares(counts(LOGITS, { minP: 0.1 }), only(shares, [1, 3, 4, 6]));
    expectShares(counts(LOGITS, { minP: 0.05 }), only(shares, [0, 1, 3, 4, 6]));
    expectShares(counts(LOGITS, { minP: 0.1, topK: 2 }), only(shares, [1, 4]));
    const warm = softmax(LOGITS, 10); // .16 .2 .13 .18 .2 0 .16, of the largest .78 1 .67 .9 1 0 .82
    expectShares(counts(LOGITS, { minP: 0.8, temperature: 10 }), only(warm, [1, 3, 4, 6]));
    // topP is a share of all tokens, 1, 4 and 3 are .56 of them; of those that minP leaves they would be .78.
    expectShares(counts(LOGITS, { minP: 0.8, temperature: 10, topP: 0.72 }), only(warm, [1, 3, 4, 6]));
    // A token exactly at the limit stays.
    expectShares(counts([Math.log(2), 0], { minP: Math.exp(0 - Math.log(2)) }), [2 / 3, 1 / 3]);
  });

  it('divides logits above 0 of tokens that are there by repetitionPenalty, multiplies others, each once', () => {
    const penalty = { repetitionPenalty: 1.5 };
    const logits = [2, 1, -1, 0, -2, Number.NEGATIVE_INFINITY];
    const expected = softmax([2 / 1.5, 1, -1.5, 0, -2, Number.NEGATIVE_INFINITY], 0.5);
    expectShares(counts(logits, { ...penalty, temperature: 0.5 }, 20_000, [0, 2, 3, 0, 0, 5]), expected);
    expectShares(counts(logits, penalty, 20_000, []), softmax(logits, 1));
    expectShares(
      counts(logits, { repetitionPenalty: 0.5 }, 20_000, Uint8Array.of(1, 4)),
      softmax([2, 2, -1, 0, -1], 1).concat(0),
    );
    const best = sampler({ repetitionPenalty: 1.5, temperature: 0 });
    expect([best([3, 2.5], [0]), best([-3, -2.5], [1]), best([3, 2.5], []), best([3, 1.9], [0, 0])]).toEqual([
      1, 0, 0, 0,
    ]);
    expect(sampler({ temperature: 0 })([3, 2.5], [0])).toBe(0);
    expect(logits[0]).toBe(2); // what is given stays as it is
  });

  it('filters after the penalty: topK, topP and minP see what it leaves', () => {
    const options = { repetitionPenalty: 4, seed: 1 };
    for (const filter of [{ topK: 1 }, { topP: 0.1 }, { minP: 1 }]) {
      expect(counts([4, 3, 1], { ...options, ...filter }, 50, [0])).toEqual([0, 50, 0]);
    }
  });

  it('refuses rows and ids that are none', () => {
    const sample = sampler({ repetitionPenalty: 2, temperature: 0 });
    const bad = (logits: unknown, ids?: unknown) => () => sample(logits as number[], ids as number[]);
    expect(bad(new Matrix(1, 3), [0])).toThrow('sampler: logits must be one row: got a 1×3 Matrix (pass its .row(r))');
    expect(bad([], [])).toThrow('sampler: logits must have at least one entry: got none');
    expect(bad([1, null], [])).toThrow('sampler: logits[1] must be a number: got null');
    expect(bad([1, 2])).toThrow('sampler: ids must be given with repetitionPenalty: got undefined');
    expect(bad([1, 2], [1, 2])).toThrow('sampler: ids[1] must be an integer from 0 to 1: got 2');
    expect(bad([1, 2], 1)).toThrow('sampler: ids must be an array or a typed array: got 1');
    expect(() => sampler({ temperature: 0 })([1, 2], [2])).toThrow(
      'sampler: ids[0] must be an integer from 0 to 1: got 2',
    );
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
        const sample = sampler({ topP, seed });
        for (let i = 0; i < 20; i++) expect(shares[sample(z)]).toBeGreaterThanOrEqual(least);
      }),
      { examples: [[[0, 0, 5.55e-17], 0, 0]] },
    );
  });

  it('repeats itself with the same seed, not with another', () => {
    const draws = (seed: number) => {
      const sample = sampler({ seed });
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
    const rule = 'sampler: the logits of the next token must be numbers, the largest of them finite';
    const sample = sampler({ temperature: 0 });
    expect(() => sample([0, Number.NaN])).toThrow(`${rule}: token 1 has NaN`);
    expect(() => sample([Number.NaN, 1])).toThrow(`${rule}: token 0 has NaN`);
    expect(() => sample([0, Number.POSITIVE_INFINITY])).toThrow(`${rule}: the largest is Infinity`);
    expect(() => sample([Number.NEGATIVE_INFINITY])).toThrow(`${rule}: the largest is -Infinity`);
  });

  it('refuses numbers out of range', () => {
    expect(() => sampler({ temperature: -1 })).toThrow(
      'sampler: temperature must be a finite number of at least 0: got -1',
    );
    expect(() => sampler({ topK: 0 })).toThrow('sampler: topK must be an integer of at least 1: got 0');
    expect(() => sampler({ topP: 1.5 })).toThrow('sampler: topP must be a finite number from 0 to 1: got 1.5');
    expect(() => sampler({ temperature: 0, seed: -1 })).toThrow(
      'sampler: seed must be an integer of at least 0: got -1',
    );
  });
});

it('topP keeps no token more than its share needs, also where the sum meets it exactly', () => {
  const sample = sampler({ topP: 0.5, seed: 1 });
  for (let i = 0; i < 50; i++) expect(sample([2, 2, -1000])).toBe(0);
});
