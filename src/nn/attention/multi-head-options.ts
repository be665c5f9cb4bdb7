import { describe, kindError, requireBoolean, requireInteger, requireSize, shapeError } from '../../core/errors.js';
import { checkCuSeqlens, packedPositions } from '../../core/sequences.js';
import { isMatrix, type Matrix } from '../../matrix/matrix.js';
import { requireResident } from '../../matrix/parameter.js';
import type { AttentionStage } from '../../ops/attention/attention.js';
import {
  type AttentionOptions,
  CALL_OPTIONS,
  type CallOption,
  checkLayerOptions,
  LAYER_OPTIONS,
  type LayerOption,
  picked,
  type Sequences,
} from '../../ops/attention/options.js';
import { checkPositions, type RopeOptions, ropeOption } from '../../ops/rotary.js';
import { ATTENTION_BIASES, type Biases } from '../biases.js';
import { projectionEntries } from '../parameter-count.js';
import { requireColumns } from '../shapes.js';
import { headShape } from './heads.js';
import { checkProjections, PROJECTION_OPTIONS, type ProjectionOptions } from './projected-attention.js';

/** causal, window, alibi and softcap are as in AttentionOptions, of every call. */
export interface MultiHeadAttentionOptions
  extends Omit<ProjectionOptions, 'bias'>,
    Pick<AttentionOptions, LayerOption> {
  numHeads: number;
  /** Add b_Q, b_K, b_V, b_O, or those named: { b_Q: true, b_K: true, b_V: true } is what Qwen2 has. Default false. */
  bias?: Biases<(typeof ATTENTION_BIASES)[number]>;
  /** Columns of the keys' input. Default dModel. */
  kDim?: number;
  /** Columns of the values' input. Default dModel. */
  vDim?: number;
  /** Rotate Q and K by their positions. Default false. */
  rope?: boolean | RopeOptions;
  /** Learn one logit a head (0 at first) that only the softmax denominator sees. Default false. */
  sinks?: boolean;
  /** Let every query attend to one more key whose logit and value are 0, as the next outside masks, causal, window and ALiBi. Default false. */
  addZeroAttention?: boolean;
  /** Let every query attend to one more, learned key and value: bias_K, bias_V. Default false. */
  addBiasKeyValue?: boolean;
}

/** mask, bias, keyMask, cuSeqlens and cuSeqlensK are as in AttentionOptions, of this call. */
export interface MultiHeadAttentionForwardOptions extends Pick<AttentionOptions, CallOption> {
  /** Where keys and values come from: (Lk × kDim), or one matrix for each. Default x. */
  context?: Matrix | { key: Matrix; value: Matrix };
  /** Positions of the rows of x for RoPE. Default 0, 1, 2 … in every sequence; those of a context always are. */
  positions?: ArrayLike<number>;
}

export interface MultiHeadAttentionWeightsOptions extends MultiHeadAttentionForwardOptions {
  /** As in attentionWeights. Default 'weights'. */
  stage?: AttentionStage;
  /** Only these heads, in this order. Default all. */
  heads?: readonly number[];
  /** Only these rows of x, in this order, each in the matrix of its sequence. Default all. */
  rows?: readonly number[];
}

export const CONSTRUCTOR_OPTIONS = /* @__PURE__ */ (() =>
  [
    ...PROJECTION_OPTIONS,
    'kDim',
    'vDim',
    ...LAYER_OPTIONS,
    'rope',
    'sinks',
    'addZeroAttention',
    'addBiasKeyValue',
  ] as const satisfies readonly (keyof MultiHeadAttentionOptions)[])();

export const FORWARD_OPTIONS = /* @__PURE__ */ (() =>
  ['context', ...CALL_OPTIONS, 'positions'] as const satisfies readonly (keyof MultiHeadAttentionForwardOptions)[])();

/** Every option but the seed, which is drawn only where the rest is right. */
export function checkMultiHeadAttention(where: string, options: MultiHeadAttentionOptions) {
  const { dModel, kDim = dModel, vDim = dModel } = options;
  const { sinks = false, addZeroAttention = false, addBiasKeyValue = false } = options;
  requireInteger(where, 'dModel', dModel, 1);
  requireInteger(where, 'kDim', kDim, 1);
  requireInteger(where, 'vDim', vDim, 1);
  for (const [name, value] of Object.entries({ sinks, addZeroAttention, addBiasKeyValue })) {
    requireBoolean(where, name, value);
  }
  const heads = headShape(where, dModel, options);
  const rope = ropeOption(where, options.rope, heads.dK);
  requireSize(where, 'W_O', heads.numHeads * heads.dV, dModel);
  checkLayerOptions(where, heads, picked(LAYER_OPTIONS, options));
  checkProjections(where, options, heads, kDim, vDim, ATTENTION_BIASES);
  const entries = projectionEntries(heads, dModel, kDim, vDim) + heads.numHeads * heads.dV * dModel;
  requireResident(where, 'the weights', entries);
  return { heads, rope, entries };
}

/** Where the keys and the values of a call come from. */
export function contextOption(
  where: string,
  x: Matrix,
  context: MultiHeadAttentionForwardOptions['context'],
  { kDim, vDim }: { kDim: number; vDim: number },
): { key: Matrix; value: Matrix } {
  if (context !== undefined && (typeof context !== 'object' || context === null)) {
    throw kindError(where, 'context must be a Matrix or { key, value }', `got ${describe(context)}`);
  }
  const source = context ?? x;
  if (isMatrix(source) && kDim !== vDim) {
    const given = `kDim is ${kDim}, vDim is ${vDim}`;
    throw shapeError(where, 'context must be { key, value } where kDim and vDim differ', given);
  }
  const { key, value } = isMatrix(source) ? { key: source, value: source } : source;
  const name = context === undefined ? 'x' : isMatrix(context) ? 'context' : undefined;
  requireColumns(where, name ?? 'context.key', key, 'kDim', kDim, name === 'x' ? 'give context' : undefined);
  requireColumns(where, name ?? 'context.value', value, 'vDim', vDim);
  if (key.rows === value.rows) return { key, value };
  throw shapeError(where, 'context.key and context.value must have the same rows', `got ${key.rows} and ${value.rows}`);
}

/** The positions by which the rows of a call turn, undefined for 0, 1, 2 …; and what is checked of its sequences on the way. */
export function rotaryPositions(
  where: string,
  q: Matrix,
  k: Matrix,
  isSelf: boolean,
  { cuSeqlens, cuSeqlensK, positions }: MultiHeadAttentionForwardOptions,
) {
  const checked: Sequences = {};
  if (positions === undefined && cuSeqlens !== undefined) {
    checked.cuSeqlens = checkCuSeqlens(where, 'cuSeqlens', cuSeqlens, q.rows);
  }
  const inSequence = (offsets: Int32Array | undefined) => offsets && packedPositions(offsets);
  const ofQueries = positions === undefined ? inSequence(checked.cuSeqlens) : checkPositions(where, positions, q.rows);
  // Self-attention rotates its keys as its queries, unless the keys are cut into other sequences.
  if (isSelf && (positions !== undefined || cuSeqlensK === undefined)) {
    return { checked: { ...checked, cuSeqlensK: checked.cuSeqlens }, ofQueries, ofKeys: ofQueries };
  }
  const offsets = cuSeqlensK === undefined ? cuSeqlens : cuSeqlensK;
  if (offsets !== undefined) checked.cuSeqlensK = checkCuSeqlens(where, 'cuSeqlensK', offsets, k.rows);
  return { checked, ofQueries, ofKeys: inSequence(checked.cuSeqlensK) };
}
