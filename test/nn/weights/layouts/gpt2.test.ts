import { expect, it } from 'vitest';
import { modelTensors } from '../../../../src/nn/weights/causal-lm.js';
import * as gpt2 from '../../../../src/nn/weights/layouts/gpt2.js';
import type { TorchTensor } from '../../../../src/nn/weights/tensors.js';

/** Stored name, our parameters in it, form. */
const rows = (tensors: readonly TorchTensor[]) => tensors.map(({ name, parts, form }) => [name, parts.join(' '), form]);
const attention = gpt2.attention.tensors(false);

it('stores an attention under these names, among others', () => {
  const known = [
    ['c_attn.weight', 'W_Q W_K W_V', 'matrix'],
    ['c_proj.bias', 'b_O', 'vector'],
    ['masked_bias', '', 'vector'],
  ];
  expect(rows(attention)).toEqual(expect.arrayContaining(known));
});

it('stores a block under these names, among others', () => {
  const known = [
    ['ln_1.weight', 'norm1.gain', 'vector'],
    ['attn.c_proj.weight', 'attention.W_O', 'matrix'],
    ['mlp.c_fc.weight', 'feedForward.W_1', 'matrix'],
    ['mlp.c_proj.bias', 'feedForward.b_2', 'vector'],
  ];
  expect(rows(gpt2.block.tensors(attention))).toEqual(expect.arrayContaining(known));
});

it('stores a model under these names, among others', () => {
  const known = [
    ['wte.weight', 'embedding.table', 'matrix'],
    ['wpe.weight', 'learnedPositions.table', 'matrix'],
    ['ln_f.bias', 'norm.bias', 'vector'],
    ['lm_head.weight', 'head.W', 'linear'],
  ];
  expect(rows(modelTensors('gpt2', 1))).toEqual(expect.arrayContaining(known));
});
