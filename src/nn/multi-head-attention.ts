import {
  describe,
  kindError,
  requireBoolean,
  requireInteger,
  requireOptions,
  requireSize,
  shapeError,
} from '../core/errors.js';
import { checkCuSeqlens, packedPositions } from '../core/sequences.js';
import { Matrix } from '../matrix.js';
import { type AttentionStage, attend, attentionStages } from '../ops/attention.js';
import type { AttentionOptions, Mask } from '../ops/attention-options.js';
import { checkPositions, type RopeOptions, ropeOption, rotary } from '../ops/rotary.js';
import type { Parameter } from '../parameter.js';
import { type ExtraKey, extraKeysLast, withExtraKeys } from './extra-keys.js';
import { headShape } from './heads.js';
import { constantParameter, normalParameter, uniformParameter } from './initialization.js';
import { affine, zeroBias } from './linear.js';
import {
  checkProjections,
  PROJECTION_OPTIONS,
  ProjectedAttention,
  type ProjectionOptions,
  tryOptions,
} from './projected-attention.js';
import { requireColumns } from './shapes.js';

export interface MultiHeadAttentionOptions extends ProjectionOptions {
  numHeads: number;
  /** Columns of the keys' input. Default dModel. */
  kDim?: number;
  /** Columns of the values' input. Default dModel. */
  vDim?: number;
  /** As in AttentionOptions, of every call. */
  causal?: boolean | 'top-left';
  window?: AttentionOptions['window'];
  alibi?: AttentionOptions['alibi'];
  softcap?: number;
  /** Rotate Q and K by their positions. Default false. */
  rope?: boolean | RopeOptions;
  /** Learn one logit a head (0 at first) that only the softmax denominator sees. Default false. */
  sinks?: boolean;
  /** Let every query attend to one more key whose logit and value are 0. Default false. */
  addZeroAttention?: boolean;
  /** Let every query attend to one more, learned key and value: bias_K, bias_V. Default false. */
  addBiasKeyValue?: boolean;
}

export interface MultiHeadAttentionForwardOptions {
  /** Where keys and values come from: (Lk × kDim), or one matrix for each. Default x. */
  context?: Matrix | { key: Matrix; value: Matrix };
  /** As in AttentionOptions, of this call. */
  mask?: Mask;
  bias?: Matrix;
  keyMask?: Uint8Array;
  cuSeqlens?: ArrayLike<number>;
  cuSeqlensK?: ArrayLike<number>;
  /** Positions of the rows of x for RoPE. Default 0, 1, 2 … in every sequence; those of a context always are. */
  positions?: ArrayLike<number>;
}

export interface MultiHeadAttentionWeightsOptions extends MultiHeadAttentionForwardOptions {
  /** As in attentionWeights. Default 'weights'. */
  stage?: AttentionStage;
  /** Only these heads, in this order. Default all. */
  heads?: readonly number[];
}

const CONSTRUCTOR_OPTIONS = /* @__PURE__ */ (() =>
  [
    ...PROJECTION_OPTIONS,
    'kDim',
    'vDim',
    'causal',
    'window',
    'alibi',
    'softcap',
    'rope',
    'sinks',
    'addZeroAttention',
    'addBiasKeyValue',
  ] as const satisfies readonly (keyof MultiHeadAttentionOptions)[])();

const FORWARD_OPTIONS = [
  'context',
  'mask',
  'bias',
  'keyMask',
  'cuSeqlens',
  'cuSeqlensK',
  'positions',
] as const satisfies readonly (keyof MultiHeadAttentionForwardOptions)[];

/** Every option but the seed, which is drawn only where the rest is right. */
export function checkMultiHeadAttention(where: string, options: MultiHeadAttentionOptions) {
  const { dModel, kDim = dModel, vDim = dModel, causal, window, alibi, softcap } = options;
  const { sinks = false, addZeroAttention = false, addBiasKeyValue = false } = options;
  requireInteger(where, 'dModel', dModel, 1);
  requireInteger(where, 'kDim', kDim, 1);
  requireInteger(where, 'vDim', vDim, 1);
  for (const [name, value] of Object.entries({ sinks, addZeroAttention, addBiasKeyValue })) {
    requireBoolean(where, name, value);
  }
  if ((addZeroAttention || addBiasKeyValue) && (window !== undefined || (alibi !== undefined && alibi !== false))) {
    const rule = 'addZeroAttention and addBiasKeyValue must stand without window and alibi';
    throw shapeError(where, rule, 'got both', 'the extra keys have no position');
  }
  const heads = headShape(where, dModel, options);
  const rope = ropeOption(where, options.rope, heads.dK);
  requireSize(where, 'W_O', heads.numHeads * heads.dV, dModel);
  tryOptions(where, heads, { causal, window, alibi, softcap });
  checkProjections(where, options, heads, kDim, vDim);
  return { heads, rope };
}

/**
 * Multi-head attention: every head attends with its own columns of Q, K and V; the heads side by side, times W_O.
 *
 * Self-attention of x, or with `context` attention of x to another sequence.
 *
 * @throws ShapeError  if dModel is not divisible by numHeads (and dK is not given), or a number is out of range;
 *   TypeError for wrong kinds and unknown options
 * @see Vaswani et al. 2017, §3.2.2, https://arxiv.org/abs/1706.03762; Ainslie et al. 2023 (numKvHeads), https://arxiv.org/abs/2305.13245
 * @example const out = new MultiHeadAttention({ dModel: 64, numHeads: 8, causal: true, seed: 1 }).forward(x);
 */
export class MultiHeadAttention extends ProjectedAttention {
  /** (numHeads·dV × dModel). */
  readonly W_O: Parameter;
  /** (1 × dModel), or absent. */
  readonly b_O?: Parameter;
  /** (1 × numHeads), or absent. */
  readonly sinks?: Parameter;
  /** (1 × numKvHeads·dK), or absent. */
  readonly bias_K?: Parameter;
  /** (1 × numKvHeads·dV), or absent. */
  readonly bias_V?: Parameter;
  readonly kDim: number;
  readonly vDim: number;
  readonly rope?: Required<RopeOptions>;
  readonly addZeroAttention: boolean;
  readonly #options: AttentionOptions;

  constructor(options: MultiHeadAttentionOptions) {
    const where = 'MultiHeadAttention';
    requireOptions(where, options, CONSTRUCTOR_OPTIONS, 'required');
    const { heads, rope } = checkMultiHeadAttention(where, options); // before anything draws a seed
    const { dModel, bias = false, init, kDim = dModel, vDim = dModel, causal, window, alibi, softcap } = options;
    const { sinks = false, addZeroAttention = false, addBiasKeyValue = false } = options;
    const { numHeads, numKvHeads, dK, dV } = heads;
    super(where, options, heads, kDim, vDim);
    this.kDim = kDim;
    this.vDim = vDim;
    this.rope = rope;
    this.addZeroAttention = addZeroAttention;
    // torch.nn.MultiheadAttention: out_proj is a Linear, U(±1/√inputs); bias_k and bias_v are Xavier normal.
    const torchBound = 1 / Math.sqrt(numHeads * dV);
    const { random } = this;
    this.W_O = uniformParameter('W_O', random, numHeads * dV, dModel, init === 'torch' ? torchBound : undefined);
    this.b_O = zeroBias('b_O', bias, dModel);
    if (addBiasKeyValue) {
      this.bias_K = normalParameter('bias_K', random, 1, numKvHeads * dK, 1 / Math.sqrt(numKvHeads * dK));
      this.bias_V = normalParameter('bias_V', random, 1, numKvHeads * dV, 1 / Math.sqrt(numKvHeads * dV));
    }
    if (sinks) this.sinks = constantParameter('sinks', 1, numHeads, 0);
    this.#options = { numHeads, numKvHeads, causal, window, alibi, softcap };
  }

  /**
   * @param x  (Lq × dModel)
   * @returns  (Lq × dModel)
   * @throws ShapeError  if x or an option has another shape; TypeError for wrong kinds and unknown options
   * @example const out = attention.forward(x, { context: encoded, keyMask });
   */
  forward(x: Matrix, options: MultiHeadAttentionForwardOptions = {}): Matrix {
    const where = 'MultiHeadAttention';
    requireOptions(where, options, FORWARD_OPTIONS);
    const { q, k, v, attention } = this.#prepare(where, x, options);
    return this.dropping(where, { dropout: this.dropout }, (drop, call) =>
      affine(attend(where, q, k, v, { ...attention, ...drop }, call), this.W_O, this.b_O),
    );
  }

  /**
   * The attention weights (or an earlier stage) of forward: one (Lq × Lk) matrix for every sequence and head. The keys
   * of addBiasKeyValue and addZeroAttention are the last columns, in this order.
   *
   * @throws ShapeError, TypeError  as forward, and if a head or the stage does not exist
   * @example const [head0] = attention.attentionWeights(x, { heads: [0] });
   */
  attentionWeights(x: Matrix, options: MultiHeadAttentionWeightsOptions = {}): Matrix[] {
    const where = 'MultiHeadAttention.attentionWeights';
    requireOptions(where, options, [...FORWARD_OPTIONS, 'stage', 'heads']);
    const { stage, heads } = options;
    const { q, k, attention } = this.#prepare(where, x, options);
    const weights = attentionStages(where, q, k, { ...attention, stage, heads });
    const count = this.#extraKeys().length;
    return count === 0 ? weights : weights.map((w) => extraKeysLast(w, count));
  }

  /** Q, K and V of a call, and what the attention has to know. */
  #prepare(where: string, x: Matrix, options: MultiHeadAttentionForwardOptions) {
    const { context, mask, bias, keyMask, cuSeqlens, cuSeqlensK, positions } = options;
    this.requireInput(where, x);
    if (positions !== undefined && this.rope === undefined) {
      throw shapeError(where, 'positions must come with rope', 'the layer has no rope', 'build it with rope: true');
    }
    const { key, value } = this.#context(where, x, context);
    const attention = { ...this.#options, sinks: this.sinks, mask, bias, keyMask, cuSeqlens, cuSeqlensK };
    const projected = this.project(x, key, value);
    const [q, k] = this.#rotate(where, projected.q, projected.k, context === undefined, options);
    const extra = this.#extraKeys();
    if (extra.length === 0) return { q, k, v: projected.v, attention };
    const { options: shifted, ...kv } = withExtraKeys(where, extra, q, k, projected.v, attention);
    return { q, ...kv, attention: shifted };
  }

  #context(where: string, x: Matrix, context: MultiHeadAttentionForwardOptions['context']) {
    if (context !== undefined && (typeof context !== 'object' || context === null)) {
      throw kindError(where, 'context must be a Matrix or { key, value }', `got ${describe(context)}`);
    }
    const source = context ?? x;
    if (source instanceof Matrix && this.kDim !== this.vDim) {
      const given = `kDim is ${this.kDim}, vDim is ${this.vDim}`;
      throw shapeError(where, 'context must be { key, value } where kDim and vDim differ', given);
    }
    const { key, value } = source instanceof Matrix ? { key: source, value: source } : source;
    const name = context === undefined ? 'x' : context instanceof Matrix ? 'context' : undefined;
    requireColumns(where, name ?? 'context.key', key, 'kDim', this.kDim, name === 'x' ? 'give context' : undefined);
    requireColumns(where, name ?? 'context.value', value, 'vDim', this.vDim);
    if (key.rows === value.rows) return { key, value };
    throw shapeError(
      where,
      'context.key and context.value must have the same rows',
      `got ${key.rows} and ${value.rows}`,
    );
  }

  #rotate(where: string, q: Matrix, k: Matrix, isSelf: boolean, options: MultiHeadAttentionForwardOptions) {
    if (this.rope === undefined) return [q, k];
    const { numHeads, numKvHeads } = this.heads;
    const { cuSeqlens, cuSeqlensK = cuSeqlens, positions } = options;
    const inSequence = (name: string, offsets: ArrayLike<number> | undefined, rows: number) =>
      offsets === undefined ? undefined : packedPositions(checkCuSeqlens(where, name, offsets, rows));
    const queryPositions =
      positions === undefined ? inSequence('cuSeqlens', cuSeqlens, q.rows) : checkPositions(where, positions, q.rows);
    // Self-attention rotates its keys as its queries, unless the keys are cut into other sequences.
    const asQueries = isSelf && (positions !== undefined || options.cuSeqlensK === undefined);
    const keyPositions = asQueries ? queryPositions : inSequence('cuSeqlensK', cuSeqlensK, k.rows);
    return [
      rotary(q, { ...this.rope, numHeads, positions: queryPositions }),
      rotary(k, { ...this.rope, numHeads: numKvHeads, positions: keyPositions }),
    ];
  }

  #extraKeys(): ExtraKey[] {
    const { numKvHeads, dK, dV } = this.heads;
    const extra: ExtraKey[] = [];
    if (this.bias_K && this.bias_V) extra.push({ k: this.bias_K, v: this.bias_V });
    if (this.addZeroAttention) extra.push({ k: new Matrix(1, numKvHeads * dK), v: new Matrix(1, numKvHeads * dV) });
    return extra;
  }
}
