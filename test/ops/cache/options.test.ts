import { describe, expect, it } from 'vitest';
import { checkCacheOptions } from '../../../src/ops/cache/options.js';

describe('checkCacheOptions', () => {
  const check = (options: object) => checkCacheOptions('w', options as never);

  it('fills in every default', () => {
    expect(check({ capacity: 3, dK: 2 })).toEqual({
      capacity: 3,
      dK: 2,
      dV: 2,
      numKvHeads: 1,
      mode: 'linear',
      sinkTokens: 0,
    });
    const all = { capacity: 3, dK: 2, dV: 5, numKvHeads: 4, mode: 'ring', sinkTokens: 2 } as const;
    expect(check(all)).toEqual(all);
  });

  it('refuses every size that is none, and sinks that leave no ring', () => {
    for (const name of ['capacity', 'dK', 'dV', 'numKvHeads']) {
      for (const size of [0, -1, 1.5, Number.NaN]) {
        const options = { capacity: 3, dK: 2, mode: 'ring', [name]: size };
        expect(() => check(options)).toThrow(`w: ${name} must be an integer of at least 1: got ${size}`);
      }
    }
    const ring = { capacity: 3, dK: 2, mode: 'ring' };
    expect(check({ ...ring, sinkTokens: 2 }).sinkTokens).toBe(2);
    expect(() => check({ ...ring, sinkTokens: 3 })).toThrow('w: sinkTokens must be an integer from 0 to 2: got 3');
    expect(() => check({ capacity: 3, dK: 2, sinkTokens: 1 })).toThrow(
      "w: sinkTokens must come with mode: 'ring': got 1 and mode 'linear'",
    );
  });

  it('refuses keys or values that are too large, each by its name', () => {
    const many = 2 ** 20;
    expect(() => check({ capacity: many, dK: 2048 })).toThrow('w: the keys must have at most 2147483647');
    expect(() => check({ capacity: many, dK: 1, dV: 1024, numKvHeads: 2 })).toThrow('w: the values must have at most');
    // Both together: what kernel memory could ever hold, 2^29 floats.
    expect(() => check({ capacity: many, dK: 257 })).toThrow('w: keys and values must have at most 536870912 entries');
    expect(check({ capacity: many, dK: 256 }).dK).toBe(256);
  });
});
