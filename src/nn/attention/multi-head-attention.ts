// nn/attention: the layers with attention, and what they share: heads, projections, hooks, cached steps. They know no model.

import { allOrNone } from '../../core/all-or-none.js';
import { requireArguments } from '../../core/arguments.js';
import { shapeError } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import type { StoredTensor } from '../../core/stored-tensor.js';
import { Matrix } from '../../matrix/matrix.js';
import type { Parameter } from '../../matrix/parameter.js';
import { checkAttention, requireStage, STAGE_OPTIONS, stagesOf } from '../../ops/attention/attention.js';
import {
  type AttentionOptions,
  CALL_OPTIONS,
  LAYER_OPTIONS,
  picked,
  type Sequences,
} from '../../ops/attention/options.js';
import type { Held, KVCache } from '../../ops/cache/kv-cache.js';
import { type RopeOptions, rotary } from '../../ops/rotary.js';
import { layerRandom } from '../../ops/seeds.js';
import { hasBias } from '../biases.js';
import type { Drop } from '../dropout.js';
import { constantParameter, normalParameter, torchBound, uniformParameter } from '../initialization.js';
import { affine, zeroBias } from '../layers/linear.js';
import { attentionFromTorch, attentionToTorch, type MultiHeadAttentionFromTorchOptions } from '../weights/attention.js';
import type { ToTorchOptions } from '../weights/layouts/layouts.js';
import { type BuiltOf, loaded } from '../weights/loaded.js';
import {
  type AttentionHook,
  type AttentionHookName,
  type AttentionHookOptions,
  AttentionHooks,
  attendWithHooks,
  type HookedAttention,
  stagesWithHooks,
} from './attention-hooks.js';
import {
  type CacheOptions,
  cacheFor,
  cacheList,
  requireCaches,
  restoring,
  type StepOptions,
  stepOffsets,
  stepPositions,
} from './cached-steps.js';
import { type ExtraKey, extraKeysLast, withExtraKeys } from './extra-keys.js';
import {
  CONSTRUCTOR_GUIDE,
  CONSTRUCTOR_OPTIONS,
  checkMultiHeadAttention,
  contextOption,
  FORWARD_GUIDE,
  FORWARD_OPTIONS,
  type MultiHeadAttentionForwardOptions,
  type MultiHeadAttentionOptions,
  type MultiHeadAttentionWeightsOptions,
  rotaryPositions,
} from './multi-head-options.js';
import { ProjectedAttention, type RunHooks } from './projected-attention.js';

/**
 * Multi-head attention: every head attends with its own columns of Q, K and V; the outputs of the heads, side by side, are
 * multiplied by W_O.
 *
 * softmax(scale·Q·Kᵀ)·V·W_O with Q = x·W_Q, K = context·W_K, V = context·W_V; the context is x unless it is given. Here
 * - Lq, Lk: rows of x; rows of the context. dModel: columns of x and of the result
 * - numHeads, numKvHeads: heads of Q; heads of K and V, each read by numHeads / numKvHeads heads of Q
 * - dK, dV: columns of one head of Q and K; columns of one head of V. kDim, vDim: columns of the context
 *
 * @throws ShapeError  if dModel is not divisible by numHeads (and dK is not given), or a number is out of range;
 *   TypeError for wrong kinds and unknown options
 * @see Vaswani et al. 2017, §3.2.2, https://arxiv.org/abs/1706.03762; Ainslie et al. 2023 (numKvHeads), https://arxiv.org/abs/2305.13245
 * @example const out = new MultiHeadAttention({ dModel: 64, numHeads: 8, causal: true, seed: 1 }).forward(x);
 */
export class MultiHeadAttention extends ProjectedAttention {
  static override get name(): string {
    return 'MultiHeadAttention';
  }

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
  readonly #hooks = new AttentionHooks();

  constructor(options: MultiHeadAttentionOptions) {
    const where = 'MultiHeadAttention';
    requireOptions(where, options, CONSTRUCTOR_OPTIONS, CONSTRUCTOR_GUIDE);
    requireArguments(where, arguments.length, 1);
    const { heads, rope } = checkMultiHeadAttention(where, options); // before anything draws a seed
    const { dModel, bias, init, kDim = dModel, vDim = dModel } = options;
    const { sinks = false, addZeroAttention = false, addBiasKeyValue = false } = options;
    const { numHeads, numKvHeads, dK, dV } = heads;
    const random = layerRandom(where, options.seed);
    super(options, heads, kDim, vDim, random);
    this.kDim = kDim;
    this.vDim = vDim;
    this.rope = rope;
    this.addZeroAttention = addZeroAttention;
    // torch.nn.MultiheadAttention: out_proj is a Linear; bias_k and bias_v are Xavier normal.
    const bound = init === 'torch' ? torchBound(numHeads * dV) : undefined;
    this.W_O = uniformParameter('W_O', random, numHeads * dV, dModel, bound);
    this.b_O = zeroBias('b_O', hasBias(bias, 'b_O'), dModel);
    if (addBiasKeyValue) {
      this.bias_K = normalParameter('bias_K', random, 1, numKvHeads * dK, 1 / Math.sqrt(numKvHeads * dK));
      this.bias_V = normalParameter('bias_V', random, 1, numKvHeads * dV, 1 / Math.sqrt(numKvHeads * dV));
    }
    if (sinks) this.sinks = constantParameter('sinks', 1, numHeads, 0);
    this.#options = { numHeads, numKvHeads, ...picked(LAYER_OPTIONS, options) };
  }

  /**
   * A layer with the weights of PyTorch's nn.MultiheadAttention, or of an attention of GPT-2 or LLaMA. The weights are copied;
   * widths, biases and the heads of K and V follow from them. F16, BF16 and F64 become float32.
   *
   * Called on a subclass, it builds one with `new Subclass(options)`; parameters that the subclass adds stay as they are.
   *
   * @param state  tensors under the names of that layout, as readSafetensors gives them
   * @throws ShapeError  if names or shapes are not those of the layout, or numHeads does not fit; TypeError for wrong
   *   kinds and unknown options
   * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
   * @example const layer = MultiHeadAttention.fromTorch(readSafetensors(bytes), { numHeads: 8, prefix: 'layers.0.self_attn.' });
   */
  static fromTorch<Layer extends MultiHeadAttention = MultiHeadAttention>(
    this: BuiltOf<MultiHeadAttentionOptions, Layer>,
    state: ReadonlyMap<string, StoredTensor>,
    options: MultiHeadAttentionFromTorchOptions,
  ): Layer {
    requireArguments('MultiHeadAttention.fromTorch', arguments.length, 2);
    return loaded(MultiHeadAttention, this, attentionFromTorch('MultiHeadAttention.fromTorch', state, options));
  }

  /**
   * A copy of the weights under the names and in the shapes of a layout, default 'torch'. Options without weights, such as
   * causal, are not stored.
   *
   * @throws ShapeError  if the layout has no place for a parameter or its shape; TypeError for wrong kinds and unknown options
   * @example await writeFile('attention.safetensors', writeSafetensors(attention.toTorch()));
   */
  toTorch(options: ToTorchOptions = {}): Map<string, StoredTensor> {
    requireArguments('MultiHeadAttention.toTorch', arguments.length, 1);
    return attentionToTorch('MultiHeadAttention.toTorch', this, options);
  }

  /**
   * @param x  (Lq × dModel), as the result
   * @throws ShapeError  if the shape of x or an option does not fit; TypeError for wrong kinds and unknown options
   */
  forward(x: Matrix, options: MultiHeadAttentionForwardOptions = {}): Matrix {
    const where = 'MultiHeadAttention';
    requireOptions(where, options, FORWARD_OPTIONS, FORWARD_GUIDE);
    requireArguments('MultiHeadAttention.forward', arguments.length, 2);
    return this.dropping(where, { dropout: this.dropout }, (drop, call) => {
      const { q, ...held } = this.#prepare(where, x, options);
      const z = attendWithHooks(where, this.#hooks, this.#check(where, q, held), drop, call);
      return this.#output(where, z);
    });
  }

  /**
   * Shows a value inside the layer to `hook`, head by head, in every later call of forward, step and attentionWeights, and
   * continues with what the hook returns.
   *
   * Replacements are differentiable. A head whose scores or weights are replaced is computed step by step, with memory for
   * them; all other results stay the same to the bit. Writing into the value has no effect.
   *
   * @returns  a function that removes the hook
   * @throws ShapeError  if there is no such name or head, or the layer has no rotation; TypeError for wrong kinds. Calls of
   *   the layer throw if a hook returns another shape or kind
   * @see TransformerLens, https://transformerlensorg.github.io/TransformerLens/ (the names)
   * @example
   * const remove = attention.addHook('hook_pattern', (pattern, { head }) => (head === 3 ? pattern.scale(0) : undefined));
   */
  addHook(name: AttentionHookName, hook: AttentionHook, options: AttentionHookOptions = {}): () => void {
    requireArguments('MultiHeadAttention.addHook', arguments.length, 3);
    const layer = { heads: this.heads, isRotary: this.rope !== undefined };
    return this.#hooks.add('MultiHeadAttention.addHook', layer, name, hook, options);
  }

  /**
   * The attention weights (or an earlier stage) of forward: one (Lq × Lk) matrix per sequence and head. The keys of
   * addBiasKeyValue and addZeroAttention are the last columns, in this order.
   * @throws ShapeError, TypeError  as forward, and if a head, a row or the stage does not exist
   * @example const [head0] = attention.attentionWeights(x, { heads: [0] });
   */
  attentionWeights(x: Matrix, options: MultiHeadAttentionWeightsOptions = {}): Matrix[] {
    const where = 'MultiHeadAttention.attentionWeights';
    requireOptions(where, options, [...FORWARD_OPTIONS, ...STAGE_OPTIONS], FORWARD_GUIDE);
    requireArguments(where, arguments.length, 2);
    const { stage, heads, rows } = options;
    return allOrNone(() => {
      const { q, ...held } = this.#prepare(where, x, options);
      requireStage(where, stage);
      const attention = this.#check(where, q, held);
      const stages = stagesOf(where, attention.problem, { stage, heads, rows });
      const weights = stagesWithHooks(where, this.#hooks, attention, stages, { stage, heads, rows });
      return attention.extraKeys === 0 ? weights : weights.map((w) => extraKeysLast(w, attention.extraKeys));
    });
  }

  /**
   * An empty cache for the keys and values of `step`.
   *
   * @throws ShapeError, TypeError, RangeError  as KVCache
   * @example const cache = attention.createCache({ capacity: 1024 });
   */
  createCache(options: CacheOptions): KVCache {
    requireArguments('MultiHeadAttention.createCache', arguments.length, 1);
    return cacheFor('MultiHeadAttention.createCache', this.heads, options);
  }

  /**
   * Self-attention for the next rows of a sequence, whose earlier keys and values the cache holds: gives the rows that a
   * causal forward of the whole sequence would give. With several caches, x is packed: one cache per sequence.
   *
   * @param x  (rows × dModel): one row, or many at once
   * @param caches  from createCache; the keys and values of the rows are appended
   * @returns  (rows × dModel)
   * @throws ShapeError  if the shape of x or of a cache does not fit, or a cache has no room for the rows; TypeError for
   *   wrong kinds and unknown options. After either, the caches are as before
   * @example
   * const cache = attention.createCache({ capacity: 1024 });
   * const first = attention.step(prompt, cache); // (rows × dModel), all at once; then row by row
   */
  step(x: Matrix, caches: KVCache | readonly KVCache[], options: StepOptions = {}): Matrix {
    const where = 'MultiHeadAttention.step';
    requireArguments(where, arguments.length, 3);
    this.requireInput(where, x);
    if (this.kDim !== this.dModel || this.vDim !== this.dModel) {
      throw shapeError(where, 'kDim and vDim must be dModel', `got ${this.kDim}, ${this.vDim} and ${this.dModel}`);
    }
    const list = cacheList(where, caches);
    const offsets = stepOffsets(where, list.length, x.rows, options);
    requireCaches(where, list, offsets, this.heads);
    const positions = stepPositions(list, offsets);
    const attention = { ...this.#options, causal: true, sinks: this.sinks };
    const isHooked = this.#hooks.wants('hook_attn_scores') || this.#hooks.wants('hook_pattern');
    const step = (drop: Drop, call: number) => {
      const { q, k, v } = this.project(x, x, x, this.#runHooks(where));
      const [rotatedQ, rotatedK] = this.#rotate(where, q, k, positions, positions);
      const out = list.map((cache, s) => {
        const part = (m: Matrix) => (list.length === 1 ? m : m.sliceRows(offsets[s], offsets[s + 1]));
        cache.append(part(rotatedK), part(v));
        const queries = part(rotatedQ);
        const rows = cache.held(where, queries.rows, attention, isHooked);
        return attendWithHooks(where, this.#hooks, this.#check(where, queries, rows, s), drop, call);
      });
      return this.#output(where, out.length === 1 ? out[0] : Matrix.concatRows(out));
    };
    return restoring(list, () => this.dropping(where, { dropout: this.dropout }, step));
  }

  /** Q, K and V of a call, its options, and the offsets that were checked for the rotation. */
  #prepare(where: string, x: Matrix, options: MultiHeadAttentionForwardOptions) {
    const { context, positions } = options;
    this.requireInput(where, x);
    if (positions !== undefined && this.rope === undefined) {
      throw shapeError(where, 'positions must come with rope', 'the layer has no rope', 'build it with rope: true');
    }
    const { key, value } = contextOption(where, x, context, this);
    const { q, k, v } = this.project(x, key, value, this.#runHooks(where));
    const ofCall: AttentionOptions = { ...this.#options, sinks: this.sinks, ...picked(CALL_OPTIONS, options) };
    if (this.rope === undefined) return { q, k, v, options: ofCall };
    const { checked, ofQueries, ofKeys } = rotaryPositions(where, q, k, context === undefined, options);
    const [rotatedQ, rotatedK] = this.#rotate(where, q, k, ofQueries, ofKeys);
    return { q: rotatedQ, k: rotatedK, v, options: ofCall, checked };
  }

  /** The checked attention of a call, with the extra keys. */
  #check(
    where: string,
    q: Matrix,
    { k, v, options, checked }: Held & { checked?: Sequences },
    firstSequence = 0,
  ): HookedAttention {
    const extraKeys = this.#extraKeys();
    const plain = checkAttention(where, q, k, v, options, checked);
    const { problem, matrices } = extraKeys.length === 0 ? plain : withExtraKeys(where, extraKeys, plain);
    return { problem, matrices, extraKeys: extraKeys.length, firstSequence };
  }

  #runHooks(where: string): RunHooks {
    return (name, x, numHeads) => this.#hooks.runColumns(where, name, x, numHeads);
  }

  #rotate(where: string, q: Matrix, k: Matrix, positions?: ArrayLike<number>, keyPositions?: ArrayLike<number>) {
    if (this.rope === undefined) return [q, k];
    const { numHeads, numKvHeads } = this.heads;
    const rotatedQ = rotary(q, { ...this.rope, numHeads, positions });
    const rotatedK = rotary(k, { ...this.rope, numHeads: numKvHeads, positions: keyPositions });
    return [
      this.#hooks.runColumns(where, 'hook_rot_q', rotatedQ, numHeads),
      this.#hooks.runColumns(where, 'hook_rot_k', rotatedK, numKvHeads),
    ];
  }

  #output(where: string, z: Matrix): Matrix {
    return affine(this.#hooks.runColumns(where, 'hook_z', z, this.heads.numHeads), this.W_O, this.b_O);
  }

  #extraKeys(): ExtraKey[] {
    const { numKvHeads, dK, dV } = this.heads;
    const keys: ExtraKey[] = [];
    if (this.bias_K && this.bias_V) keys.push({ k: this.bias_K, v: this.bias_V });
    if (this.addZeroAttention) keys.push({ k: new Matrix(1, numKvHeads * dK), v: new Matrix(1, numKvHeads * dV) });
    return keys;
  }
}
