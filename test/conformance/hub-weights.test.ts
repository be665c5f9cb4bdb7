import { CausalLM, readSafetensors, type StoredTensor } from 'qkv';
import { expect } from 'vitest';
import { storedFloats } from '../../src/core/stored-floats.js';
import { describeCases, hubCases } from '../support/conformance.js';
import { pictures } from '../support/stored.js';

// Models as Hugging Face writes them, in and out again: name for name, bit for bit, under a wrapper too.

/** The same as float32, which is what we write. */
function widened(state: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> {
  const floats = (name: string, tensor: StoredTensor): StoredTensor => {
    return { dtype: 'F32', shape: tensor.shape, data: storedFloats('test', name, tensor) };
  };
  return new Map([...state].map(([name, tensor]) => [name, floats(name, tensor)]));
}

describeCases('Hugging Face weights and back', hubCases(), 6, ({ config, bytes }) => {
  const state = new Map(bytes.flatMap((file) => [...readSafetensors(file)]));
  const { n_head, num_attention_heads: numHeads = n_head, tie_word_embeddings: tieEmbeddings } = config;
  const options = { numHeads: numHeads as number, tieEmbeddings: tieEmbeddings as boolean };
  const model = CausalLM.fromTorch(state, options);
  expect(pictures(model.toTorch())).toEqual(pictures(widened(state)));
  expect(model.head === undefined).toBe(tieEmbeddings);

  const wrapped = new Map([...state].map(([name, tensor]) => [`module.${name}`, tensor]));
  for (const prefix of ['', 'module.model.', 'module.transformer.']) {
    let hint = '';
    try {
      expect(CausalLM.fromTorch(wrapped, { ...options, prefix }).head === undefined).toBe(tieEmbeddings);
    } catch (error) {
      hint = (error as Error).message;
    }
    if (hint !== '') expect(hint).toContain("did you mean prefix: 'module.'?");
  }
  const under = CausalLM.fromTorch(wrapped, { ...options, prefix: 'module.' });
  expect(pictures(under.stateDict())).toEqual(pictures(model.stateDict()));
});
