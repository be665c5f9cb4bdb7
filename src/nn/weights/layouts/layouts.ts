// nn/weights/layouts: one file per library with all that is known of its checkpoints, and lists of them. A layout is only
// data; nn/weights works with it.

import type { AttentionLayout, BlockLayout, ModelLayout } from '../tensors.js';
import * as gpt2 from './gpt2.js';
import * as llama from './llama.js';
import * as meta from './meta.js';
import * as torch from './torch.js';

// Three lists, so that a bundle with an attention alone does not hold the names of whole models.

export const ATTENTIONS = {
  torch: torch.attention,
  gpt2: gpt2.attention,
  llama: llama.attention,
  meta: meta.attention,
} satisfies Record<string, AttentionLayout>;

export const BLOCKS: Readonly<Record<TorchLayout, BlockLayout>> = {
  torch: torch.block,
  gpt2: gpt2.block,
  llama: llama.block,
  meta: meta.block,
};

export const MODELS = { gpt2: gpt2.model, llama: llama.model, meta: meta.model } satisfies Record<string, ModelLayout>;

/**
 * The names and shapes of a library: 'torch' those of nn.MultiheadAttention and nn.TransformerEncoderLayer, 'gpt2' and 'llama'
 * those of Hugging Face's models of that name, 'meta' those of LLaMA as its authors store it.
 */
export type TorchLayout = keyof typeof ATTENTIONS;

/** The layouts of whole language models. */
export type CausalLMLayout = keyof typeof MODELS;

export interface ToTorchOptions {
  /** Default: see the method. */
  layout?: TorchLayout;
  /** Put before every name, as in 'layers.0.self_attn.'. Default ''. */
  prefix?: string;
}
