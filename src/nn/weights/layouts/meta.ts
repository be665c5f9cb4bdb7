import { type AttentionLayout, type BlockLayout, linear, type ModelLayout, vector, within } from '../tensors.js';

// LLaMA as its authors store it: model.py of meta-llama/llama.

export const attention: AttentionLayout = {
  sign: 'wo.weight',
  tensors: () => [
    linear('wq.weight', 'W_Q', 'dModel', 'q'),
    linear('wk.weight', 'W_K', 'dModel', 'k'),
    linear('wv.weight', 'W_V', 'dModel', 'v'),
    linear('wo.weight', 'W_O', 'z', 'dModel'),
  ],
  isCausal: true,
  rotary: 'interleaved',
};

export const block: BlockLayout = {
  sign: 'attention.wo.weight',
  tensors: (attention) => [
    vector('attention_norm.weight', 'norm1.gain', 'dModel'),
    ...within('attention.', 'attention.', attention),
    vector('ffn_norm.weight', 'norm2.gain', 'dModel'),
    linear('feed_forward.w1.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
    linear('feed_forward.w3.weight', 'feedForward.W_3', 'dModel', 'dHidden'),
    linear('feed_forward.w2.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
  ],
  norm: 'rms',
  activations: ['swiglu'],
  placements: ['pre'],
};

export const model: ModelLayout = {
  sign: 'tok_embeddings.weight',
  head: 'output.weight',
  layers: 'layers',
  base: '',
  norm: 'norm',
  buffers: ['rope.freqs'],
};
