import {
  type AttentionLayout,
  type BlockLayout,
  bias,
  buffer,
  linear,
  type ModelLayout,
  vector,
  within,
} from '../tensors.js';

// LLaMA and its kin as Hugging Face stores them: modeling_llama.py of huggingface/transformers.

export const attention: AttentionLayout = {
  sign: 'o_proj.weight',
  tensors: () => [
    linear('q_proj.weight', 'W_Q', 'dModel', 'q'),
    linear('k_proj.weight', 'W_K', 'dModel', 'k'),
    linear('v_proj.weight', 'W_V', 'dModel', 'v'),
    linear('o_proj.weight', 'W_O', 'z', 'dModel'),
    bias('q_proj.bias', 'b_Q', 'q'), // Qwen2 has these three
    bias('k_proj.bias', 'b_K', 'k'),
    bias('v_proj.bias', 'b_V', 'v'),
    bias('o_proj.bias', 'b_O', 'dModel'),
    buffer('rotary_emb.inv_freq'),
  ],
  isCausal: true,
  hasBiases: true,
  rotary: 'half-split',
};

export const block: BlockLayout = {
  sign: 'self_attn.o_proj.weight',
  tensors: (attention) => [
    vector('input_layernorm.weight', 'norm1.gain', 'dModel'),
    ...within('self_attn.', 'attention.', attention),
    vector('post_attention_layernorm.weight', 'norm2.gain', 'dModel'),
    linear('mlp.gate_proj.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
    linear('mlp.up_proj.weight', 'feedForward.W_3', 'dModel', 'dHidden'),
    linear('mlp.down_proj.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
    bias('mlp.gate_proj.bias', 'feedForward.b_1', 'dHidden'),
    bias('mlp.up_proj.bias', 'feedForward.b_3', 'dHidden'),
    bias('mlp.down_proj.bias', 'feedForward.b_2', 'dModel'),
  ],
  norm: 'rms',
  activations: ['swiglu'],
  placements: ['pre'],
};

export const model: ModelLayout = {
  sign: 'embed_tokens.weight',
  head: 'lm_head.weight',
  layers: 'layers',
  base: 'model.',
  norm: 'norm',
  buffers: ['rotary_emb.inv_freq'],
};
