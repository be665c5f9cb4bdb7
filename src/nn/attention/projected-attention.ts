import { requireFinite, requireSize } from '../../core/errors.js';
import { type Random, xavierBound } from '../../core/random.js';
import type { Matrix } from '../../matrix/matrix.js';
import type { Parameter } from '../../matrix/parameter.js';
import { type AttentionOptions, LAYER_OPTIONS, type LayerOption, picked } from '../../ops/attention/options.js';
import { type Biases, hasBias, type PROJECTION_BIASES, requireBiases } from '../biases.js';
import { DroppingModule } from '../dropout.js';
import { type Init, requireInit, uniformParameter } from '../initialization.js';
import { affine, zeroBias } from '../layers/linear.js';
import { requireColumns } from '../shapes.js';
import type { HeadShape } from './heads.js';

type ProjectionBias = (typeof PROJECTION_BIASES)[number];

export interface ProjectionOptions {
  /** Columns of the input. */
  dModel: number;
  numHeads?: number;
  /** Heads of K and V. Default numHeads. */
  numKvHeads?: number;
  /** Columns of one head of Q and K. Default dModel / numHeads. */
  dK?: number;
  /** Columns of one head of V. Default dK. */
  dV?: number;
  /** Add b_Q, b_K, b_V, or only some of them, as in { b_Q: true, b_V: true }. Default false. */
  bias?: Biases<ProjectionBias>;
  /** Share of the attention weights dropped in training mode. Default 0. */
  dropout?: number;
  /** Default 'xavier'. */
  init?: Init;
  /** Of the initial parameters and of the dropout. Default: the next seed of setSeed's stream. */
  seed?: number;
}

export const PROJECTION_OPTIONS = [
  'dModel',
  'numHeads',
  'numKvHeads',
  'dK',
  'dV',
  'bias',
  'dropout',
  'init',
  'seed',
] as const satisfies readonly (keyof ProjectionOptions)[];

/** Checks the options other than heads and seed. @param biases  the names of the biases that the layer can have */
export function checkProjections(
  where: string,
  { bias, dropout = 0, init = 'xavier' }: Omit<ProjectionOptions, 'bias'> & { bias?: unknown },
  { numKvHeads, dK, dV }: HeadShape,
  kDim: number,
  vDim: number,
  biases: readonly string[],
): void {
  requireBiases(where, bias, biases);
  requireFinite(where, 'dropout', dropout, 0, 1);
  requireInit(where, init);
  requireSize(where, 'W_K', kDim, numKvHeads * dK);
  requireSize(where, 'W_V', vDim, numKvHeads * dV);
}

/** Shows the heads of x to the hooks of that name; returns x with their replacements. */
export type RunHooks = (name: 'hook_q' | 'hook_k' | 'hook_v', x: Matrix, numHeads: number) => Matrix;

/** What SelfAttention and MultiHeadAttention share: Q = X·W_Q, K = X·W_K, V = X·W_V. */
export abstract class ProjectedAttention extends DroppingModule {
  readonly dModel: number;
  readonly heads: HeadShape;
  /** (dModel × numHeads·dK). */
  readonly W_Q: Parameter;
  /** (kDim × numKvHeads·dK); kDim is dModel unless the layer says otherwise. */
  readonly W_K: Parameter;
  /** (vDim × numKvHeads·dV). */
  readonly W_V: Parameter;
  /** (1 × numHeads·dK), or absent. */
  readonly b_Q?: Parameter;
  /** (1 × numKvHeads·dK), or absent. */
  readonly b_K?: Parameter;
  /** (1 × numKvHeads·dV), or absent. */
  readonly b_V?: Parameter;
  readonly #everyCall: Pick<AttentionOptions, LayerOption>;

  /**
   * The caller has checked options and sizes: see checkProjections.
   *
   * @param random  draws the seed of the dropout, then W_Q, W_K and W_V
   */
  constructor(
    options: ProjectionOptions & Pick<AttentionOptions, LayerOption>,
    heads: HeadShape,
    kDim: number,
    vDim: number,
    random: Random,
  ) {
    const { dModel, bias, dropout = 0, init = 'xavier' } = options;
    const [qCols, kCols, vCols] = [heads.numHeads * heads.dK, heads.numKvHeads * heads.dK, heads.numKvHeads * heads.dV];
    super(dropout, random.seedForChild());
    this.dModel = dModel;
    this.heads = heads;
    this.#everyCall = picked(LAYER_OPTIONS, options);
    // torch.nn.MultiheadAttention draws W_Q, W_K, W_V as one stacked matrix, unless their input widths differ.
    const stacked = init === 'torch' && kDim === dModel && vDim === dModel;
    const bound = stacked ? xavierBound(dModel, qCols + kCols + vCols) : undefined;
    this.W_Q = uniformParameter('W_Q', random, dModel, qCols, bound);
    this.W_K = uniformParameter('W_K', random, kDim, kCols, bound);
    this.W_V = uniformParameter('W_V', random, vDim, vCols, bound);
    this.b_Q = zeroBias('b_Q', hasBias(bias, 'b_Q'), qCols);
    this.b_K = zeroBias('b_K', hasBias(bias, 'b_K'), kCols);
    this.b_V = zeroBias('b_V', hasBias(bias, 'b_V'), vCols);
  }

  get numHeads(): number {
    return this.heads.numHeads;
  }

  get numKvHeads(): number {
    return this.heads.numKvHeads;
  }

  get dK(): number {
    return this.heads.dK;
  }

  get dV(): number {
    return this.heads.dV;
  }

  /** causal, window, alibi and softcap are as the constructor got them. */
  get causal(): boolean | 'top-left' {
    return this.#everyCall.causal ?? false;
  }

  get window(): AttentionOptions['window'] {
    return this.#everyCall.window;
  }

  get alibi(): boolean | Float32Array {
    return this.#everyCall.alibi ?? false;
  }

  get softcap(): number {
    return this.#everyCall.softcap ?? 0;
  }

  /**
   * Q (query rows × numHeads·dK), K (key rows × numKvHeads·dK) and V (value rows × numKvHeads·dV), with the replacements of
   * hooks.
   */
  protected project(query: Matrix, key: Matrix, value: Matrix, runHooks: RunHooks = (_, x) => x) {
    const [q, k, v] = [
      affine(query, this.W_Q, this.b_Q),
      affine(key, this.W_K, this.b_K),
      affine(value, this.W_V, this.b_V),
    ];
    const { numHeads, numKvHeads } = this.heads;
    return {
      q: runHooks('hook_q', q, numHeads),
      k: runHooks('hook_k', k, numKvHeads),
      v: runHooks('hook_v', v, numKvHeads),
    };
  }

  protected requireInput(where: string, x: unknown): asserts x is Matrix {
    requireColumns(where, 'x', x, 'dModel', this.dModel);
  }
}
