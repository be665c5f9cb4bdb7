import { expect, it } from 'vitest';
import * as torch from '../../../../src/nn/weights/layouts/torch.js';
import type { TorchTensor } from '../../../../src/nn/weights/tensors.js';

/** Stored name, our parameters in it, form. */
const rows = (tensors: readonly TorchTensor[]) => tensors.map(({ name, parts, form }) => [name, parts.join(' '), form]);
const attention = torch.attention.tensors(false);

it('stores an attention under these names, among others', () => {
  const known = [
    ['in_proj_weight', 'W_Q W_K W_V', 'linear'],
    ['in_proj_bias', 'b_Q b_K b_V', 'vector'],
    ['out_proj.weight', 'W_O', 'linear'],
    ['bias_k', 'bias_K', 'row'],
  ];
  expect(rows(attention)).toEqual(expect.arrayContaining(known));
});

it('stores a block under these names, among others', () => {
  const known = [
    ['self_attn.out_proj.bias', 'attention.b_O', 'vector'],
    ['linear1.weight', 'feedForward.W_1', 'linear'],
    ['norm2.weight', 'norm2.gain', 'vector'],
  ];
  expect(rows(torch.block.tensors(attention))).toEqual(expect.arrayContaining(known));
});

it('has no models', () => {
  expect(Object.keys(torch)).not.toContain('model');
});
