import { allOrNone } from '../../core/all-or-none.js';
import { brandOf, TWO_COPIES } from '../../core/brands.js';
import { describe, kindError, shapeError } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import { checkCuSeqlens } from '../../core/sequences.js';
import { KVCache, releasedCache, requireRoom } from '../../ops/cache/kv-cache.js';
import type { KVCacheOptions } from '../../ops/cache/options.js';
import type { HeadShape } from './heads.js';

/** As in KVCacheOptions; the layer gives the heads. */
export type CacheOptions = Pick<KVCacheOptions, 'capacity' | 'mode' | 'sinkTokens'>;

export interface StepOptions {
  /** Rows of each cache: cache s gets rows [cuSeqlens[s], cuSeqlens[s + 1]). Default: the same number for each. */
  cuSeqlens?: ArrayLike<number>;
}

const CACHE_OPTIONS: readonly (keyof CacheOptions)[] = ['capacity', 'mode', 'sinkTokens'];

/** A cache for the keys and values of a layer with these heads. */
export function cacheFor(where: string, { numKvHeads, dK, dV }: HeadShape, options: CacheOptions): KVCache {
  requireOptions(where, options, CACHE_OPTIONS, { isRequired: true });
  return new KVCache({ ...options, numKvHeads, dK, dV });
}

/** The caches of a step as a checked list. @param caches  a KVCache, or a list in which each stands once */
export function cacheList(where: string, caches: unknown): readonly KVCache[] {
  if (caches instanceof KVCache) return [requireLive(where, 'the cache', caches)];
  const rule = 'caches must be a KVCache or a list of them, each once';
  if (!Array.isArray(caches)) throw noCache(where, rule, 'got', caches);
  if (caches.length === 0) throw shapeError(where, rule, 'got none');
  for (const [s, cache] of caches.entries()) {
    if (!(cache instanceof KVCache)) throw noCache(where, rule, `caches[${s}] is`, cache);
    requireLive(where, `caches[${s}]`, cache);
    if (caches.indexOf(cache) < s) throw shapeError(where, rule, `caches[${s}] is caches[${caches.indexOf(cache)}]`);
  }
  return caches;
}

/** A cache of another copy of the library is refused, too: its rows lie in private fields of that copy. */
function noCache(where: string, rule: string, place: string, value: unknown): TypeError {
  if (brandOf(value, 'KVCache') === undefined) return kindError(where, rule, `${place} ${describe(value)}`);
  return kindError(where, rule, `${place} a KVCache of another copy of qkv`, TWO_COPIES);
}

function requireLive(where: string, name: string, cache: KVCache): KVCache {
  if (cache.isReleased) throw releasedCache(where, name, 'it was');
  return cache;
}

/** The caches of a step through several layers: for every sequence a list with one per layer, all at one position. */
export function cacheLists(where: string, caches: unknown, layers: number): readonly (readonly KVCache[])[] {
  const isOne = !Array.isArray(caches) || !Array.isArray(caches[0]);
  const lists = (isOne ? [caches] : caches).map((list) => cacheList(where, list));
  cacheList(where, lists.flat()); // each once
  for (const list of lists) {
    if (list.length !== layers) {
      throw shapeError(where, `caches must hold one for each of the ${layers} layers`, `got ${list.length}`);
    }
    const positions = list.map((cache) => cache.position);
    if (positions.some((position) => position !== positions[0])) {
      throw shapeError(where, 'the caches of a sequence must be at one position', `got ${describe(positions)}`);
    }
  }
  return lists;
}

/** The offsets of a step's rows: cache s of `count` gets rows [offsets[s], offsets[s + 1]). */
export function stepOffsets(where: string, count: number, rows: number, options: StepOptions): Int32Array {
  requireOptions(where, options, ['cuSeqlens']);
  const { cuSeqlens } = options;
  if (cuSeqlens === undefined) {
    if (rows % count !== 0) {
      const given = `${rows} rows for ${count} caches`;
      throw shapeError(where, 'every cache must get the same number of rows', given, 'or give cuSeqlens');
    }
    return Int32Array.from({ length: count + 1 }, (_, s) => (rows / count) * s);
  }
  const offsets = checkCuSeqlens(where, 'cuSeqlens', cuSeqlens, rows);
  if (offsets.length === count + 1) return offsets;
  throw shapeError(where, 'cuSeqlens must have one sequence for each cache', `${offsets.length - 1} and ${count}`);
}

/** Every cache must have these heads and room for its rows: to be checked before the first cache is changed. */
export function requireCaches(
  where: string,
  caches: readonly KVCache[],
  offsets: Int32Array,
  { numKvHeads, dK, dV }: HeadShape,
): void {
  for (const [s, cache] of caches.entries()) {
    if (cache.numKvHeads !== numKvHeads || cache.dK !== dK || cache.dV !== dV) {
      const rule = `a cache must have numKvHeads, dK, dV = ${numKvHeads}, ${dK}, ${dV}`;
      throw shapeError(where, rule, `got ${cache.numKvHeads}, ${cache.dK}, ${cache.dV}`, 'make it with createCache');
    }
    requireRoom(where, cache, offsets[s + 1] - offsets[s]);
  }
}

/** The position of every row: each sequence continues at the position of its cache. */
export function stepPositions(caches: readonly KVCache[], offsets: Int32Array): Int32Array {
  const positions = new Int32Array(offsets[offsets.length - 1]);
  for (const [s, { position }] of caches.entries()) {
    for (let row = offsets[s]; row < offsets[s + 1]; row++) positions[row] = position + row - offsets[s];
  }
  return positions;
}

/** Runs f; if it throws, the caches and the counts of dropouts are as before. */
export function restoring<Result>(caches: readonly KVCache[], f: () => Result): Result {
  const marks = caches.map((cache) => cache.mark());
  let isUndone = true;
  try {
    const result = allOrNone(f);
    isUndone = false;
    return result;
  } finally {
    caches.forEach((cache, i) => {
      cache.endMark(marks[i], isUndone);
    });
  }
}
