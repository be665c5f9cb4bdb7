import { describe, kindError, requireBoolean, requireInteger, requireSize, shapeError } from '../../core/errors.js';
import { ATTENTION_NAMES } from '../../core/names-elsewhere.js';
import type { OptionsGuide } from '../../core/options.js';
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

/** causal, window, alibi and softcap are as in AttentionOptions and hold for every call. */
export interface MultiHeadAttentionOptions
  extends Omit<ProjectionOptions, 'bias'>,
    Pick<AttentionOptions, LayerOption> {
  numHeads: number;
  /** Add b_Q, b_K, b_V, b_O, or only some of them: Qwen2 has { b_Q: true, b_K: true, b_V: true }. Default false. */
  bias?: Biases<(typeof ATTENTION_BIASES)[number]>;
  /** Columns of the input of K. Default dModel. */
  kDim?: number;
  /** Columns of the input of V. Default dModel. */
  vDim?: number;
  /** Rotate Q and K by their positions. Default false. */
  rope?: boolean | RopeOptions;
  /** Learn one logit per head, initially 0, that counts only in the denominator of the softmax. Default false. */
  sinks?: boolean;
  /**
   * Let every query attend to one extra key whose logit and value are 0; masks, causal, window and ALiBi do not apply to it.
   * Default false.
   */
  addZeroAttention?: boolean;
  /**
   * Let every query attend to one extra, learned key and value, bias_K and bias_V; masks, causal, window and ALiBi do not
   * apply to it. Default false.
   */
  addBiasKeyValue?: boolean;
}

/** mask, bias, keyMask, cuSeqlens and cuSeqlensK are as in AttentionOptions and hold for this call. */
export interface MultiHeadAttentionForwardOptions extends Pick<AttentionOptions, CallOption> {
  /** The input of K and V: (Lk × kDim), or (Lk × kDim) for K and (Lk × vDim) for V. Default x. */
  context?: Matrix | { key: Matrix; value: Matrix };
  /** Positions of the rows of x for RoPE. Default 0, 1, 2 … in every sequence, as always for the rows of a context. */
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

export const CONSTRUCTOR_GUIDE: OptionsGuide = {
  isRequired: true,
  form: 'new MultiHeadAttention({ dModel: 64, numHeads: 8 })',
  elsewhere: [ATTENTION_NAMES],
  places: [['forward', FORWARD_OPTIONS]],
};

export const FORWARD_GUIDE: OptionsGuide = {
  form: 'forward(x, { context }) where keys and values come from another matrix, { mask } for flags, { bias } for numbers to add',
  elsewhere: [ATTENTION_NAMES],
  places: [['the constructor', CONSTRUCTOR_OPTIONS]],
};

/** Checks every option but the seed, which is drawn only if the others are right. @returns  entries: those of the weights */
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

/** The inputs of K (Lk × kDim) and V (Lk × vDim) in a call, checked. */
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

/**
 * The positions for RoPE of the queries and of the keys of a call, undefined for 0, 1, 2 …; and the offsets of its sequences
 * as far as they were checked for that.
 */
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
  // In self-attention keys have the positions of queries, unless the keys are cut into other sequences.
  if (isSelf && (positions !== undefined || cuSeqlensK === undefined)) {
    return { checked: { ...checked, cuSeqlensK: checked.cuSeqlens }, ofQueries, ofKeys: ofQueries };
  }
  const offsets = cuSeqlensK === undefined ? cuSeqlens : cuSeqlensK;
  if (offsets !== undefined) checked.cuSeqlensK = checkCuSeqlens(where, 'cuSeqlensK', offsets, k.rows);
  return { checked, ofQueries, ofKeys: inSequence(checked.cuSeqlensK) };
}
