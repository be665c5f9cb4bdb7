import { requireArguments } from '../../core/arguments.js';
import { shapeError } from '../../core/errors.js';
import { ATTENTION_NAMES } from '../../core/names-elsewhere.js';
import type { OptionsGuide } from '../../core/options.js';
import { Matrix } from '../../matrix/matrix.js';
import { requireResident } from '../../matrix/parameter.js';
import { type AttentionWeightsOptions, attend, attentionStages, STAGE_OPTIONS } from '../../ops/attention/attention.js';
import {
  type AttentionOptions,
  checkLayerOptions,
  optionsOf,
  requireAttentionOptions,
  requireKinds,
} from '../../ops/attention/options.js';
import { layerRandom } from '../../ops/seeds.js';
import { PROJECTION_BIASES } from '../biases.js';
import { projectionEntries } from '../parameter-count.js';
import { headShape } from './heads.js';
import {
  checkProjections,
  PROJECTION_OPTIONS,
  ProjectedAttention,
  type ProjectionOptions,
} from './projected-attention.js';

/** The sizes of the layer, and defaults for the attention options of its calls. `bias` here adds b_Q, b_K, b_V. */
export interface SelfAttentionOptions extends ProjectionOptions, Omit<AttentionOptions, keyof ProjectionOptions> {}

const CONSTRUCTOR_GUIDE: OptionsGuide = {
  isRequired: true,
  form: 'new SelfAttention({ dModel: 64 })',
  elsewhere: [ATTENTION_NAMES],
};

const FORWARD_GUIDE: OptionsGuide = {
  form: 'forward(x, { mask }) for flags, 1 = may attend, { bias } for numbers to add; other keys and values: MultiHeadAttention',
  elsewhere: [{ context: 'MultiHeadAttention takes one' }, ATTENTION_NAMES],
  places: [['the constructor', PROJECTION_OPTIONS]],
};

/** Every step of one self-attention. In scores and weights, row h·tokens + i is query i of head h. */
export interface AttentionTrace {
  /** (tokens × numHeads·dK). */
  q: Matrix;
  /** (tokens × numKvHeads·dK). */
  k: Matrix;
  /** (tokens × numKvHeads·dV). */
  v: Matrix;
  /** (numHeads·tokens × tokens): q·kᵀ. */
  scores: Matrix;
  /** (numHeads·tokens × tokens): scale·q·kᵀ. */
  scaledScores: Matrix;
  /** (numHeads·tokens × tokens): the softmax of scaledScores after softcap, bias and masks, before dropout. */
  weights: Matrix;
  /** (tokens × numHeads·dV): weights · v, without dropout. */
  output: Matrix;
}

/**
 * Attention of a sequence to itself: Q = X·W_Q, K = X·W_K, V = X·W_V, then softmax(scale · Q Kᵀ) V.
 *
 * There is no output projection; MultiHeadAttention has one. Options of a call replace those of the constructor.
 *
 * @throws ShapeError  if dModel is not divisible by numHeads (and dK is not given), or a number is out of range;
 *   TypeError for wrong kinds and unknown options
 * @see Vaswani et al. 2017, §3.2.1, https://arxiv.org/abs/1706.03762
 * @example const out = new SelfAttention({ dModel: 64, causal: true, seed: 1 }).forward(x);
 */
export class SelfAttention extends ProjectedAttention {
  static override get name(): string {
    return 'SelfAttention';
  }

  readonly #defaults: AttentionOptions;

  constructor(options: SelfAttentionOptions) {
    requireAttentionOptions('SelfAttention', options, PROJECTION_OPTIONS, CONSTRUCTOR_GUIDE);
    requireArguments('SelfAttention', arguments.length, 1);
    const where = 'SelfAttention';
    const { dModel, dK, dV, bias, init, seed, numHeads = 1, numKvHeads, dropout, ...attention } = options ?? {};
    const heads = headShape(where, dModel, { numHeads, numKvHeads, dK, dV });
    requireKinds(where, attention);
    checkLayerOptions(where, heads, attention);
    const projections = { dModel, bias, init, seed, dropout };
    checkProjections(where, projections, heads, dModel, dModel, PROJECTION_BIASES);
    requireResident(where, 'the weights', projectionEntries(heads, dModel));
    super({ ...attention, ...projections }, heads, dModel, dModel, layerRandom(where, seed));
    this.#defaults = { ...attention, numHeads, numKvHeads: heads.numKvHeads };
  }

  get scale(): number {
    return this.#defaults.scale ?? 1 / Math.sqrt(this.dK);
  }

  get causalOffset(): number | undefined {
    return this.#defaults.causalOffset;
  }

  /**
   * @param x  (tokens × dModel)
   * @returns  (tokens × numHeads·dV)
   * @throws ShapeError  if x does not have dModel columns or an option does not fit x; TypeError for wrong kinds and
   *   unknown options
   */
  forward(x: Matrix, options: AttentionOptions = {}): Matrix {
    requireArguments('SelfAttention.forward', arguments.length, 2);
    const where = 'SelfAttention';
    const call = this.#callOptions(where, x, options);
    const { q, k, v } = this.project(x, x, x);
    const dropout = { dropout: call.dropout, seed: options.seed };
    return this.dropping(where, dropout, (drop, number) => attend(where, q, k, v, { ...call, ...drop }, number));
  }

  /**
   * The function attentionWeights applied to the projected x: one (tokens × tokens) matrix per sequence and head.
   *
   * @throws ShapeError, TypeError  as forward, and if a head, a row or the stage does not exist
   */
  attentionWeights(x: Matrix, options: AttentionWeightsOptions = {}): Matrix[] {
    const where = 'SelfAttention.attentionWeights';
    requireAttentionOptions(where, options, STAGE_OPTIONS, FORWARD_GUIDE);
    requireArguments(where, arguments.length, 2);
    const { stage, heads, rows, ...attention } = options;
    const call = this.#callOptions(where, x, attention);
    const { q, k } = this.project(x, x, x);
    return attentionStages(where, q, k, { ...call, stage, heads, rows });
  }

  /**
   * Every step of the computation for one sequence, without dropout.
   *
   * @param x  (tokens × dModel)
   * @throws ShapeError  if x does not have dModel columns, or cuSeqlens is given; TypeError for wrong kinds and unknown
   *   options
   * @example const { scaledScores, weights } = attention.trace(x);
   */
  trace(x: Matrix, options: AttentionOptions = {}): AttentionTrace {
    const where = 'SelfAttention.trace';
    requireArguments(where, arguments.length, 2);
    const call = this.#callOptions(where, x, options);
    requireKinds(where, call);
    const packed = optionsOf('packing').find((name) => call[name] !== undefined);
    if (packed !== undefined) {
      throw shapeError(where, 'x must be one sequence', `got ${packed}`, 'unpack first and trace each');
    }
    const { q, k, v } = this.project(x, x, x);
    const scores = attentionStages(where, q, k, { ...call, scale: 1, stage: 'scaledScores' });
    const scaledScores = attentionStages(where, q, k, { ...call, stage: 'scaledScores' });
    const weights = attentionStages(where, q, k, call);
    return {
      q,
      k,
      v,
      scores: Matrix.concatRows(scores),
      scaledScores: Matrix.concatRows(scaledScores),
      weights: Matrix.concatRows(weights),
      output: attend(where, q, k, v, { ...call, dropout: 0 }, 0),
    };
  }

  /** The options of the constructor, each replaced by that of the call unless it is undefined. */
  #callOptions(where: string, x: unknown, options: AttentionOptions): AttentionOptions {
    this.requireInput(where, x);
    requireAttentionOptions(where, options, [], FORWARD_GUIDE);
    const ofCall = Object.entries(options).filter(([, value]) => value !== undefined);
    return { ...this.#defaults, dropout: this.dropout, ...Object.fromEntries(ofCall) };
  }
}
