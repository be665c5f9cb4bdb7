import { describe, expect, it } from 'vitest';
import { checkMultiHeadAttention } from '../../../src/nn/attention/multi-head-options.js';

describe('checkMultiHeadAttention', () => {
  it('fills in the heads and the rotation', () => {
    const { heads, rope } = checkMultiHeadAttention('w', { dModel: 12, numHeads: 3, dV: 5, rope: true });
    expect(heads).toEqual({ numHeads: 3, numKvHeads: 3, dK: 4, dV: 5 });
    expect(rope).toEqual({ base: 10000, dim: 4, interleaved: false });
    expect(checkMultiHeadAttention('w', { dModel: 12, numHeads: 3 }).rope).toBeUndefined();
  });

  it('takes extra keys beside what needs positions: they have none', () => {
    const extra = { dModel: 4, numHeads: 2, addZeroAttention: true };
    for (const more of [{ window: 2 }, { alibi: true }, { window: [1, 0] as const, alibi: true }]) {
      expect(() => checkMultiHeadAttention('w', { ...extra, ...more })).not.toThrow();
    }
  });
});
