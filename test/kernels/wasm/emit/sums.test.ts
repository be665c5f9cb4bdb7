import { describe, expect, test } from 'vitest';
import { Arena, entries, expectOneHash, grid } from './support.js';

describe.each([
  ['block_sums', (x: number) => x],
  ['block_sums_of_squares', (x: number) => x * x],
])('%s', (name, term) => {
  test.each([0, 1, 2, 3, 7, 8, 9, 4095, 4096, 4097, 4098, 8191, 8195])('%i entries, any range of blocks', (length) => {
    const x = grid(-3, 2, Math.max(length, 2)).slice(0, length);
    const blocks = Math.ceil(length / 4096);
    for (let cut = 0; cut <= blocks; cut++) {
      const arena = new Arena();
      const [at, out] = [arena.input(x), arena.output(2 * blocks)];
      arena.run(blocks, cut, (from, to) => entries[name](at, out, length, from, to, 0));
      const sums = new Float64Array(arena.read(out).buffer);
      for (let b = 0; b < blocks; b++) {
        const terms = [...x.slice(b * 4096, (b + 1) * 4096)].map(term);
        const [exact, size] = [terms, terms.map(Math.abs)].map((all) => all.reduce((a, c) => a + c, 0));
        // Two orders of at most 4096 roundings.
        expect(Math.abs(sums[b] - exact)).toBeLessThanOrEqual(2 * 4096 * 2 ** -53 * size);
      }
    }
  });

  test('100 repeats', () => {
    const arena = new Arena();
    const [x, out] = [arena.input(grid(-9, 8, 5003)), arena.output(4)];
    expectOneHash(arena, () => entries[name](x, out, 5003, 0, 2, 0));
  });
});
