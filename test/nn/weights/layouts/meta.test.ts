import { expect, it } from 'vitest';
import { modelTensors } from '../../../../src/nn/weights/causal-lm.js';
import * as meta from '../../../../src/nn/weights/layouts/meta.js';
import type { TorchTensor } from '../../../../src/nn/weights/tensors.js';

/** Stored name, our parameters in it, form. */
const rows = (tensors: readonly TorchTensor[]) => tensors.map(({ name, parts, form }) => [name, parts.join(' '), form]);
const attention = meta.attention.tensors(false);

it('stores an attention under these names, among others', () => {
  const known = [
    ['wq.weight', 'W_Q', 'linear'],
    ['wo.weight', 'W_O', 'linear'],
  ];
  expect(rows(attention)).toEqual(expect.arrayContaining(known));
});

it('stores a block under these names, among others', () => {
  const known = [
    ['attention_norm.weight', 'norm1.gain', 'vector'],
    ['attention.wk.weight', 'attention.W_K', 'linear'],
    ['feed_forward.w1.weight', 'feedForward.W_1', 'linear'],
    ['feed_forward.w3.weight', 'feedForward.W_3', 'linear'],
    ['feed_forward.w2.weight', 'feedForward.W_2', 'linear'],
  ];
  expect(rows(meta.block.tensors(attention))).toEqual(expect.arrayContaining(known));
});

it('stores a model under these names, among others', () => {
  const known = [
    ['tok_embeddings.weight', 'embedding.table', 'matrix'],
    ['output.weight', 'head.W', 'linear'],
    ['rope.freqs', '', 'vector'],
  ];
  expect(rows(modelTensors('meta', 1))).toEqual(expect.arrayContaining(known));
});
