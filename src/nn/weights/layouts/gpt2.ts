import {
  type AttentionLayout,
  type BlockLayout,
  bias,
  buffer,
  type ModelLayout,
  matrix,
  normBias,
  vector,
  within,
} from '../tensors.js';

// GPT-2 as Hugging Face stores it: modeling_gpt2.py of huggingface/transformers.

export const attention: AttentionLayout = {
  sign: 'c_attn.weight',
  tensors: () => [
    matrix('c_attn.weight', 'W_Q W_K W_V', 'dModel', 'dModel'),
    bias('c_attn.bias', 'b_Q b_K b_V', 'dModel'),
    matrix('c_proj.weight', 'W_O', 'dModel', 'dModel'),
    bias('c_proj.bias', 'b_O', 'dModel'),
    buffer('bias'), // the causal mask
    buffer('masked_bias'),
  ],
  isCausal: true,
  isStacked: true,
  hasBiases: true,
};

export const block: BlockLayout = {
  sign: 'attn.c_attn.weight',
  tensors: (attention) => [
    vector('ln_1.weight', 'norm1.gain', 'dModel'),
    normBias('ln_1.bias', 'norm1'),
    ...within('attn.', 'attention.', attention),
    vector('ln_2.weight', 'norm2.gain', 'dModel'),
    normBias('ln_2.bias', 'norm2'),
    matrix('mlp.c_fc.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
    bias('mlp.c_fc.bias', 'feedForward.b_1', 'dHidden'),
    matrix('mlp.c_proj.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
    bias('mlp.c_proj.bias', 'feedForward.b_2', 'dModel'),
  ],
  norm: 'layer',
  activations: ['gelu-tanh', 'gelu'],
  hasAllActivations: true,
  placements: ['pre'],
};

export const model: ModelLayout = {
  sign: 'wte.weight',
  positions: 'wpe.weight',
  head: 'lm_head.weight',
  layers: 'h',
  base: 'transformer.',
  norm: 'ln_f',
};
