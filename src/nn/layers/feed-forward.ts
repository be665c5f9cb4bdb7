import { requireArguments } from '../../core/arguments.js';
import { requireChoice, requireFinite, requireInteger, requireSize, shapeError } from '../../core/errors.js';
import { ATTENTION_NAMES, MODEL_NAMES } from '../../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../../core/options.js';
import type { Random } from '../../core/random.js';
import type { Matrix } from '../../matrix/matrix.js';
import { type Parameter, requireResident } from '../../matrix/parameter.js';
import { ACTIVATIONS, type EntrywiseActivation, silu } from '../../ops/activations.js';
import { layerRandom } from '../../ops/seeds.js';
import { type Biases, FEED_FORWARD_BIASES, hasBias, requireBiases } from '../biases.js';
import { DroppingModule, dropEntries } from '../dropout.js';
import { type Init, requireInit, torchBound, uniformParameter } from '../initialization.js';
import { feedForwardEntries } from '../parameter-count.js';
import { requireColumns } from '../shapes.js';
import { affine } from './linear.js';

/** 'gelu' is exact, 'gelu-tanh' its cheaper approximation; 'swiglu' is gated by a third matrix. */
export type Activation = EntrywiseActivation | 'swiglu';

export interface FeedForwardOptions {
  /** Columns of the input and of the result. */
  dModel: number;
  /** Columns between the two products. */
  dHidden: number;
  /** Default 'relu'. */
  activation?: Activation;
  /** Add b_1, b_2 (and b_3 of 'swiglu'), or only some of them, as in { b_2: true }. Default false. */
  bias?: Biases<(typeof FEED_FORWARD_BIASES)[number]>;
  /** Share of the hidden entries dropped in training mode. Default 0. */
  dropout?: number;
  /** Default 'xavier'. */
  init?: Init;
  /** Of the initial parameters and of the dropout. Default: the next seed of setSeed's stream. */
  seed?: number;
}

const FEED_FORWARD_OPTIONS = [
  'dModel',
  'dHidden',
  'activation',
  'bias',
  'dropout',
  'init',
  'seed',
] as const satisfies readonly (keyof FeedForwardOptions)[];

const GUIDE: OptionsGuide = {
  isRequired: true,
  form: 'new FeedForward({ dModel: 64, dHidden: 256 })',
  elsewhere: [ATTENTION_NAMES, MODEL_NAMES],
};

/** Checks every option but the seed, which is drawn only if the others are right. @returns  the entries of the weights */
export function checkFeedForward(where: string, options: Omit<FeedForwardOptions, 'seed'>): number {
  const { dModel, dHidden, activation = 'relu', bias, dropout = 0, init = 'xavier' } = options;
  requireInteger(where, 'dModel', dModel, 1);
  requireInteger(where, 'dHidden', dHidden, 1);
  requireChoice(where, 'activation', activation, [...Object.keys(ACTIVATIONS), 'swiglu']);
  requireBiases(where, bias, FEED_FORWARD_BIASES);
  if (typeof bias === 'object' && bias.b_3 && activation !== 'swiglu') {
    throw shapeError(where, "bias.b_3 must come with activation: 'swiglu'", `got activation: '${activation}'`);
  }
  requireFinite(where, 'dropout', dropout, 0, 1);
  requireInit(where, init);
  requireSize(where, 'W_1', dModel, dHidden);
  const entries = feedForwardEntries(dModel, dHidden, activation);
  requireResident(where, 'the weights', entries);
  return entries;
}

/**
 * The feed-forward part of a Transformer, which maps each token by itself: activation(x·W_1 + b_1)·W_2 + b_2; with 'swiglu'
 * (silu(x·W_1 + b_1) ∘ (x·W_3 + b_3))·W_2 + b_2.
 *
 * @throws ShapeError  if a size is not an integer of at least 1 or another option is out of range; TypeError for wrong kinds
 *   and unknown options
 * @see Vaswani et al. 2017, §3.3, https://arxiv.org/abs/1706.03762; Shazeer 2020 ('swiglu'), https://arxiv.org/abs/2002.05202
 * @example const y = new FeedForward({ dModel: 64, dHidden: 256, activation: 'gelu', seed: 1 }).forward(x);
 */
export class FeedForward extends DroppingModule {
  static override get name(): string {
    return 'FeedForward';
  }

  readonly activation: Activation;
  /** (dModel × dHidden). */
  readonly W_1: Parameter;
  /** (1 × dHidden), or absent. */
  readonly b_1?: Parameter;
  /** (dHidden × dModel). */
  readonly W_2: Parameter;
  /** (1 × dModel), or absent. */
  readonly b_2?: Parameter;
  /** (dModel × dHidden), only with 'swiglu'. */
  readonly W_3?: Parameter;
  /** (1 × dHidden), or absent. */
  readonly b_3?: Parameter;

  constructor(options: FeedForwardOptions) {
    const where = 'FeedForward';
    requireOptions(where, options, FEED_FORWARD_OPTIONS, GUIDE);
    requireArguments(where, arguments.length, 1);
    checkFeedForward(where, options);
    const { dModel, dHidden, activation = 'relu', bias, dropout = 0, init = 'xavier', seed } = options;
    const random = layerRandom(where, seed);
    super(dropout, random.seedForChild());
    this.activation = activation;
    const parameter = parameterDraws(random, init);
    this.W_1 = parameter.weight('W_1', dModel, dHidden);
    this.W_2 = parameter.weight('W_2', dHidden, dModel);
    if (activation === 'swiglu') this.W_3 = parameter.weight('W_3', dModel, dHidden);
    if (hasBias(bias, 'b_1')) this.b_1 = parameter.bias('b_1', dModel, dHidden);
    if (hasBias(bias, 'b_2')) this.b_2 = parameter.bias('b_2', dHidden, dModel);
    if (activation === 'swiglu' && hasBias(bias, 'b_3')) this.b_3 = parameter.bias('b_3', dModel, dHidden);
  }

  get dModel(): number {
    return this.W_1.rows;
  }

  get dHidden(): number {
    return this.W_1.cols;
  }

  /**
   * @param x  (tokens × dModel)
   * @returns  (tokens × dModel)
   * @throws ShapeError  if x does not have dModel columns; TypeError if x is not a Matrix
   */
  forward(x: Matrix): Matrix {
    requireArguments('FeedForward.forward', arguments.length, 1);
    const where = 'FeedForward';
    requireColumns(where, 'x', x, 'dModel', this.W_1.rows);
    return this.dropping(where, { dropout: this.dropout }, (drop, call) =>
      affine(dropEntries(this.#hidden(x), drop, call), this.W_2, this.b_2),
    );
  }

  #hidden(x: Matrix): Matrix {
    const { activation } = this;
    const linear = affine(x, this.W_1, this.b_1);
    if (activation !== 'swiglu') return ACTIVATIONS[activation](linear);
    return silu(linear).multiply(affine(x, this.W_3 as Parameter, this.b_3));
  }
}

/** Draws weights and biases as two or three Linear layers would. */
function parameterDraws(random: Random, init: Init) {
  const isTorch = init === 'torch';
  return {
    weight: (name: string, inputs: number, outputs: number) =>
      uniformParameter(name, random, inputs, outputs, isTorch ? torchBound(inputs) : undefined),
    bias: (name: string, inputs: number, outputs: number) =>
      uniformParameter(name, random, 1, outputs, isTorch ? torchBound(inputs) : 0),
  };
}
