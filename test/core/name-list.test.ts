import { expect, test } from 'vitest';
import { nameList } from '../../src/core/name-list.js';

test('nameList names eight at most, each short', () => {
  expect(nameList([])).toBe('none');
  expect(nameList(['a.b', 'c d', Symbol('x'), 7])).toBe('a.b, "c d", a symbol, 7');
  expect(nameList(Array.from({ length: 200_000 }, (_, i) => `n${i}`))).toBe(
    'n0, n1, n2, n3, n4, n5, n6, n7 and 199992 more',
  );
  expect(nameList(['my-model/encoder:0.layers.11.self_attn.q_proj.weight'])).toBe(
    'my-model/encoder:0.layers.11.self_attn.q_proj.weight',
  );
  expect(nameList(['x'.repeat(1e6)]).length).toBeLessThan(60);
  expect(nameList(['x'.repeat(100)]).length).toBe(100);
});
