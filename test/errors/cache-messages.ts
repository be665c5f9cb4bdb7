import { KVCache, type KVCacheOptions, Matrix, ShapeError } from '../../src/index.js';
import { anything, type BadCall } from './bad-call.js';

/** Three rows held of at most four. */
function cache(): KVCache {
  const held = new KVCache({ capacity: 4, dK: 2, numKvHeads: 2 });
  held.append(new Matrix(3, 4), new Matrix(3, 4));
  return held;
}

function built(options: Record<string, unknown>): () => unknown {
  return () => new KVCache(options as unknown as KVCacheOptions);
}

function released(): KVCache {
  const held = cache();
  held.release();
  return held;
}

const q = new Matrix(2, 4);

export const cacheMessages: readonly BadCall[] = [
  [
    'new KVCache',
    built({ capacity: 0, dK: 2 }),
    ShapeError,
    'KVCache: capacity must be an integer of at least 1: got 0',
  ],
  [
    'new KVCache',
    built({ capacity: 4, dK: 2, numKvHeads: 1.5 }),
    ShapeError,
    'KVCache: numKvHeads must be an integer of at least 1: got 1.5',
  ],
  [
    'new KVCache',
    built({ capacity: 1e9, dK: 64 }),
    ShapeError,
    'KVCache: the keys must have at most 2147483647 rows, columns and entries: got 1000000000×64',
  ],
  ['new KVCache', built({ capacity: 4 }), TypeError, 'KVCache: dK must be a number: got undefined'],
  [
    'new KVCache',
    built({ capacity: 4, dk: 2 }),
    TypeError,
    'KVCache: every option must be known: got "dk" (did you mean dK?)',
  ],
  ['new KVCache', () => new KVCache(anything(4)), TypeError, 'KVCache: options must be an object: got 4'],
  [
    'KVCache.append',
    () => released().append(q, q),
    TypeError,
    'KVCache.append: the cache must not be released: it was (make another one)',
  ],
  [
    'KVCache.attend',
    () => released().attend(q),
    TypeError,
    'KVCache.attend: the cache must not be released: it was (make another one)',
  ],
  [
    'KVCache.truncate',
    () => released().truncate(0),
    TypeError,
    'KVCache.truncate: the cache must not be released: it was (make another one)',
  ],
  [
    'KVCache.append',
    () => cache().append(q, q),
    ShapeError,
    'KVCache.append: the rows must fit: 3 held, 2 more, capacity 4 (build it with more capacity, or truncate or reset it)',
  ],
  [
    'KVCache.append',
    () => cache().append(new Matrix(1, 2), new Matrix(1, 4)),
    ShapeError,
    'KVCache.append: k and v must be (rows × 4) and (rows × 4): k is 1×2, v is 1×4',
  ],
  [
    'KVCache.append',
    () => cache().append(new Matrix(1, 4), new Matrix(0, 4)),
    ShapeError,
    'KVCache.append: k and v must be (rows × 4) and (rows × 4): k is 1×4, v is 0×4',
  ],
  [
    'KVCache.append',
    () => cache().append(q, anything(undefined)),
    TypeError,
    'KVCache.append: v must be a Matrix: got undefined',
  ],
  [
    'KVCache.attend',
    () => cache().attend(new Matrix(4, 4)),
    ShapeError,
    'KVCache.attend: q must have at most the rows held: q has 4, the cache holds 3',
  ],
  [
    'KVCache.attend',
    () => cache().attend(new Matrix(2, 6)),
    ShapeError,
    'KVCache.attend: k must have numKvHeads·dK = 2·3 columns: q is 2×6, k is 3×4',
  ],
  [
    'KVCache.attend',
    () => cache().attend(q, { numHeads: 3 }),
    ShapeError,
    'KVCache.attend: numHeads must be divisible by numKvHeads: 3 is not divisible by 2',
  ],
  [
    'KVCache.attend',
    () => cache().attend(q, anything({ causalOffset: 1 })),
    TypeError,
    'KVCache.attend: every option must be known: got "causalOffset" (did you mean causal?)',
  ],
  [
    'KVCache.attend',
    () => cache().attend(anything([1, 2])),
    TypeError,
    'KVCache.attend: q must be a Matrix: got [1, 2]',
  ],
  [
    'KVCache.truncate',
    () => cache().truncate(4),
    ShapeError,
    'KVCache.truncate: n must be an integer from 0 to 3: got 4',
  ],
  [
    'KVCache.truncate',
    () => cache().truncate(-1),
    ShapeError,
    'KVCache.truncate: n must be an integer from 0 to 3: got -1',
  ],
  [
    'KVCache.truncate',
    () => cache().truncate(anything('1')),
    TypeError,
    'KVCache.truncate: n must be a number: got "1"',
  ],
];
