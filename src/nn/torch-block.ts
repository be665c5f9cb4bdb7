import { requireChoice, requireInteger, requireOptions, shapeError } from '../core/errors.js';
import type { StoredTensor } from '../core/stored-tensor.js';
import type { Matrix } from '../matrix.js';
import type { Activation } from './feed-forward.js';
import {
  attentionTensors,
  headsFromTorch,
  type MultiHeadAttentionFromTorchOptions,
  type TurnedAttention,
  turnedFromTorch,
  turnedToTorch,
} from './torch-attention.js';
import {
  layoutOf,
  linear,
  matrix,
  readTensors,
  type TorchLayout,
  type TorchTensor,
  type ToTorchOptions,
  tensorsUnder,
  vector,
  within,
  writeTensors,
  writtenAs,
} from './torch-tensors.js';

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
const SIGNS: Record<TorchLayout, string> = {
  torch: 'linear1.weight',
  gpt2: 'attn.c_attn.weight',
  llama: 'self_attn.o_proj.weight',
  meta: 'attention.wo.weight',
};

/** What a layout takes for granted; of activations and placements the usual one first. */
const STYLES: Record<
  TorchLayout,
  { norm: Norm; activations: readonly Activation[]; placements: readonly Placement[] }
> = {
  torch: { norm: 'layer', activations: ['relu', 'gelu', 'gelu-tanh', 'silu'], placements: ['post', 'pre'] },
  gpt2: { norm: 'layer', activations: ['gelu-tanh', 'gelu', 'relu', 'silu'], placements: ['pre'] },
  llama: { norm: 'rms', activations: ['swiglu'], placements: ['pre'] },
  meta: { norm: 'rms', activations: ['swiglu'], placements: ['pre'] },
};

type Norm = 'layer' | 'rms';
type Placement = 'pre' | 'post';

/**
 * The tensors of one block.
 *
 * https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerEncoderLayer.html; modeling_gpt2.py and
 * modeling_llama.py of huggingface/transformers; model.py of meta-llama/llama.
 */
export function blockTensors(layout: TorchLayout): TorchTensor[] {
  const attention = attentionTensors(layout);
  switch (layout) {
    case 'torch': // with the biases of the norms, which ours always have, or without any
      return [
        ...within('self_attn.', 'attention.', attention).map((t) => ({ ...t, optional: t.group === 'bias' })),
        linear('linear1.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
        vector('linear1.bias', 'feedForward.b_1', 'dHidden', 'bias', true),
        linear('linear2.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
        vector('linear2.bias', 'feedForward.b_2', 'dModel', 'bias', true),
        vector('norm1.weight', 'norm1.gain', 'dModel'),
        vector('norm1.bias', 'norm1.bias', 'dModel', 'bias'),
        vector('norm2.weight', 'norm2.gain', 'dModel'),
        vector('norm2.bias', 'norm2.bias', 'dModel', 'bias'),
      ];
    case 'gpt2':
      return [
        vector('ln_1.weight', 'norm1.gain', 'dModel'),
        vector('ln_1.bias', 'norm1.bias', 'dModel'),
        ...within('attn.', 'attention.', attention),
        vector('ln_2.weight', 'norm2.gain', 'dModel'),
        vector('ln_2.bias', 'norm2.bias', 'dModel'),
        matrix('mlp.c_fc.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
        vector('mlp.c_fc.bias', 'feedForward.b_1', 'dHidden', undefined, true),
        matrix('mlp.c_proj.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
        vector('mlp.c_proj.bias', 'feedForward.b_2', 'dModel', undefined, true),
      ];
    case 'llama':
      return [
        vector('input_layernorm.weight', 'norm1.gain', 'dModel'),
        ...within('self_attn.', 'attention.', attention),
        vector('post_attention_layernorm.weight', 'norm2.gain', 'dModel'),
        linear('mlp.gate_proj.weight', 'feedForward.W_1', 'dModel', 'dHidden'),
        linear('mlp.up_proj.weight', 'feedForward.W_3', 'dModel', 'dHidden'),
        linear('mlp.down_proj.weight', 'feedForward.W_2', 'dHidden', 'dModel'),
        vector('mlp.gate_proj.bias', 'feedForward.b_1', 'dHidden', 'bias', true),
        vector('mlp.up_proj.bias', 'feedForward.b_3', 'dHidden', 'bias', true),
        vector('mlp.down_proj.bias', 'feedForward.b_2', 'dModel', 'bias', true),
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
  const given = tensorsUnder(where, stored, prefix);
  const layout = layoutOf(where, SIGNS, given.keys());
  const style = styleOf(where, layout, { activation, normPlacement });
  const { state, sizes } = readTensors(where, blockTensors(layout), given);
  for (const name of style.norm === 'layer' ? ['norm1', 'norm2'] : []) addZeroBias(state, name);
  const heads = headsFromTorch(where, layout, sizes, numHeads);
  return {
    options: {
      ...rest,
      ...style,
      ...heads,
      dHidden: sizes.get('dHidden') as number,
      bias: state.has('attention.b_Q'),
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

/** nn.LayerNorm(bias=False) stores none. */
function addZeroBias(state: Map<string, StoredTensor>, norm: string): void {
  const { shape = [] } = state.get(`${norm}.gain`) ?? {};
  if (!state.has(`${norm}.bias`)) state.set(`${norm}.bias`, { dtype: 'F32', shape, data: new Float32Array(shape[1]) });
}

/** What blockToTorch has to know of a block. */
export interface StoredBlock {
  readonly attention: TurnedAttention;
  readonly feedForward: { readonly activation: Activation };
  readonly normPlacement: Placement;
  namedParameters(): Map<string, Matrix>;
}

/** The tensors of a block; its default layout is 'torch'. */
export function blockToTorch(where: string, block: StoredBlock, options: ToTorchOptions): Map<string, StoredTensor> {
  const { layout, prefix } = writtenAs(where, options, SIGNS, 'torch');
  requireStyle(where, layout, block);
  const parameters = new Map(turnedToTorch(layout, block.attention, block.namedParameters()));
  const normBiases = ['norm1.bias', 'norm2.bias'];
  const isPlain = !parameters.has('attention.b_Q') && normBiases.every((name) => isZero(parameters.get(name)));
  if (layout === 'torch' && isPlain) for (const name of normBiases) parameters.delete(name); // bias=False has none
  return writeTensors(where, layout, blockTensors(layout), parameters, prefix);
}

/** A layout of other norms, or another order, would be read as another function. */
export function requireStyle(where: string, layout: TorchLayout, block: StoredBlock): void {
  const { normPlacement, feedForward } = block;
  const { norm } = styleOf(where, layout, { activation: feedForward.activation, normPlacement });
  const own = block.namedParameters().has('norm1.bias') ? 'layer' : 'rms';
  if (own !== norm) throw shapeError(where, `norm must be '${norm}' in layout '${layout}'`, `got '${own}'`);
}

function isZero(m: Matrix | undefined): boolean {
  return m?.data.every((value) => Object.is(value, 0)) ?? true;
}
