import { expect, it } from 'vitest';
import { ATTENTION_FIELDS, KEY_TILE, REACH_OPEN } from '../../../../src/kernels/wasm/module/attention-record.js';

it('names every field of the record once', () => {
  expect(new Set(ATTENTION_FIELDS).size).toBe(ATTENTION_FIELDS.length);
});

it('keeps sums of an offset, a row and an open reach below 2^31', () => {
  expect(2 ** 29 + 2 ** 28 + REACH_OPEN).toBeLessThan(2 ** 31);
});

it('tiles keys by whole blocks of Philox and whole panels: multiples of 16 and 8', () => {
  expect(KEY_TILE % 16).toBe(0);
});
