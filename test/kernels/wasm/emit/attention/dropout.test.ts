import { expect, test } from 'vitest';
import { philox } from '../../../../../src/core/random.js';
import { ATTENTION_FIELDS } from '../../../../../src/kernels/wasm/module/attention-record.js';
import { Arena, entries } from '../support.js';

const [SEED_LOW, SEED_HIGH, CALL, QUERY, UNIT] = [0xfedcba98, 7, 3, 11, 2];

function record(dropThreshold: number, dropAll: number): number[] {
  const fields: Record<string, number> = { dropThreshold, dropAll, seedLow: SEED_LOW, seedHigh: SEED_HIGH, call: CALL };
  return ATTENTION_FIELDS.map((name) => fields[name] ?? 0);
}

test.each([
  [2 ** 31, 0],
  [429496730, 0],
  [1, 0],
  [0, -1],
])('attention_dropout: threshold %d, all %d, in any ranges of 16 keys', (threshold, dropAll) => {
  const words = new Uint32Array(4);
  for (const cut of [0, 1, 2, 5]) {
    const arena = new Arena();
    const at = { record: arena.inputInts(record(threshold, dropAll)), weights: arena.output(80) };
    // A weight of the arena is a NaN until it is dropped.
    arena.run(5, cut, (from, to) =>
      entries.attention_dropout(at.record, at.weights + from * 64, (to - from) * 16, from * 16, QUERY, UNIT),
    );
    arena.read(at.weights).forEach((weight, key) => {
      philox(key >> 2, QUERY, UNIT, CALL, SEED_LOW, SEED_HIGH, words);
      const kept = dropAll === 0 && words[key % 4] >= threshold;
      expect(weight, `key ${key}`).toBe(kept ? Number.NaN : 0);
    });
  }
});
