import {
  kindError,
  requireBoolean,
  requireChoice,
  requireInteger,
  requireOptions,
  requireSize,
  shapeError,
} from '../core/errors.js';
import { checkCuSeqlens, longestSequence, packedPositions, singleSequence } from '../core/sequences.js';
import type { Matrix } from '../matrix.js';
import { gatherRows } from '../ops/embedding.js';
import { addSinusoidalPositions } from '../ops/positions.js';
import type { RopeOptions } from '../ops/rotary.js';
import { layerRandom } from '../ops/seeds.js';
import { Dropout } from './dropping.js';
import { Embedding } from './embedding.js';
import { LearnedPositions } from './learned-positions.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import { LayerNorm, RMSNorm } from './norms.js';
import { checkTransformerBlock, TransformerBlock, type TransformerBlockOptions } from './transformer-block.js';

/** Whatever is not described here is as in TransformerBlockOptions, of every layer. */
export interface CausalLMOptions
  extends Omit<TransformerBlockOptions, 'dHidden' | 'causal' | 'rope' | 'alibi' | 'dropout' | 'bias'> {
  /** Tokens that there are: ids are 0 … vocabularySize − 1. */
  vocabularySize: number;
  numLayers: number;
  /** Default 4·dModel. */
  dHidden?: number;
  /** 'rope' turns queries and keys; 'learned' and 'sinusoidal' add to the embeddings. Default 'rope'. */
  positions?: 'rope' | 'learned' | 'sinusoidal';
  /** Of positions 'rope'. */
  rope?: RopeOptions;
  /** Tokens that a sequence may have; needed for 'learned'. Default: any number. */
  capacity?: number;
  /** The logits are x·tableᵀ with the table of the embeddings, instead of x·W of their own. Default false. */
  tieEmbeddings?: boolean;
  /** Add biases to the layers; the logits have none. Default false. */
  bias?: boolean;
  /** Share dropped in training mode: of the embeddings, and in every layer. Default 0. */
  dropout?: number;
}

export interface CausalLMForwardOptions {
  /** Offsets of a packed batch: sequence s is ids [cuSeqlens[s], cuSeqlens[s + 1]). */
  cuSeqlens?: ArrayLike<number>;
}

const CAUSAL_LM_OPTIONS = [
  'vocabularySize',
  'dModel',
  'numLayers',
  'numHeads',
  'numKvHeads',
  'dK',
  'dV',
  'dHidden',
  'positions',
  'rope',
  'capacity',
  'tieEmbeddings',
  'activation',
  'norm',
  'normPlacement',
  'epsilon',
  'bias',
  'window',
  'softcap',
  'sinks',
  'dropout',
  'init',
  'seed',
] as const satisfies readonly (keyof CausalLMOptions)[];

/** The options of every layer, all options checked but the seed, which is drawn only where the rest is right. */
function checkCausalLM(where: string, options: CausalLMOptions): TransformerBlockOptions {
  requireOptions(where, options, CAUSAL_LM_OPTIONS, 'required');
  const { vocabularySize, numLayers, positions = 'rope', rope, capacity, tieEmbeddings = false, ...given } = options;
  requireInteger(where, 'vocabularySize', vocabularySize, 1);
  requireInteger(where, 'numLayers', numLayers, 1);
  requireChoice(where, 'positions', positions, ['rope', 'learned', 'sinusoidal']);
  requireBoolean(where, 'tieEmbeddings', tieEmbeddings);
  const { dModel } = options;
  requireInteger(where, 'dModel', dModel, 1);
  const { dHidden = 4 * dModel } = options;
  const layer = { ...given, dHidden, causal: true, rope: positions === 'rope' && (rope === undefined || rope) };
  checkTransformerBlock(where, layer);
  if (typeof rope === 'boolean') throw kindError(where, 'rope must be an object', `got ${rope}`, 'it is on by default');
  if (rope !== undefined && positions !== 'rope') {
    throw shapeError(where, "rope must come with positions: 'rope'", `got positions: '${positions}'`);
  }
  if (capacity !== undefined) requireInteger(where, 'capacity', capacity, 1);
  else if (positions === 'learned') {
    throw kindError(where, "capacity must be given with positions: 'learned'", 'got undefined');
  }
  requireSize(where, 'the table', Math.max(vocabularySize, capacity ?? 0), dModel);
  requireSize(where, 'numLayers times W_1', numLayers, dModel * dHidden);
  return layer;
}

/**
 * A language model: ids to embeddings, with their positions through numLayers causal Transformer blocks, a norm, and a
 * logit for every token that may come next.
 *
 * Tables start normal with variance 1/dModel, as in the authors' code of the first Transformer: a tied table then gives
 * logits of variance 1.
 *
 * @throws ShapeError  if a size or number is out of range, or options contradict one another; TypeError for wrong kinds
 *   and unknown options
 * @see Radford et al. 2019 (GPT-2), https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf;
 *   Press and Wolf 2017 (tieEmbeddings), https://arxiv.org/abs/1608.05859
 * @example
 * const model = new CausalLM({ vocabularySize: 512, dModel: 64, numLayers: 4, numHeads: 8, seed: 1 });
 * const { value, gradients } = valueAndGrad(() => crossEntropy(model.forward(ids.slice(0, -1)), ids.slice(1)));
 */
export class CausalLM extends Module {
  readonly embedding: Embedding;
  /** Only with positions 'learned'. */
  readonly learnedPositions?: LearnedPositions;
  /** Of the embeddings with what their positions add. */
  readonly embeddingDropout: Dropout;
  readonly layers: TransformerBlock[];
  readonly norm: LayerNorm | RMSNorm;
  /** To the logits; absent where they are tied to the embeddings. */
  readonly head?: Linear;
  readonly positions: 'rope' | 'learned' | 'sinusoidal';
  readonly capacity: number;

  constructor(options: CausalLMOptions) {
    super();
    const layer = checkCausalLM('CausalLM', options);
    const { vocabularySize, dModel, numLayers, positions = 'rope', capacity = Number.POSITIVE_INFINITY } = options;
    const { dropout = 0, epsilon, init, norm, tieEmbeddings = false } = options;
    const random = layerRandom('CausalLM', options.seed);
    const seed = () => random.seedForChild();
    this.embedding = new Embedding(vocabularySize, dModel, { seed: seed() });
    const { data } = this.embedding.table;
    for (let i = 0; i < data.length; i++) data[i] /= Math.sqrt(dModel);
    if (positions === 'learned') this.learnedPositions = new LearnedPositions(capacity, dModel, { seed: seed() });
    this.embeddingDropout = new Dropout(dropout, seed());
    this.layers = Array.from({ length: numLayers }, () => new TransformerBlock({ ...layer, seed: seed() }));
    this.norm = new (norm === 'rms' ? RMSNorm : LayerNorm)(dModel, { epsilon });
    if (!tieEmbeddings) this.head = new Linear(dModel, vocabularySize, { init, seed: seed() });
    this.positions = positions;
    this.capacity = capacity;
  }

  /**
   * @param ids  one a token
   * @returns  logits of the token after each: (tokens × vocabularySize)
   * @throws ShapeError  if an id is no token, cuSeqlens does not fit or a sequence has more than `capacity` tokens;
   *   TypeError for wrong kinds and unknown options
   * @example const next = model.forward(ids).argmax().at(-1);
   */
  forward(ids: ArrayLike<number>, options: CausalLMForwardOptions = {}): Matrix {
    const where = 'CausalLM';
    requireOptions(where, options, ['cuSeqlens']);
    const embedded = gatherRows(where, this.embedding.table, ids);
    const cuSeqlens =
      options.cuSeqlens === undefined
        ? singleSequence(embedded.rows)
        : checkCuSeqlens(where, 'cuSeqlens', options.cuSeqlens, embedded.rows);
    const longest = longestSequence(cuSeqlens);
    if (longest > this.capacity) {
      throw shapeError(where, `a sequence must have at most capacity = ${this.capacity} tokens`, `got ${longest}`);
    }
    let x = this.embeddingDropout.forward(this.#withPositions(embedded, cuSeqlens));
    for (const layer of this.layers) x = layer.forward(x, { cuSeqlens });
    x = this.norm.forward(x);
    return this.head === undefined ? x.matmul(this.embedding.table, { transposeB: true }) : this.head.forward(x);
  }

  #withPositions(x: Matrix, cuSeqlens: Int32Array): Matrix {
    if (this.positions === 'rope') return x;
    if (this.learnedPositions === undefined) return addSinusoidalPositions(x, cuSeqlens);
    return x.add(this.learnedPositions.forward(packedPositions(cuSeqlens)));
  }
}
