import { expect, it } from 'vitest';
import { kvHead } from '../../src/core/heads.js';

it('query heads share key/value heads in order', () => {
  const read = (numHeads: number, numKvHeads: number) =>
    Array.from({ length: numHeads }, (_, head) => kvHead({ numHeads, numKvHeads }, head));
  expect(read(6, 6)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(read(6, 2)).toEqual([0, 0, 0, 1, 1, 1]);
  expect(read(6, 1)).toEqual([0, 0, 0, 0, 0, 0]);
});
