import { expect, it } from 'vitest';
import { headShape } from '../../../src/nn/attention/heads.js';

it('dK defaults to dModel / numHeads, dV to dK, numKvHeads to numHeads', () => {
  expect(headShape('f', 64, { numHeads: 8 })).toEqual({ numHeads: 8, numKvHeads: 8, dK: 8, dV: 8 });
  expect(headShape('f', 64, { numHeads: 8, numKvHeads: 2, dK: 5 })).toEqual({
    numHeads: 8,
    numKvHeads: 2,
    dK: 5,
    dV: 5,
  });
  expect(headShape('f', 100, { numHeads: 8, dK: 4, dV: 6 })).toMatchObject({ dK: 4, dV: 6 });
});

it('refuses what does not divide', () => {
  expect(() => headShape('f', 100, { numHeads: 8 })).toThrow(
    'f: dModel must be divisible by numHeads: 100 is not divisible by 8 (or give dK)',
  );
  expect(() => headShape('f', 64, { numHeads: 8, numKvHeads: 3 })).toThrow('8 is not divisible by 3');
});
