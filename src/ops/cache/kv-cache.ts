// ops/cache: keys and values kept between calls. Knows the functions of ops/attention, and no layer.

import { requireArguments } from '../../core/arguments.js';
import { putBrand } from '../../core/brands.js';
import { kindError, requireInteger, shapeError, shapeText } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import { prepareClass } from '../../core/prepared-class.js';
import type { Floats } from '../../kernels/contract.js';
import { copied } from '../../matrix/algebra.js';
import { Matrix, requireMatrix, wrap } from '../../matrix/matrix.js';
import { isRecording } from '../../matrix/tape.js';
import { attend } from '../attention/attention.js';
import { ATTENTION_OPTIONS, type AttentionOptions, type OptionsOf, optionsOf } from '../attention/options.js';
import { checkReach } from '../attention/reach.js';
import { withoutPositions } from './gap.js';
import { checkCacheOptions, type KVCacheOptions } from './options.js';
import { CacheRows, type Replaced } from './rows.js';

/** Rows of k (rows × numKvHeads·dK) and of v (rows × numKvHeads·dV). */
export interface KeysAndValues {
  k: Matrix;
  v: Matrix;
}

/** The keys and values of one attention, and its options. */
export interface Held extends KeysAndValues {
  options: AttentionOptions;
}

/** Those that the cache knows itself. */
type OfTheCache = 'numKvHeads' | 'causalOffset' | OptionsOf<'packing'>;

/** The options of an attention that still mean something against a cache; keys are those the cache holds. */
export type KVCacheAttendOptions = Omit<AttentionOptions, OfTheCache>;

/** What a cache was at some time. */
export interface CacheMark {
  position: number;
  appended: number;
  overwritten: readonly [keys: Floats, values: Floats];
  /** How many had been replaced. */
  spans: number;
  outer?: Replaced;
}

const ATTEND_OPTIONS = /* @__PURE__ */ (() => {
  const ofTheCache: string[] = ['numKvHeads', 'causalOffset', ...optionsOf('packing')] satisfies OfTheCache[];
  return ATTENTION_OPTIONS.filter((name) => !ofTheCache.includes(name));
})();

/**
 * The keys and values of the tokens so far, so that the next ones attend to them without computing them again.
 *
 * Memory for `capacity` rows is taken at once, where the kernels read it without copying. A ring holds the last rows and
 * the sink tokens: a query then sees the sinks and the capacity − sinkTokens last positions up to its own, whether rows
 * are appended one by one or many at a time. To valueAndGrad the rows of a cache are constants.
 *
 * @throws ShapeError  if a size or sinkTokens is out of range, or sinkTokens is given without a ring; TypeError for wrong
 *   kinds and unknown options; RangeError if kernel memory is full
 * @see Xiao et al. 2024 (sinkTokens), https://arxiv.org/abs/2309.17453
 * @example
 * const cache = new KVCache({ capacity: 1024, numKvHeads: 4, dK: 64 });
 * cache.append(k, v); // (rows × 4·64); then cache.attend(q, { numHeads: 12 }) with the queries of these rows
 */
export class KVCache {
  static get name(): string {
    return 'KVCache';
  }

  readonly capacity: number;
  readonly numKvHeads: number;
  readonly dK: number;
  readonly dV: number;
  readonly mode: 'linear' | 'ring';
  readonly sinkTokens: number;
  readonly #keys: CacheRows;
  readonly #values: CacheRows;
  #position = 0;
  #appended = 0;
  #isReleased = false;
  /** Absent where no mark is open. */
  #replaced?: Replaced;

  constructor(options: KVCacheOptions) {
    const { capacity, dK, dV, numKvHeads, mode, sinkTokens } = checkCacheOptions('KVCache', options);
    requireArguments('KVCache', arguments.length, 1);
    putBrand(this, 'KVCache');
    prepareClass<KVCache>(this, KVCache.prototype, { saving: 'a prompt fills a cache again' });
    this.capacity = capacity;
    this.numKvHeads = numKvHeads;
    this.dK = dK;
    this.dV = dV;
    this.mode = mode;
    this.sinkTokens = sinkTokens;
    this.#keys = new CacheRows(capacity, numKvHeads * dK, sinkTokens);
    try {
      this.#values = new CacheRows(capacity, numKvHeads * dV, sinkTokens);
    } catch (error) {
      this.#keys.release();
      throw error;
    }
  }

  /** @internal */
  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Rows it holds. */
  get length(): number {
    return Math.min(this.#position, this.capacity);
  }

  /** The position of the next row: the rows appended so far. In a ring it passes `length`. */
  get position(): number {
    return this.#position;
  }

  /** Bytes of its arrays, filled or not. */
  get byteLength(): number {
    return this.#keys.byteLength + this.#values.byteLength;
  }

  /**
   * Adds rows behind those it holds, copied; in a full ring over the oldest.
   *
   * @param k  (rows × numKvHeads·dK), positions already rotated in
   * @param v  (rows × numKvHeads·dV)
   * @throws ShapeError  if a shape differs or the rows do not fit: the cache is then as before; TypeError for wrong kinds
   */
  append(k: Matrix, v: Matrix): void {
    const where = 'KVCache.append';
    requireArguments(where, arguments.length, 2);
    this.#requireLive(where);
    requireMatrix(where, 'k', k);
    requireMatrix(where, 'v', v);
    const [kCols, vCols] = [this.numKvHeads * this.dK, this.numKvHeads * this.dV];
    if (k.cols !== kCols || v.cols !== vCols || k.rows !== v.rows) {
      const rule = `k and v must be (rows × ${kCols}) and (rows × ${vCols})`;
      throw shapeError(where, rule, `k is ${shapeText(k)}, v is ${shapeText(v)}`);
    }
    requireRoom(where, this, k.rows);
    this.#keys.append(k.data, this.#position, this.#replaced);
    this.#values.append(v.data, this.#position, this.#replaced);
    this.#position += k.rows;
    this.#appended = k.rows;
  }

  /**
   * Attention of the rows appended last to all rows held. Causal unless the options say otherwise.
   *
   * @param q  (rows × numHeads·dK), rows ≤ length, or ≤ those appended last: the queries of the last rows
   * @returns  (rows × numHeads·dV)
   * @throws ShapeError  if q has another width or more rows than the cache holds, or a ring that has overwritten rows gets
   *   a mask, keyMask or bias or more rows of q than were appended last; TypeError for wrong kinds and unknown options
   */
  attend(q: Matrix, options: KVCacheAttendOptions = {}): Matrix {
    const where = 'KVCache.attend';
    this.#requireLive(where);
    requireMatrix(where, 'q', q);
    requireOptions(where, options, ATTEND_OPTIONS);
    requireArguments(where, arguments.length, 2);
    if (q.rows > Math.max(this.length, this.#appended)) {
      throw shapeError(where, 'q must have at most the rows held', `q has ${q.rows}, the cache holds ${this.length}`);
    }
    const { numHeads = this.numKvHeads, causal = true } = options;
    // 0.1 µs a call; a spread before other fields takes V8 of Node 20 2.4 µs.
    const merged = Object.assign({}, options, { numHeads, causal, numKvHeads: this.numKvHeads });
    const held = this.held(where, q.rows, merged);
    return attend(where, q, held.k, held.v, held.options, 0);
  }

  /**
   * Forgets all rows from the n-th on.
   *
   * @throws ShapeError  if n is no integer from 0 to length, or rows must go from a ring that has overwritten others:
   *   those would be missing
   */
  truncate(n: number): void {
    const where = 'KVCache.truncate';
    requireArguments(where, arguments.length, 1);
    this.#requireLive(where);
    requireInteger(where, 'n', n, 0, this.length);
    if (n === this.length) return;
    if (this.#position > this.capacity && n > 0) {
      const given = `${this.#position} appended, capacity ${this.capacity}`;
      throw shapeError(where, 'a ring must not have overwritten rows', given, 'reset it, or fork it before');
    }
    this.#position = n;
    this.#appended = 0;
    this.#keys.forgetOverwritten();
    this.#values.forgetOverwritten();
  }

  /** Forgets all rows. */
  reset(): void {
    requireArguments('KVCache.reset', arguments.length, 0);
    this.#requireLive('KVCache.reset');
    this.truncate(0);
  }

  /**
   * Gives its memory back now; that of a cache which is only dropped comes back after the garbage collector has found it.
   * Every later use throws a TypeError; releasing it again does nothing.
   *
   * @example const cache = attention.createCache({ capacity: 1024 }); try { attention.step(x, cache); } finally { cache.release(); }
   */
  release(): void {
    requireArguments('KVCache.release', arguments.length, 0);
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#position = 0;
    this.#appended = 0;
    if (this.#replaced === undefined) this.#free(); // else a step is under way, in whose hook this may be
  }

  #free(): void {
    this.#keys.release();
    this.#values.release();
  }

  #requireLive(where: string): void {
    if (this.#isReleased) throw releasedCache(where, 'the cache', 'it was');
  }

  /** A cache of its own with the same rows: one beginning, several continuations. @throws RangeError  if kernel memory is full */
  fork(): KVCache {
    requireArguments('KVCache.fork', arguments.length, 0);
    this.#requireLive('KVCache.fork');
    const { capacity, numKvHeads, dK, dV, mode, sinkTokens } = this;
    const copy = new KVCache({ capacity, numKvHeads, dK, dV, mode, sinkTokens });
    copy.#keys.copyFrom(this.#keys, this.#position);
    copy.#values.copyFrom(this.#values, this.#position);
    copy.#position = this.#position;
    copy.#appended = this.#appended;
    return copy;
  }

  /** From here on `endMark` can put everything back. Every mark is ended, the last one first. @internal */
  mark(): CacheMark {
    const { spans = [] } = this.#replaced ?? {};
    const outer = this.#replaced;
    this.#replaced = { slots: Math.max(this.length, outer?.slots ?? 0), spans };
    const overwritten = [this.#keys.overwritten, this.#values.overwritten] as const;
    return { position: this.#position, appended: this.#appended, overwritten, spans: spans.length, outer };
  }

  /** Ends a mark: the cache is as it was there, or if not undone as it is. @internal */
  endMark({ position, appended, overwritten, spans, outer }: CacheMark, isUndone: boolean): void {
    const kept = this.#replaced?.spans ?? [];
    this.#replaced = outer;
    if (this.#isReleased) {
      if (outer === undefined) this.#free();
      return;
    }
    if (!isUndone) return;
    for (const { of, slot, rows } of kept.splice(spans).reverse()) of.restore(slot, rows);
    this.#position = position;
    this.#appended = appended;
    this.#keys.restoreOverwritten(overwritten[0]);
    this.#values.restoreOverwritten(overwritten[1]);
  }

  /**
   * What so many queries of the rows appended last attend to, and the options to do it with; `inOrder` asks for rows in
   * the order of their positions.
   *
   * @internal
   */
  held(where: string, queries: number, options: AttentionOptions, inOrder = false): Held {
    this.#requireLive(where);
    const { capacity, sinkTokens: sinks } = this;
    const position = this.#position;
    if (position <= capacity) return { ...this.#joined((rows) => [rows.held(position)]), options };
    for (const name of [...optionsOf('perPair'), ...optionsOf('perKey')]) {
      if (options[name] === undefined) continue;
      throw shapeError(where, `${name} must be absent once a ring has overwritten rows`, 'got one');
    }
    if (queries > this.#appended) {
      const given = `q has ${queries}, appended were ${this.#appended}`;
      throw shapeError(where, 'q must have at most the rows that a full ring was given last', given);
    }
    const ring = capacity - sinks;
    const causal = options.causal !== false;
    const { left, right } = checkReach(where, options);
    // One query of the newest row sees every row held, in whatever order.
    if (!inOrder && queries === 1 && !options.alibi && left >= (sinks === 0 ? ring - 1 : position)) {
      return { ...this.#joined((rows) => [rows.held(position)]), options: { ...options, window: undefined } };
    }
    const ordered = this.#joined((rows) => rows.inOrder(position, causal && queries > 1));
    if (sinks === 0) {
      return { ...ordered, options: { ...options, causal, window: [causal ? Math.min(left, ring - 1) : left, right] } };
    }
    const keys = ordered.k.rows;
    const first = position - (keys - sinks);
    const gapped = { sinks, first, keys, queries, position: position - queries, ring };
    return { ...ordered, options: withoutPositions(where, gapped, options) };
  }

  /** The parts of each array, one after another; copied where a tape keeps them: later appends write over them. */
  #joined(parts: (rows: CacheRows) => Floats[]): KeysAndValues {
    const join = (rows: CacheRows) => {
      const matrices = parts(rows).map((part) => wrap(part.length / rows.cols, rows.cols, part));
      if (matrices.length > 1) return Matrix.concatRows(matrices);
      return isRecording() ? wrap(matrices[0].rows, rows.cols, copied(matrices[0].data)) : matrices[0];
    };
    return { k: join(this.#keys), v: join(this.#values) };
  }
}

export function releasedCache(where: string, name: string, given: string): TypeError {
  return kindError(where, `${name} must not be released`, given, 'make another one');
}

/** A linear cache must have room for so many rows more. */
export function requireRoom(where: string, { mode, length, capacity }: KVCache, rows: number): void {
  if (mode === 'ring' || length + rows <= capacity) return;
  const given = `${length} held, ${rows} more, capacity ${capacity}`;
  throw shapeError(where, 'the rows must fit', given, 'build it with more capacity, or truncate or reset it');
}
