// nn/models: blocks and whole models, and the generation of text. They know all layers; layers do not know them.

import { allOrNone } from '../../core/all-or-none.js';
import { requireArguments } from '../../core/arguments.js';
import { shapeError } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import { checkCuSeqlens, longestSequence, packedPositions, singleSequence } from '../../core/sequences.js';
import type { StoredTensor } from '../../core/stored-tensor.js';
import type { Matrix } from '../../matrix/matrix.js';
import { requireResident } from '../../matrix/parameter.js';
import type { KVCache } from '../../ops/cache/kv-cache.js';
import { gatherRows } from '../../ops/embedding.js';
import { addSinusoidalPositions } from '../../ops/positions.js';
import { innerSeed, layerRandom } from '../../ops/seeds.js';
import {
  type CacheOptions,
  cacheLists,
  requireCaches,
  restoring,
  stepOffsets,
  stepPositions,
} from '../attention/cached-steps.js';
import { Dropout } from '../dropout.js';
import { Embedding } from '../layers/embedding.js';
import { LearnedPositions } from '../layers/learned-positions.js';
import { Linear } from '../layers/linear.js';
import { type LayerNorm, newNorm, type RMSNorm } from '../layers/norms.js';
import {
  type CausalLMFromTorchOptions,
  type CausalLMToTorchOptions,
  modelFromTorch,
  modelToTorch,
} from '../weights/causal-lm.js';
import { type BuiltOf, loaded } from '../weights/loaded.js';
import { BlockSettings } from './block-settings.js';
import {
  CALL_GUIDE,
  type CausalLMForwardOptions,
  type CausalLMOptions,
  type CausalLMStepOptions,
  checkCausalLM,
  FORWARD_OPTIONS,
  rowsOfLogits,
} from './causal-lm-options.js';
import { checkGenerate, type GenerateOptions, generateTokens } from './generation.js';
import { streamedOrAwaited } from './streamed-or-awaited.js';
import { TransformerBlock } from './transformer-block.js';

/** The default capacity of caches for a model without a capacity of its own. */
const DEFAULT_CAPACITY = 1024;

/**
 * A language model: turns ids into embeddings with positions, passes them through numLayers causal Transformer blocks and a
 * norm, and gives a logit for every token that may come next.
 *
 * Tables are initially normal with variance 1/dModel, as in the code of the original Transformer, so that a tied table gives
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
export class CausalLM extends BlockSettings {
  static override get name(): string {
    return 'CausalLM';
  }

  readonly embedding: Embedding;
  /** Only with positions 'learned'. */
  readonly learnedPositions?: LearnedPositions;
  /** Applied to the embeddings after positions are added. */
  readonly embeddingDropout: Dropout;
  readonly layers: TransformerBlock[];
  readonly norm: LayerNorm | RMSNorm;
  /** From the last norm to the logits; absent if they are tied to the embeddings. */
  readonly head?: Linear;
  readonly positions: 'rope' | 'learned' | 'sinusoidal';
  readonly capacity: number;

  constructor(options: CausalLMOptions) {
    super();
    const layer = checkCausalLM('CausalLM', options);
    requireArguments('CausalLM', arguments.length, 1);
    const { vocabularySize, dModel, numLayers, positions = 'rope', capacity = Number.POSITIVE_INFINITY } = options;
    const { dropout = 0, init, tieEmbeddings = false } = options;
    const random = layerRandom('CausalLM', options.seed);
    const seed = () => innerSeed(random);
    this.embedding = new Embedding(vocabularySize, dModel, { seed: seed() });
    const { data } = this.embedding.table;
    for (let i = 0; i < data.length; i++) data[i] /= Math.sqrt(dModel);
    if (positions === 'learned') this.learnedPositions = new LearnedPositions(capacity, dModel, { seed: seed() });
    this.embeddingDropout = new Dropout(dropout, random.seedForChild());
    this.layers = Array.from({ length: numLayers }, () => new TransformerBlock({ ...layer, seed: seed() }));
    this.norm = newNorm(dModel, options);
    if (!tieEmbeddings) this.head = new Linear(dModel, vocabularySize, { init, seed: seed() });
    this.positions = positions;
    this.capacity = capacity;
  }

  protected override parts(): TransformerBlock {
    return this.layers[0];
  }

  get vocabularySize(): number {
    return this.embedding.numEmbeddings;
  }

  get numLayers(): number {
    return this.layers.length;
  }

  get tieEmbeddings(): boolean {
    return this.head === undefined;
  }

  get normPlacement(): 'pre' | 'post' {
    return this.layers[0].normPlacement;
  }

  /**
   * A model with the weights of GPT-2 or LLaMA as Hugging Face or Meta store them; see MultiHeadAttention.fromTorch. Models
   * that use the same names but compute something else (with scaled RoPE, say) are not detected.
   *
   * @throws ShapeError, TypeError  as MultiHeadAttention.fromTorch
   * @see Touvron et al. 2023 (LLaMA), https://arxiv.org/abs/2302.13971
   * @example const model = CausalLM.fromTorch(readSafetensors(bytes), { numHeads: 12 }).eval();
   */
  static fromTorch<Model extends CausalLM = CausalLM>(
    this: BuiltOf<CausalLMOptions, Model>,
    state: ReadonlyMap<string, StoredTensor>,
    options: CausalLMFromTorchOptions,
  ): Model {
    requireArguments('CausalLM.fromTorch', arguments.length, 2);
    return loaded(CausalLM, this, modelFromTorch('CausalLM.fromTorch', state, options));
  }

  /**
   * A copy of the weights in a layout: default 'gpt2' with learned positions, else 'llama'.
   *
   * @throws ShapeError, TypeError  as TransformerBlock.toTorch
   * @example await writeFile('model.safetensors', writeSafetensors(model.toTorch()));
   */
  toTorch(options: CausalLMToTorchOptions = {}): Map<string, StoredTensor> {
    requireArguments('CausalLM.toTorch', arguments.length, 1);
    return modelToTorch('CausalLM.toTorch', this, options);
  }

  /**
   * @param ids  one per token
   * @returns  (tokens × vocabularySize): row i has the logits of the token after ids[i]; with logits 'last'
   *   (sequences × vocabularySize)
   * @throws ShapeError  if an id is not in the vocabulary, cuSeqlens does not fit or a sequence has more than `capacity`
   *   tokens; TypeError for wrong kinds and unknown options
   * @example const next = model.forward(ids).argmax().at(-1);
   */
  forward(ids: ArrayLike<number>, options: CausalLMForwardOptions = {}): Matrix {
    requireOptions('CausalLM', options, FORWARD_OPTIONS, CALL_GUIDE);
    requireArguments('CausalLM.forward', arguments.length, 2);
    return this.#whole('CausalLM', ids, options);
  }

  /** The logits of whole sequences. */
  #whole(where: string, ids: ArrayLike<number>, options: CausalLMForwardOptions): Matrix {
    const embedded = gatherRows(where, this.embedding.table, ids);
    const cuSeqlens =
      options.cuSeqlens === undefined
        ? singleSequence(embedded.rows)
        : checkCuSeqlens(where, 'cuSeqlens', options.cuSeqlens, embedded.rows);
    this.#requireCapacity(where, longestSequence(cuSeqlens));
    const rows = rowsOfLogits(where, cuSeqlens, options);
    const positions = packedPositions(cuSeqlens);
    const forward = (layer: TransformerBlock, x: Matrix) => layer.forward(x, { cuSeqlens });
    return allOrNone(() => this.#logits(this.#throughLayers(embedded, positions, forward), rows));
  }

  /**
   * Empty caches for `step`: one per layer.
   *
   * @param options  capacity: by default that of the model, or 1024 if it has none
   * @throws ShapeError, TypeError, RangeError  as KVCache
   * @example const caches = model.createCaches({ capacity: 512 });
   */
  createCaches(options: Partial<CacheOptions> = {}): KVCache[] {
    const where = 'CausalLM.createCaches';
    requireOptions(where, options, ['capacity', 'mode', 'sinkTokens']);
    requireArguments(where, arguments.length, 1);
    const { capacity = Number.isFinite(this.capacity) ? this.capacity : DEFAULT_CAPACITY } = options;
    const { numKvHeads, dK, dV } = this.layers[0].attention.heads;
    if (Number.isSafeInteger(capacity)) {
      requireResident(where, 'all caches', this.layers.length * capacity * numKvHeads * (dK + dV));
    }
    const caches: KVCache[] = [];
    try {
      for (const layer of this.layers) caches.push(layer.createCache({ ...options, capacity }));
      return caches;
    } catch (error) {
      for (const cache of caches) cache.release(); // memory is full, and the caller gets none of them
      throw error;
    }
  }

  /**
   * The logits after the next tokens of a sequence, whose earlier keys and values the caches hold: gives the rows that forward
   * would give for the whole sequence. For several sequences, the ids are packed and each sequence has its own caches.
   *
   * @param ids  the next tokens: one, or many at once
   * @param caches  from createCaches, or a list of such caches, one per sequence; the keys and values are appended
   * @returns  (tokens × vocabularySize); with logits 'last' (sequences × vocabularySize)
   * @throws ShapeError  if an id is not in the vocabulary, the caches are not of this model or at different positions, or have
   *   no room for the tokens; TypeError for wrong kinds and unknown options. After either, the caches are as before
   * @example
   * const caches = model.createCaches();
   * let logits = model.step(prompt, caches, { logits: 'last' }); // (1 × vocabularySize)
   * logits = model.step(logits.argmax(), caches);
   */
  step(
    ids: ArrayLike<number>,
    caches: readonly KVCache[] | readonly KVCache[][],
    options: CausalLMStepOptions = {},
  ): Matrix {
    requireArguments('CausalLM.step', arguments.length, 3);
    return this.#next('CausalLM.step', ids, caches, options);
  }

  /**
   * Tokens that go on after `ids`: `for await` has them as they are made, and leaving the loop ends them; `await` gives all
   * of them. Other work of the program gets its turn now and then. In training mode dropout drops: call eval() first.
   *
   * @param ids  at least one token
   * @throws ShapeError  if an id is not in the vocabulary, a number is out of range or the tokens exceed the model's capacity;
   *   TypeError for wrong kinds and unknown options, and if tokens are both awaited and streamed
   * @see sampler, for what temperature, topK, topP, minP and repetitionPenalty do
   * @example
   * for await (const id of model.generate(prompt, { maxTokens: 100, temperature: 0.8, seed: 1 })) print(id);
   * const ids = await model.generate(prompt, { signal: AbortSignal.timeout(1000) });
   */
  generate(
    ids: ArrayLike<number>,
    options: GenerateOptions = {},
  ): AsyncGenerator<number, void, undefined> & PromiseLike<number[]> {
    const where = 'CausalLM.generate';
    requireArguments(where, arguments.length, 2);
    const generation = checkGenerate(where, ids, options, this);
    const { prompt, maxTokens, cached } = generation;
    let caches: KVCache[] | undefined; // of memory that only somebody who asks for a token needs
    const next = (ids: readonly number[], all: readonly number[]) => {
      if (!cached) return this.#whole(where, all, { logits: 'last' }).data;
      caches ??= this.createCaches({ capacity: prompt.length + maxTokens - 1 });
      return this.#next(where, ids, caches, { logits: 'last' }).data;
    };
    const end = () => caches?.forEach((cache) => cache.release());
    return streamedOrAwaited(where, generateTokens(generation, next, end));
  }

  /** The logits of the next tokens. */
  #next(where: string, ids: ArrayLike<number>, caches: unknown, options: CausalLMStepOptions): Matrix {
    requireOptions(where, options, FORWARD_OPTIONS, CALL_GUIDE);
    const embedded = gatherRows(where, this.embedding.table, ids);
    const lists = cacheLists(where, caches, this.layers.length);
    const cuSeqlens = stepOffsets(where, lists.length, embedded.rows, { cuSeqlens: options.cuSeqlens });
    const byLayer = this.layers.map((_, i) => lists.map((list) => list[i]));
    this.layers.forEach((layer, i) => requireCaches(where, byLayer[i], cuSeqlens, layer.attention.heads));
    lists.forEach(([{ position }], s) => this.#requireCapacity(where, position + cuSeqlens[s + 1] - cuSeqlens[s]));
    const rows = rowsOfLogits(where, cuSeqlens, options);
    const positions = stepPositions(byLayer[0], cuSeqlens);
    const step = (layer: TransformerBlock, x: Matrix, i: number) => layer.step(x, byLayer[i], { cuSeqlens });
    return restoring(lists.flat(), () => this.#logits(this.#throughLayers(embedded, positions, step), rows));
  }

  #throughLayers(
    embedded: Matrix,
    positions: Int32Array,
    apply: (layer: TransformerBlock, x: Matrix, i: number) => Matrix,
  ): Matrix {
    const start = this.embeddingDropout.forward(this.#withPositions(embedded, positions));
    return this.layers.reduce((x, layer, i) => apply(layer, x, i), start);
  }

  /** @param rows  of x; undefined for all */
  #logits(x: Matrix, rows: Int32Array | undefined): Matrix {
    const normed = this.norm.forward(rows === undefined ? x : gatherRows('CausalLM', x, rows));
    if (this.head !== undefined) return this.head.forward(normed);
    return normed.matmul(this.embedding.table, { transposeB: true });
  }

  #requireCapacity(where: string, tokens: number): void {
    if (tokens <= this.capacity) return;
    throw shapeError(where, `a sequence must have at most capacity = ${this.capacity} tokens`, `got ${tokens}`);
  }

  #withPositions(x: Matrix, positions: Int32Array): Matrix {
    if (this.positions === 'rope') return x;
    if (this.learnedPositions === undefined) return addSinusoidalPositions(x, positions);
    return x.add(this.learnedPositions.forward(positions));
  }
}
