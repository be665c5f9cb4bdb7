import { expect, it } from 'vitest';
import { CausalLM } from '../../../src/nn/models/causal-lm.js';
import { TransformerBlock } from '../../../src/nn/models/transformer-block.js';

// That every option is read under its name: see settings.test.ts.

it('of a block are those of its parts, of a model those of its blocks', () => {
  const sizes = { dModel: 12, numHeads: 4, dHidden: 9, window: 5, epsilon: 0.5, dropout: 0.25 };
  const block = new TransformerBlock(sizes);
  const model = new CausalLM({ ...sizes, vocabularySize: 7, numLayers: 2, positions: 'sinusoidal' });
  for (const one of [block, model.layers[1], model]) expect(one).toMatchObject(sizes);
  expect([block.dK, block.dHidden, block.causal]).toEqual([block.attention.dK, block.feedForward.dHidden, false]);
  model.layers[0] = new TransformerBlock({ ...sizes, numHeads: 2 });
  expect([model.numHeads, model.dK]).toEqual([2, 6]);
});

it('are no parameters, and saved by nobody', () => {
  const block = new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6 });
  expect(Object.keys(block)).not.toContain('numHeads');
  expect([...block.stateDict().keys()].filter((name) => !/\.(W_.|gain|bias)$/.test(name))).toEqual([]);
});
