import { expect, it } from 'vitest';
import { Embedding } from '../../../src/nn/layers/embedding.js';
import { forEachTwin } from '../../support/twins.js';

forEachTwin(() => {
  it('looks rows up, in order, repeated ids too', () => {
    const embedding = new Embedding(5, 3, { seed: 1 });
    const got = embedding.forward([4, 0, 4]);
    expect(got.toArray()).toEqual([4, 0, 4].map((id) => [...embedding.table.row(id)]));
    expect(embedding.parameters()).toEqual([embedding.table]);
  });
});

it('starts normal, with zeros for padding', () => {
  const { table } = new Embedding(100, 50, { paddingIndex: 3, seed: 1 });
  expect([...table.row(3)]).toEqual(new Array(50).fill(0));
  const variance = table.data.reduce((sum, x) => sum + x * x, 0) / (99 * 50);
  expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / (99 * 50))); // five standard errors
});
