import { describe, expect, it } from 'vitest';
import { FeedForward, type Module, MultiHeadAttention, SelfAttention } from '../../src/index.js';
import { feedForwardEntries, projectionEntries } from '../../src/nn/parameter-count.js';

const entries = (module: Module) => module.parameters().reduce((sum, { data }) => sum + data.length, 0);

describe('the entries of weights', () => {
  it('are those of the layers', () => {
    const heads = { numHeads: 4, numKvHeads: 2, dK: 3, dV: 5 };
    expect(projectionEntries(heads, 8)).toBe(entries(new SelfAttention({ dModel: 8, ...heads })));
    const attention = new MultiHeadAttention({ dModel: 8, kDim: 6, vDim: 7, ...heads });
    expect(projectionEntries(heads, 8, 6, 7) + 4 * 5 * 8).toBe(entries(attention));
    for (const activation of ['relu', 'swiglu'] as const) {
      const layer = new FeedForward({ dModel: 8, dHidden: 9, activation });
      expect(feedForwardEntries(8, 9, activation)).toBe(entries(layer));
    }
  });
});
