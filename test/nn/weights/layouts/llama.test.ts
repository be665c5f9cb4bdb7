import { expect, it } from 'vitest';
import { modelTensors } from '../../../../src/nn/weights/causal-lm.js';
import * as llama from '../../../../src/nn/weights/layouts/llama.js';
import type { TorchTensor } from '../../../../src/nn/weights/tensors.js';

/** Stored name, our parameters in it, form. */
const rows = (tensors: readonly TorchTensor[]) => tensors.map(({ name, parts, form }) => [name, parts.join(' '), form]);
const attention = llama.attention.tensors(false);

it('stores an attention under these names, among others', () => {
  const known = [
    ['q_proj.weight', 'W_Q', 'linear'],
    ['v_proj.bias', 'b_V', 'vector'],
    ['rotary_emb.inv_freq', '', 'vector'],
  ];
  expect(rows(attention)).toEqual(expect.arrayContaining(known));
});

it('stores a block under these names, among others', () => {
  const known = [
    ['input_layernorm.weight', 'norm1.gain', 'vector'],
    ['self_attn.o_proj.weight', 'attention.W_O', 'linear'],
    ['mlp.gate_proj.weight', 'feedForward.W_1', 'linear'],
    ['mlp.up_proj.weight', 'feedForward.W_3', 'linear'],
    ['mlp.down_proj.weight', 'feedForward.W_2', 'linear'],
  ];
  expect(rows(llama.block.tensors(attention))).toEqual(expect.arrayContaining(known));
});

it('stores a model under these names, among others', () => {
  const known = [
    ['embed_tokens.weight', 'embedding.table', 'matrix'],
    ['norm.weight', 'norm.gain', 'vector'],
    ['lm_head.weight', 'head.W', 'linear'],
  ];
  expect(rows(modelTensors('llama', 1))).toEqual(expect.arrayContaining(known));
});
