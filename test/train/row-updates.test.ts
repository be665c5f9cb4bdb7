import { expect, test } from 'vitest';
import { checkedRowUpdates } from '../../src/train/row-updates.js';

test('lazy unless asked otherwise', () => {
  expect([checkedRowUpdates('X', {}), checkedRowUpdates('X', { rowUpdates: 'dense' })]).toEqual(['lazy', 'dense']);
  expect(() => checkedRowUpdates('X', { rowUpdates: 'all' as never })).toThrow(
    "X: rowUpdates must be 'lazy' or 'dense'",
  );
});
