import { requireInteger, shapeError } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import type { StoredTensor } from '../../core/stored-tensor.js';
import { Matrix } from '../../matrix/matrix.js';
import { LAYER_OPTIONS, type LayerOption } from '../../ops/attention/options.js';
import { type RopeOptions, ropeOption } from '../../ops/rotary.js';
import type { HeadShape } from '../attention/heads.js';
import type { MultiHeadAttentionOptions } from '../attention/multi-head-options.js';
import { ATTENTION_BIASES, biasesFrom } from '../biases.js';
import { readTensors, type Sizes, writeTensors } from './copy.js';
import { type Misfit, requireFit, unless } from './fit.js';
import { ATTENTIONS, type TorchLayout, type ToTorchOptions } from './layouts/layouts.js';
import { recognized, type Signs, signsOf, writtenAs } from './names.js';
import { permuteRotary, type RotaryLayout } from './permute-rotary.js';
import type { AttentionLayout, TorchTensor } from './tensors.js';

/** Everything else follows from the weights: widths, biases, heads of K and V, extra keys. */
export interface MultiHeadAttentionFromTorchOptions
  extends Pick<
    MultiHeadAttentionOptions,
    'numHeads' | Exclude<LayerOption, 'causal'> | 'addZeroAttention' | 'dropout' | 'seed'
  > {
  /** What precedes every name, as in 'layers.0.self_attn.'; names without it are ignored. Default ''. */
  prefix?: string;
  /** Default false in layout 'torch', else true. */
  causal?: MultiHeadAttentionOptions['causal'];
  /**
   * Default true in 'llama' (half-split) and 'meta' (interleaved), else false. If you ask for the other pairing, the weights
   * are permuted so that the layer gives the same results.
   */
  rope?: boolean | RopeOptions;
}

const OPTIONS = /* @__PURE__ */ (() =>
  [
    'numHeads',
    'prefix',
    ...LAYER_OPTIONS,
    'rope',
    'addZeroAttention',
    'dropout',
    'seed',
  ] as const satisfies readonly (keyof MultiHeadAttentionFromTorchOptions)[])();

const SIGNS: Signs<TorchLayout> = /* @__PURE__ */ signsOf(ATTENTIONS);

/** The tensors of one attention. @param isSeparate  see AttentionLayout */
export function attentionTensors(layout: TorchLayout, isSeparate = false): TorchTensor[] {
  return ATTENTIONS[layout].tensors(isSeparate);
}

/** The arguments for `new MultiHeadAttention` and its `loadStateDict`. */
export function attentionFromTorch(
  where: string,
  stored: ReadonlyMap<string, StoredTensor>,
  options: MultiHeadAttentionFromTorchOptions,
): { options: MultiHeadAttentionOptions; state: Map<string, StoredTensor> } {
  requireOptions(where, options, OPTIONS, { isRequired: true });
  const { prefix, causal, rope, numHeads, ...rest } = options;
  requireInteger(where, 'numHeads', numHeads, 1);
  const { named, layout, tensors } = recognized(where, stored, prefix, SIGNS, (found, names) =>
    attentionTensors(found, names.has('q_proj_weight')),
  );
  const { state, sizes } = readTensors(where, tensors, named);
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
      causal: causal === undefined ? (ATTENTIONS[layout].isCausal ?? false) : causal,
      rope: ropeFromTorch(where, layout, rope, heads, state),
    },
    state,
  };
}

/** What attentionToTorch reads of an attention. */
export interface StoredAttention extends RotaryAttention, Partial<Record<(typeof ATTENTION_BIASES)[number], Matrix>> {
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
  const parameters = rotatedToTorch(layout, attention, attention.namedParameters());
  const isSeparate = attention.kDim !== attention.dModel || attention.vDim !== attention.dModel;
  return writeTensors(where, layout, attentionTensors(layout, isSeparate), parameters, prefix);
}

/** The options of an attention that a layout cannot store. @param blockBiases  other biases of its block */
export function attentionMisfits(
  layout: TorchLayout,
  attention: StoredAttention,
  blockBiases: readonly string[] = [],
): Misfit[] {
  const { dModel, kDim, vDim, sinks, bias_K, heads } = attention;
  const { numHeads, numKvHeads, dK, dV } = heads;
  const attentionBiases = ATTENTION_BIASES.filter((name) => attention[name] !== undefined);
  const biases = [...attentionBiases, ...blockBiases];
  const inputBiases = attentionBiases.filter((name) => name !== 'b_O');
  const { isStacked, hasBiases, hasContext }: AttentionLayout = ATTENTIONS[layout];
  const width = `dModel / numHeads = ${dModel} / ${numHeads}`;
  return [
    ...unless(!isStacked || dModel % numHeads === 0, 'numHeads', `a divisor of dModel = ${dModel}`, numHeads),
    ...unless(!isStacked || numKvHeads === numHeads, 'numKvHeads', `numHeads = ${numHeads}`, numKvHeads),
    ...unless(!isStacked || dK * numHeads === dModel, 'dK', width, dK),
    ...unless(!isStacked || dV * numHeads === dModel, 'dV', width, dV),
    ...unless(
      !isStacked || inputBiases.length % 3 === 0,
      'bias',
      'the same for b_Q, b_K and b_V',
      attentionBiases.join(', '),
    ),
    ...unless(hasBiases === true || biases.length === 0, 'bias', false, biases.join(', ')),
    ...unless(hasContext === true || kDim === dModel, 'kDim', `dModel = ${dModel}`, kDim),
    ...unless(hasContext === true || vDim === dModel, 'vDim', `dModel = ${dModel}`, vDim),
    ...unless(hasContext === true || bias_K === undefined, 'addBiasKeyValue', false, true),
    ...unless(sinks === undefined, 'sinks', false, true),
  ];
}

/** The heads that follow from the sizes of a layout's matrices and numHeads. */
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

/** The option `rope` of a layer in that layout. If it asks for the other pairing, the columns of Q and K in `state` are permuted. */
export function ropeFromTorch(
  where: string,
  layout: TorchLayout,
  rope: boolean | RopeOptions | undefined,
  heads: HeadShape,
  state: Map<string, StoredTensor>,
): RopeOptions | false {
  const from = ATTENTIONS[layout].rotary;
  const resolved = ropeOption(where, rope === undefined ? from !== undefined : rope, heads.dK);
  if (resolved === undefined || from === undefined) return resolved ?? false;
  const chosen = typeof rope === 'object' ? rope.interleaved : undefined;
  const interleaved = chosen ?? from === 'interleaved';
  const permute = permutation(heads, from, interleaved ? 'interleaved' : 'half-split', resolved.dim);
  for (const [name, { dtype, shape, data }] of state) {
    const permuted = permute(name, new Matrix(shape[0], shape[1], data as Float32Array));
    state.set(name, { dtype, shape, data: permuted.data });
  }
  return { ...resolved, interleaved };
}

/** A layer's parameters, with the columns of Q and K in the order of the layout. */
export function rotatedToTorch(
  layout: TorchLayout,
  { rope, heads }: RotaryAttention,
  parameters: ReadonlyMap<string, Matrix>,
): ReadonlyMap<string, Matrix> {
  const to = ATTENTIONS[layout].rotary;
  if (rope === undefined || to === undefined) return parameters;
  const permute = permutation(heads, rope.interleaved ? 'interleaved' : 'half-split', to, rope.dim);
  return new Map([...parameters].map(([name, parameter]) => [name, permute(name, parameter)]));
}

/** What rotatedToTorch reads of an attention. */
export interface RotaryAttention {
  readonly rope?: Required<RopeOptions>;
  readonly heads: HeadShape;
}

/** A function that permutes a parameter by its name: W_Q, W_K, b_Q and b_K; all others stay as they are. */
function permutation({ numHeads, numKvHeads }: HeadShape, from: RotaryLayout, to: RotaryLayout, dim: number) {
  return (name: string, m: Matrix): Matrix => {
    const role = /\b[Wb]_([QK])$/.exec(name)?.[1];
    if (role === undefined || from === to) return m;
    return permuteRotary(m, { numHeads: role === 'Q' ? numHeads : numKvHeads, from, to, dim });
  };
}
