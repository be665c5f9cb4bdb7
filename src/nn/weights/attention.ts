import { requireInteger, requireOptions, shapeError } from '../../core/errors.js';
import type { StoredTensor } from '../../core/stored-tensor.js';
import { Matrix } from '../../matrix/matrix.js';
import { type RopeOptions, ropeOption } from '../../ops/rotary.js';
import type { HeadShape } from '../attention/heads.js';
import type { MultiHeadAttentionOptions } from '../attention/multi-head-options.js';
import { ATTENTION_BIASES, biasesFrom } from '../biases.js';
import { readTensors, type Sizes, writeTensors } from './copy.js';
import { type Misfit, requireFit, unless } from './fit.js';
import { recognised, type Signs, writtenAs } from './names.js';
import { permuteRotary, type RotaryLayout } from './permute-rotary.js';
import {
  bias,
  buffer,
  linear,
  matrix,
  type TorchLayout,
  type TorchTensor,
  type ToTorchOptions,
  vector,
} from './tensors.js';

/** Everything else is found in the weights: widths, biases, heads of K and V, extra keys. */
export interface MultiHeadAttentionFromTorchOptions
  extends Pick<
    MultiHeadAttentionOptions,
    'numHeads' | 'window' | 'alibi' | 'softcap' | 'addZeroAttention' | 'dropout' | 'seed'
  > {
  /** What stands before every name, as 'layers.0.self_attn.'; other names are left aside. Default ''. */
  prefix?: string;
  /** Default true, but false in layout 'torch'. */
  causal?: MultiHeadAttentionOptions['causal'];
  /**
   * Default true in 'llama' (half-split) and 'meta' (interleaved), else false. Asked for the other way, weights are
   * permuted, and the layer gives the same.
   */
  rope?: boolean | RopeOptions;
}

const OPTIONS = [
  'numHeads',
  'prefix',
  'causal',
  'window',
  'alibi',
  'softcap',
  'rope',
  'addZeroAttention',
  'dropout',
  'seed',
] as const satisfies readonly (keyof MultiHeadAttentionFromTorchOptions)[];

/** The name by which an attention's layout is recognised. */
const SIGNS: Signs<TorchLayout> = {
  torch: 'out_proj.weight',
  gpt2: 'c_attn.weight',
  llama: 'o_proj.weight',
  meta: 'wo.weight',
};

/** Which columns of Q and K turn together, where the layout says. */
const ROTARY: { readonly [Layout in TorchLayout]?: RotaryLayout } = { llama: 'half-split', meta: 'interleaved' };

/**
 * The tensors of one attention.
 *
 * https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html; modeling_gpt2.py and modeling_llama.py
 * of huggingface/transformers; model.py of meta-llama/llama.
 *
 * @param isSeparate  torch's three matrices instead of one, which it has where kDim or vDim is not dModel
 */
export function attentionTensors(layout: TorchLayout, isSeparate = false): TorchTensor[] {
  switch (layout) {
    case 'torch':
      return [
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
      ];
    case 'gpt2':
      return [
        matrix('c_attn.weight', 'W_Q W_K W_V', 'dModel', 'dModel'),
        bias('c_attn.bias', 'b_Q b_K b_V', 'dModel'),
        matrix('c_proj.weight', 'W_O', 'dModel', 'dModel'),
        bias('c_proj.bias', 'b_O', 'dModel'),
        buffer('bias'), // the causal mask
        buffer('masked_bias'),
      ];
    case 'llama':
      return [
        linear('q_proj.weight', 'W_Q', 'dModel', 'q'),
        linear('k_proj.weight', 'W_K', 'dModel', 'k'),
        linear('v_proj.weight', 'W_V', 'dModel', 'v'),
        linear('o_proj.weight', 'W_O', 'z', 'dModel'),
        bias('q_proj.bias', 'b_Q', 'q'), // Qwen2 has these three
        bias('k_proj.bias', 'b_K', 'k'),
        bias('v_proj.bias', 'b_V', 'v'),
        bias('o_proj.bias', 'b_O', 'dModel'),
        buffer('rotary_emb.inv_freq'),
      ];
    case 'meta':
      return [
        linear('wq.weight', 'W_Q', 'dModel', 'q'),
        linear('wk.weight', 'W_K', 'dModel', 'k'),
        linear('wv.weight', 'W_V', 'dModel', 'v'),
        linear('wo.weight', 'W_O', 'z', 'dModel'),
      ];
  }
}

/** What `new MultiHeadAttention` and `loadStateDict` have to be given. */
export function attentionFromTorch(
  where: string,
  stored: ReadonlyMap<string, StoredTensor>,
  options: MultiHeadAttentionFromTorchOptions,
): { options: MultiHeadAttentionOptions; state: Map<string, StoredTensor> } {
  requireOptions(where, options, OPTIONS, 'required');
  const { prefix, causal, rope, numHeads, ...rest } = options;
  requireInteger(where, 'numHeads', numHeads, 1);
  const { given, layout, tensors } = recognised(where, stored, prefix, SIGNS, (found, names) =>
    attentionTensors(found, names.has('q_proj_weight')),
  );
  const { state, sizes } = readTensors(where, tensors, given);
  const heads = headsFromTorch(where, layout, sizes, numHeads);
  const size = (name: string) => sizes.get(name) ?? heads.dModel;
  return {
    options: {
      ...rest,
      ...heads,
      kDim: size('kDim'),
      vDim: size('vDim'),
      bias: biasesFrom(ATTENTION_BIASES, (name) => state.has(name)),
      addBiasKeyValue: state.has('bias_K'),
      causal: causal === undefined ? layout !== 'torch' : causal,
      rope: turnedFromTorch(where, layout, rope, heads, state),
    },
    state,
  };
}

/** What attentionToTorch has to know of an attention. */
export interface StoredAttention extends TurnedAttention, Partial<Record<(typeof ATTENTION_BIASES)[number], Matrix>> {
  readonly dModel: number;
  readonly kDim: number;
  readonly vDim: number;
  readonly sinks?: Matrix;
  readonly bias_K?: Matrix;
  namedParameters(): Map<string, Matrix>;
}

/** The tensors of an attention; its default layout is 'torch'. */
export function attentionToTorch(
  where: string,
  attention: StoredAttention,
  options: ToTorchOptions,
): Map<string, StoredTensor> {
  const { layout, prefix } = writtenAs(where, options, SIGNS, 'torch');
  requireFit(where, SIGNS, layout, (other) => attentionMisfits(other, attention));
  const parameters = turnedToTorch(layout, attention, attention.namedParameters());
  const isSeparate = attention.kDim !== attention.dModel || attention.vDim !== attention.dModel;
  return writeTensors(where, layout, attentionTensors(layout, isSeparate), parameters, prefix);
}

/** The options of an attention that a layout has no place for. @param feedForward  biases beside those of the attention */
export function attentionMisfits(
  layout: TorchLayout,
  attention: StoredAttention,
  feedForward: readonly string[] = [],
): Misfit[] {
  const { dModel, kDim, vDim, sinks, bias_K, heads } = attention;
  const { numHeads, numKvHeads, dK, dV } = heads;
  const own = ATTENTION_BIASES.filter((name) => attention[name] !== undefined);
  const biases = [...own, ...feedForward];
  const withoutO = own.filter((name) => name !== 'b_O');
  const isStacked = layout === 'torch' || layout === 'gpt2'; // Q, K and V in one matrix, as wide as dModel each
  const width = `dModel / numHeads = ${dModel} / ${numHeads}`;
  return [
    ...unless(!isStacked || dModel % numHeads === 0, 'numHeads', `a divisor of dModel = ${dModel}`, numHeads),
    ...unless(!isStacked || numKvHeads === numHeads, 'numKvHeads', `numHeads = ${numHeads}`, numKvHeads),
    ...unless(!isStacked || dK * numHeads === dModel, 'dK', width, dK),
    ...unless(!isStacked || dV * numHeads === dModel, 'dV', width, dV),
    ...unless(!isStacked || withoutO.length % 3 === 0, 'bias', 'the same for b_Q, b_K and b_V', own.join(', ')),
    ...unless(layout !== 'meta' || biases.length === 0, 'bias', false, biases.join(', ')),
    ...unless(layout === 'torch' || kDim === dModel, 'kDim', `dModel = ${dModel}`, kDim),
    ...unless(layout === 'torch' || vDim === dModel, 'vDim', `dModel = ${dModel}`, vDim),
    ...unless(layout === 'torch' || bias_K === undefined, 'addBiasKeyValue', false, true),
    ...unless(sinks === undefined, 'sinks', false, true),
  ];
}

/** The heads that the sizes of a layout's matrices leave. */
export function headsFromTorch(where: string, layout: TorchLayout, sizes: Sizes, numHeads: number) {
  const dModel = sizes.get('dModel') as number;
  const [q, k, v, z] = ['q', 'k', 'v', 'z'].map((name) => sizes.get(name) ?? dModel);
  if (q % numHeads !== 0) {
    throw shapeError(where, 'outputs of Q must be divisible by numHeads', `${q} is not divisible by ${numHeads}`);
  }
  const dK = q / numHeads;
  const numKvHeads = k / dK;
  const dV = v / numKvHeads;
  if (Number.isInteger(numKvHeads) && Number.isInteger(dV) && z === numHeads * dV) {
    return { dModel, numHeads, numKvHeads, dK, dV };
  }
  const rule = `Q, K, V and the inputs of O must have whole heads of ${dK} columns of Q and K`;
  throw shapeError(where, rule, `they have ${q}, ${k}, ${v} and ${z} in layout '${layout}'`, 'is numHeads right?');
}

/** `rope` of a layer of that layout; where it is asked for the other way, the columns of Q and K in `state` are moved. */
export function turnedFromTorch(
  where: string,
  layout: TorchLayout,
  rope: boolean | RopeOptions | undefined,
  heads: HeadShape,
  state: Map<string, StoredTensor>,
): RopeOptions | false {
  const from = ROTARY[layout];
  const turned = ropeOption(where, rope === undefined ? from !== undefined : rope, heads.dK);
  if (turned === undefined || from === undefined) return turned ?? false;
  const asked = typeof rope === 'object' ? rope.interleaved : undefined;
  const interleaved = asked ?? from === 'interleaved';
  const turn = turning(heads, from, interleaved ? 'interleaved' : 'half-split', turned.dim);
  for (const [name, { dtype, shape, data }] of state) {
    const moved = turn(name, new Matrix(shape[0], shape[1], data as Float32Array));
    state.set(name, { dtype, shape, data: moved.data });
  }
  return { ...turned, interleaved };
}

/** A layer's parameters with the columns of Q and K where the layout has them. */
export function turnedToTorch(
  layout: TorchLayout,
  { rope, heads }: TurnedAttention,
  parameters: ReadonlyMap<string, Matrix>,
): ReadonlyMap<string, Matrix> {
  const to = ROTARY[layout];
  if (rope === undefined || to === undefined) return parameters;
  const turn = turning(heads, rope.interleaved ? 'interleaved' : 'half-split', to, rope.dim);
  return new Map([...parameters].map(([name, parameter]) => [name, turn(name, parameter)]));
}

/** What turnedToTorch has to know of an attention. */
export interface TurnedAttention {
  readonly rope?: Required<RopeOptions>;
  readonly heads: HeadShape;
}

function turning({ numHeads, numKvHeads }: HeadShape, from: RotaryLayout, to: RotaryLayout, dim: number) {
  return (name: string, m: Matrix): Matrix => {
    const role = /\b[Wb]_([QK])$/.exec(name)?.[1];
    if (role === undefined || from === to) return m;
    return permuteRotary(m, { numHeads: role === 'Q' ? numHeads : numKvHeads, from, to, dim });
  };
}
