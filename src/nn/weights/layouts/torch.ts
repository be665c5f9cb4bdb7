import { type AttentionLayout, type BlockLayout, bias, linear, normBias, vector, within } from '../tensors.js';

// PyTorch's own layers; it has no whole models.
//
// https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html and torch.nn.TransformerEncoderLayer.html

export const attention: AttentionLayout = {
  sign: 'out_proj.weight',
  tensors: (isSeparate) => [
    ...(isSeparate
      ? [
          linear('q_proj_weight', 'W_Q', 'dModel', 'dModel'),
          linear('k_proj_weight', 'W_K', 'kDim', 'dModel'),
          linear('v_proj_weight', 'W_V', 'vDim', 'dModel'),
        ]
      : [linear('in_proj_weight', 'W_Q W_K W_V', 'dModel', 'dModel')]),
    bias('in_proj_bias', 'b_Q b_K b_V', 'dModel'),
    linear('out_proj.weight', 'W_O', 'dModel', 'dModel'),
    bias('out_proj.bias', 'b_O', 'dModel'),
    { ...vector('bias_k', 'bias_K', 'dModel', 'extra key'), form: 'row' },
    { ...vector('bias_v', 'bias_V', 'dModel', 'extra key'), form: 'row' },
  ],
  isStacked: true,
  hasBiases: true,
  hasContext: true,
};

export const block: BlockLayout = {
  sign: 'linear1.weight',
  tensors: (attention) => [
    ...within('self_attn.', 'attention.', attention),
    linear('linear1.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
    bias('linear1.bias', 'feedForward.b_1', 'dHidden'),
    linear('linear2.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
    bias('linear2.bias', 'feedForward.b_2', 'dModel'),
    vector('norm1.weight', 'norm1.gain', 'dModel'),
    normBias('norm1.bias', 'norm1'),
    vector('norm2.weight', 'norm2.gain', 'dModel'),
    normBias('norm2.bias', 'norm2'),
  ],
  norm: 'layer',
  activations: ['relu'],
  hasAllActivations: true,
  placements: ['post', 'pre'],
};
