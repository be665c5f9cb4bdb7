import { allOrNone } from '../../core/all-or-none.js';
import { requireArguments } from '../../core/arguments.js';
import { requireBoolean, requireChoice, requireFinite, shapeError } from '../../core/errors.js';
import { ATTENTION_NAMES, MODEL_NAMES } from '../../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../../core/options.js';
import type { StoredTensor } from '../../core/stored-tensor.js';
import type { Matrix } from '../../matrix/matrix.js';
import { requireResident } from '../../matrix/parameter.js';
import { LAYER_OPTIONS } from '../../ops/attention/options.js';
import type { KVCache } from '../../ops/cache/kv-cache.js';
import { innerSeed, layerRandom } from '../../ops/seeds.js';
import { type CacheOptions, cacheList, restoring, type StepOptions } from '../attention/cached-steps.js';
import { MultiHeadAttention } from '../attention/multi-head-attention.js';
import {
  checkMultiHeadAttention,
  FORWARD_OPTIONS,
  type MultiHeadAttentionForwardOptions,
  type MultiHeadAttentionOptions,
} from '../attention/multi-head-options.js';
import {
  ATTENTION_BIASES,
  type Biases,
  BLOCK_BIASES,
  biasesFrom,
  FEED_FORWARD_BIASES,
  hasBias,
  requireBiases,
} from '../biases.js';
import { Dropout } from '../dropout.js';
import type { Init } from '../initialization.js';
import { type Activation, checkFeedForward, FeedForward } from '../layers/feed-forward.js';
import { type LayerNorm, newNorm, type RMSNorm } from '../layers/norms.js';
import { requireColumns } from '../shapes.js';
import { blockFromTorch, blockToTorch, type TransformerBlockFromTorchOptions } from '../weights/block.js';
import type { ToTorchOptions } from '../weights/layouts/layouts.js';
import { type BuiltOf, loaded } from '../weights/loaded.js';
import { BlockSettings } from './block-settings.js';

type BlockBias = (typeof BLOCK_BIASES)[number];

/** Options not described here are as in MultiHeadAttentionOptions. */
export interface TransformerBlockOptions
  extends Omit<MultiHeadAttentionOptions, 'bias' | 'kDim' | 'vDim' | 'addZeroAttention' | 'addBiasKeyValue'> {
  /** Columns between the two products of the feed-forward part. */
  dHidden: number;
  /** Of the feed-forward part. Default 'relu'. */
  activation?: Activation;
  /** LayerNorm or RMSNorm. Default 'layer'. */
  norm?: 'layer' | 'rms';
  /** Normalize the input of each part ('pre'), or the sum of its input and its output ('post'). Default 'pre'. */
  normPlacement?: 'pre' | 'post';
  /** Of the norms. Default 1e-5. */
  epsilon?: number;
  /**
   * Add the biases of the attention and of the feed-forward part, or only some of them, as in { b_Q: true, b_1: true }.
   * Default false.
   */
  bias?: Biases<BlockBias>;
  /** With norm 'layer': the norms learn biases. Default true. */
  normBias?: boolean;
  /** Share dropped in training mode: of attention weights, hidden entries, and the output of each part. Default 0. */
  dropout?: number;
  /** Default 'xavier'. */
  init?: Init;
  /** Of the initial parameters and of every dropout. Default: the next seed of setSeed's stream. */
  seed?: number;
}

/** As in MultiHeadAttentionForwardOptions. */
export interface TransformerBlockForwardOptions
  extends Omit<MultiHeadAttentionForwardOptions, 'context' | 'cuSeqlensK'> {}

export const BLOCK_OPTIONS = /* @__PURE__ */ (() =>
  [
    'dModel',
    'numHeads',
    'numKvHeads',
    'dK',
    'dV',
    'dHidden',
    'activation',
    'norm',
    'normPlacement',
    'epsilon',
    'bias',
    'normBias',
    ...new Set(['causal', 'window', 'rope', ...LAYER_OPTIONS] as const),
    'sinks',
    'dropout',
    'init',
    'seed',
  ] as const satisfies readonly (keyof TransformerBlockOptions)[])();

const BLOCK_FORWARD_OPTIONS = /* @__PURE__ */ FORWARD_OPTIONS.filter(
  (name) => name !== 'context' && name !== 'cuSeqlensK',
) satisfies (keyof TransformerBlockForwardOptions)[];

const BLOCK_GUIDE: OptionsGuide = {
  isRequired: true,
  form: 'new TransformerBlock({ dModel: 64, numHeads: 8, dHidden: 256 })',
  elsewhere: [ATTENTION_NAMES, MODEL_NAMES],
  places: [['forward', BLOCK_FORWARD_OPTIONS]],
};

const BLOCK_FORWARD_GUIDE: OptionsGuide = {
  form: 'forward(x, { mask }) for flags, 1 = may attend, { bias } for numbers to add',
  elsewhere: [ATTENTION_NAMES],
  places: [['the constructor', BLOCK_OPTIONS]],
};

/** Checks every option but the seed, which is drawn only if the others are right. @returns  the entries of the weights */
export function checkTransformerBlock(where: string, options: Omit<TransformerBlockOptions, 'seed'>): number {
  const { bias, norm = 'layer', normBias = norm === 'layer', normPlacement = 'pre', epsilon = 1e-5 } = options;
  requireBiases(where, bias, BLOCK_BIASES);
  const [attentionBias, feedForwardBias] = partBiases(bias);
  const { entries: ofAttention } = checkMultiHeadAttention(where, { ...options, bias: attentionBias });
  const ofFeedForward = checkFeedForward(where, { ...options, bias: feedForwardBias });
  requireChoice(where, 'norm', norm, ['layer', 'rms']);
  requireBoolean(where, 'normBias', normBias);
  if (normBias && norm === 'rms') throw shapeError(where, "normBias must come with norm: 'layer'", "got norm: 'rms'");
  requireChoice(where, 'normPlacement', normPlacement, ['pre', 'post']);
  requireFinite(where, 'epsilon', epsilon, 0);
  const entries = ofAttention + ofFeedForward;
  requireResident(where, 'the weights', entries);
  return entries;
}

/** The biases of the attention and those of the feed-forward part. */
function partBiases(bias: Biases<BlockBias> | undefined) {
  if (typeof bias !== 'object') return [bias, bias] as const; // b_3 is only there with 'swiglu'
  const pick = <Name extends BlockBias>(names: readonly Name[]) => biasesFrom(names, (name) => hasBias(bias, name));
  return [pick(ATTENTION_BIASES), pick(FEED_FORWARD_BIASES)] as const;
}

/**
 * One layer of a Transformer: self-attention, then the feed-forward part, each added to its input.
 *
 * 'pre': y = x + attention(norm1(x)), then y + feedForward(norm2(y)). 'post', as in the original Transformer:
 * y = norm1(x + attention(x)), then norm2(y + feedForward(y)).
 *
 * @throws ShapeError  if dModel is not divisible by numHeads (and dK is not given), or a number is out of range;
 *   TypeError for wrong kinds and unknown options
 * @see Vaswani et al. 2017, §3.1, https://arxiv.org/abs/1706.03762; Xiong et al. 2020 ('pre'), https://arxiv.org/abs/2002.04745
 * @example const y = new TransformerBlock({ dModel: 64, numHeads: 8, dHidden: 256, causal: true, seed: 1 }).forward(x);
 */
export class TransformerBlock extends BlockSettings {
  static override get name(): string {
    return 'TransformerBlock';
  }

  readonly attention: MultiHeadAttention;
  readonly feedForward: FeedForward;
  readonly norm1: LayerNorm | RMSNorm;
  readonly norm2: LayerNorm | RMSNorm;
  /** Of the output of the attention. */
  readonly dropout1: Dropout;
  /** Of the output of the feed-forward part. */
  readonly dropout2: Dropout;
  readonly normPlacement: 'pre' | 'post';

  constructor(options: TransformerBlockOptions) {
    super();
    const where = 'TransformerBlock';
    requireOptions(where, options, BLOCK_OPTIONS, BLOCK_GUIDE);
    requireArguments('TransformerBlock', arguments.length, 1);
    checkTransformerBlock(where, options);
    const { dHidden, activation, norm, normBias, normPlacement = 'pre', epsilon, seed, ...attention } = options;
    const { dModel, dropout = 0, init } = options;
    const [ofAttention, ofFeedForward] = partBiases(options.bias);
    const random = layerRandom(where, seed);
    const feedForward = { dModel, dHidden, activation, bias: ofFeedForward, dropout, init };
    this.attention = new MultiHeadAttention({ ...attention, bias: ofAttention, seed: innerSeed(random) });
    this.feedForward = new FeedForward({ ...feedForward, seed: innerSeed(random) });
    this.norm1 = newNorm(dModel, { norm, epsilon, normBias });
    this.norm2 = newNorm(dModel, { norm, epsilon, normBias });
    this.dropout1 = new Dropout(dropout, random.seedForChild());
    this.dropout2 = new Dropout(dropout, random.seedForChild());
    this.normPlacement = normPlacement;
  }

  protected override parts(): this {
    return this;
  }

  get alibi(): boolean | Float32Array {
    return this.attention.alibi;
  }

  /**
   * A block with the weights of PyTorch's nn.TransformerEncoderLayer, or of a layer of GPT-2 or LLaMA; see
   * MultiHeadAttention.fromTorch.
   *
   * @throws ShapeError, TypeError  as MultiHeadAttention.fromTorch
   * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerEncoderLayer.html
   * @example const block = TransformerBlock.fromTorch(state, { numHeads: 8, activation: 'gelu', normPlacement: 'pre' });
   */
  static fromTorch<Block extends TransformerBlock = TransformerBlock>(
    this: BuiltOf<TransformerBlockOptions, Block>,
    state: ReadonlyMap<string, StoredTensor>,
    options: TransformerBlockFromTorchOptions,
  ): Block {
    requireArguments('TransformerBlock.fromTorch', arguments.length, 2);
    return loaded(TransformerBlock, this, blockFromTorch('TransformerBlock.fromTorch', state, options));
  }

  /**
   * A copy of the weights in a layout, default 'torch'; see MultiHeadAttention.toTorch.
   *
   * @throws ShapeError, TypeError  as MultiHeadAttention.toTorch; ShapeError also if the layout has another norm, activation
   *   or normPlacement
   * @example const state = block.toTorch({ prefix: 'encoder.layers.0.' });
   */
  toTorch(options: ToTorchOptions = {}): Map<string, StoredTensor> {
    requireArguments('TransformerBlock.toTorch', arguments.length, 1);
    return blockToTorch('TransformerBlock.toTorch', this, options);
  }

  /**
   * @param x  (tokens × dModel)
   * @returns  (tokens × dModel)
   * @throws ShapeError  if the shape of x or an option does not fit; TypeError for wrong kinds and unknown options
   * @example const y = block.forward(packed, { cuSeqlens });
   */
  forward(x: Matrix, options: TransformerBlockForwardOptions = {}): Matrix {
    const where = 'TransformerBlock';
    requireOptions(where, options, BLOCK_FORWARD_OPTIONS, BLOCK_FORWARD_GUIDE);
    requireArguments('TransformerBlock.forward', arguments.length, 2);
    requireColumns(where, 'x', x, 'dModel', this.attention.dModel);
    return this.#around(x, (z) => this.attention.forward(z, options));
  }

  /** An empty cache for `step`; see MultiHeadAttention.createCache. @example const cache = block.createCache({ capacity: 1024 }); */
  createCache(options: CacheOptions): KVCache {
    requireArguments('TransformerBlock.createCache', arguments.length, 1);
    return this.attention.createCache(options);
  }

  /**
   * The block for the next rows of a sequence, or of several, one per cache; see MultiHeadAttention.step.
   *
   * @param x  (rows × dModel)
   * @returns  (rows × dModel)
   * @throws ShapeError, TypeError  as MultiHeadAttention.step
   * @example const y = block.step(x, cache);
   */
  step(x: Matrix, caches: KVCache | readonly KVCache[], options: StepOptions = {}): Matrix {
    requireArguments('TransformerBlock.step', arguments.length, 3);
    requireColumns('TransformerBlock.step', 'x', x, 'dModel', this.attention.dModel);
    const list = cacheList('MultiHeadAttention.step', caches); // which reports all other mistakes in them
    return restoring(list, () => this.#around(x, (z) => this.attention.step(z, list, options)));
  }

  /** The block with the given attention: forward or step. */
  #around(x: Matrix, attention: (z: Matrix) => Matrix): Matrix {
    const attend = (z: Matrix) => this.dropout1.forward(attention(z));
    const feed = (z: Matrix) => this.dropout2.forward(this.feedForward.forward(z));
    return allOrNone(() => {
      if (this.normPlacement === 'pre') {
        const y = x.add(attend(this.norm1.forward(x)));
        return y.add(feed(this.norm2.forward(y)));
      }
      const y = this.norm1.forward(x.add(attend(x)));
      return this.norm2.forward(y.add(feed(y)));
    });
  }
}
