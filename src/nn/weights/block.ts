import { requireChoice, requireInteger, requireOptions } from '../../core/errors.js';
import type { StoredTensor } from '../../core/stored-tensor.js';
import type { Matrix } from '../../matrix/matrix.js';
import { ACTIVATIONS } from '../../ops/activations.js';
import { BLOCK_BIASES, biasesFrom, FEED_FORWARD_BIASES } from '../biases.js';
import type { Activation } from '../layers/feed-forward.js';
import { RMSNorm } from '../layers/norms.js';
import {
  attentionMisfits,
  attentionTensors,
  headsFromTorch,
  type MultiHeadAttentionFromTorchOptions,
  type StoredAttention,
  turnedFromTorch,
  turnedToTorch,
} from './attention.js';
import { readTensors, writeTensors } from './copy.js';
import { type Misfit, requireFit, unless } from './fit.js';
import { recognised, type Signs, writtenAs } from './names.js';
import {
  bias,
  linear,
  matrix,
  type TorchLayout,
  type TorchTensor,
  type ToTorchOptions,
  vector,
  within,
} from './tensors.js';

/** Everything else is found in the weights. Whatever is not described here is as in MultiHeadAttentionFromTorchOptions. */
export interface TransformerBlockFromTorchOptions extends Omit<MultiHeadAttentionFromTorchOptions, 'addZeroAttention'> {
  /** Default 'relu' in layout 'torch', 'gelu-tanh' in 'gpt2'; 'llama' and 'meta' are always 'swiglu'. */
  activation?: Activation;
  /** norm_first of torch is 'pre'. Default 'post' in layout 'torch'; the others are always 'pre'. */
  normPlacement?: 'pre' | 'post';
  /** Of the norms: in LLaMA's configurations rms_norm_eps. Default 1e-5. */
  epsilon?: number;
}

const OPTIONS = [
  'numHeads',
  'prefix',
  'causal',
  'window',
  'alibi',
  'softcap',
  'rope',
  'activation',
  'normPlacement',
  'epsilon',
  'dropout',
  'seed',
] as const satisfies readonly (keyof TransformerBlockFromTorchOptions)[];

/** The name by which a block's layout is recognised. */
const SIGNS: Signs<TorchLayout> = {
  torch: 'linear1.weight',
  gpt2: 'attn.c_attn.weight',
  llama: 'self_attn.o_proj.weight',
  meta: 'attention.wo.weight',
};

/** Every activation that works on single entries, the usual ones first. */
function entrywise(...usual: Activation[]): readonly Activation[] {
  return [...new Set([...usual, ...(Object.keys(ACTIVATIONS) as Activation[])])];
}

/** What a layout takes for granted; of activations and placements the usual one first. */
const STYLES: Record<
  TorchLayout,
  { norm: Norm; activations: readonly Activation[]; placements: readonly Placement[] }
> = {
  torch: { norm: 'layer', activations: /* @__PURE__ */ entrywise('relu'), placements: ['post', 'pre'] },
  gpt2: { norm: 'layer', activations: /* @__PURE__ */ entrywise('gelu-tanh', 'gelu'), placements: ['pre'] },
  llama: { norm: 'rms', activations: ['swiglu'], placements: ['pre'] },
  meta: { norm: 'rms', activations: ['swiglu'], placements: ['pre'] },
};

type Norm = 'layer' | 'rms';
type Placement = 'pre' | 'post';

/** Norms have biases all or none. */
export const normBias = (name: string, norm: string): TorchTensor => vector(name, `${norm}.bias`, 'dModel', 'normBias');

/**
 * The tensors of one block.
 *
 * https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerEncoderLayer.html; modeling_gpt2.py and
 * modeling_llama.py of huggingface/transformers; model.py of meta-llama/llama.
 */
export function blockTensors(layout: TorchLayout): TorchTensor[] {
  const attention = attentionTensors(layout);
  switch (layout) {
    case 'torch':
      return [
        ...within('self_attn.', 'attention.', attention),
        linear('linear1.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
        bias('linear1.bias', 'feedForward.b_1', 'dHidden'),
        linear('linear2.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
        bias('linear2.bias', 'feedForward.b_2', 'dModel'),
        vector('norm1.weight', 'norm1.gain', 'dModel'),
        normBias('norm1.bias', 'norm1'),
        vector('norm2.weight', 'norm2.gain', 'dModel'),
        normBias('norm2.bias', 'norm2'),
      ];
    case 'gpt2':
      return [
        vector('ln_1.weight', 'norm1.gain', 'dModel'),
        normBias('ln_1.bias', 'norm1'),
        ...within('attn.', 'attention.', attention),
        vector('ln_2.weight', 'norm2.gain', 'dModel'),
        normBias('ln_2.bias', 'norm2'),
        matrix('mlp.c_fc.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
        bias('mlp.c_fc.bias', 'feedForward.b_1', 'dHidden'),
        matrix('mlp.c_proj.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
        bias('mlp.c_proj.bias', 'feedForward.b_2', 'dModel'),
      ];
    case 'llama':
      return [
        vector('input_layernorm.weight', 'norm1.gain', 'dModel'),
        ...within('self_attn.', 'attention.', attention),
        vector('post_attention_layernorm.weight', 'norm2.gain', 'dModel'),
        linear('mlp.gate_proj.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
        linear('mlp.up_proj.weight', 'feedForward.W_3', 'dModel', 'dHidden'),
        linear('mlp.down_proj.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
        bias('mlp.gate_proj.bias', 'feedForward.b_1', 'dHidden'),
        bias('mlp.up_proj.bias', 'feedForward.b_3', 'dHidden'),
        bias('mlp.down_proj.bias', 'feedForward.b_2', 'dModel'),
      ];
    case 'meta':
      return [
        vector('attention_norm.weight', 'norm1.gain', 'dModel'),
        ...within('attention.', 'attention.', attention),
        vector('ffn_norm.weight', 'norm2.gain', 'dModel'),
        linear('feed_forward.w1.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
        linear('feed_forward.w3.weight', 'feedForward.W_3', 'dModel', 'dHidden'),
        linear('feed_forward.w2.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
      ];
  }
}

/** What `new TransformerBlock` and `loadStateDict` have to be given. */
export function blockFromTorch(
  where: string,
  stored: ReadonlyMap<string, StoredTensor>,
  options: TransformerBlockFromTorchOptions,
) {
  requireOptions(where, options, OPTIONS, 'required');
  const { prefix, causal, rope, numHeads, activation, normPlacement, ...rest } = options;
  requireInteger(where, 'numHeads', numHeads, 1);
  const { given, layout, tensors } = recognised(where, stored, prefix, SIGNS, blockTensors);
  const style = styleOf(where, layout, { activation, normPlacement });
  const { state, sizes } = readTensors(where, tensors, given);
  const heads = headsFromTorch(where, layout, sizes, numHeads);
  return {
    options: {
      ...rest,
      ...style,
      ...heads,
      dHidden: sizes.get('dHidden') as number,
      ...blockBiases(state),
      causal: causal === undefined ? layout !== 'torch' : causal,
      rope: turnedFromTorch(where, layout, rope, heads, state),
    },
    state,
  };
}

/** norm, activation and normPlacement of a layout, where it leaves a choice as asked for. */
export function styleOf(
  where: string,
  layout: TorchLayout,
  asked: { activation?: Activation; normPlacement?: Placement },
) {
  const { norm, activations, placements } = STYLES[layout];
  const { activation = activations[0], normPlacement = placements[0] } = asked;
  requireChoice(where, `activation in layout '${layout}'`, activation, activations);
  requireChoice(where, `normPlacement in layout '${layout}'`, normPlacement, placements);
  return { norm, activation, normPlacement };
}

/** The options of the biases that there are. @param path  of the block in the state */
export function blockBiases(state: ReadonlyMap<string, StoredTensor>, path = '') {
  const has = (name: string) => state.has(`${path}attention.${name}`) || state.has(`${path}feedForward.${name}`);
  return { bias: biasesFrom(BLOCK_BIASES, has), normBias: state.has(`${path}norm1.bias`) };
}

/** What blockToTorch has to know of a block. */
export interface StoredBlock {
  readonly attention: StoredAttention;
  readonly feedForward: { readonly activation: Activation } & {
    readonly [name in (typeof FEED_FORWARD_BIASES)[number]]?: Matrix;
  };
  readonly norm1: object;
  readonly normPlacement: Placement;
  namedParameters(): Map<string, Matrix>;
}

/** The tensors of a block; its default layout is 'torch'. */
export function blockToTorch(where: string, block: StoredBlock, options: ToTorchOptions): Map<string, StoredTensor> {
  const { layout, prefix } = writtenAs(where, options, SIGNS, 'torch');
  requireFit(where, SIGNS, layout, (other) => blockMisfits(other, block));
  const parameters = turnedToTorch(layout, block.attention, block.namedParameters());
  return writeTensors(where, layout, blockTensors(layout), parameters, prefix);
}

/** The options of a block that a layout has no place for, or would read as another function. */
export function blockMisfits(layout: TorchLayout, block: StoredBlock): Misfit[] {
  const { attention, feedForward, normPlacement } = block;
  const { norm, activations, placements } = STYLES[layout];
  const { activation } = feedForward;
  const own = block.norm1 instanceof RMSNorm ? 'rms' : 'layer';
  const biases = FEED_FORWARD_BIASES.filter((name) => feedForward[name] !== undefined);
  const quoted = (choices: readonly string[]) => choices.map((choice) => `'${choice}'`).join(' or ');
  return [
    ...unless(activations.includes(activation), 'activation', quoted(activations), quoted([activation])),
    ...unless(own === norm, 'norm', quoted([norm]), quoted([own])),
    ...unless(placements.includes(normPlacement), 'normPlacement', quoted(placements), quoted([normPlacement])),
    ...attentionMisfits(layout, attention, biases),
  ];
}
