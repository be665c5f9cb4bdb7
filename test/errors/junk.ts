import { Matrix } from '../../src/index.js';
import { fc } from '../support/property.js';

// Values of every kind, none of them able to ask for gigabytes: sizes are small, or past the largest that may be allocated.

const numbers = fc.constantFrom(
  ...[0, -0, 1, 2, 3, 4, 5, 6, 8, -1, -2, 0.5, 1.5, -2.5, 1e-300, 1e-7],
  ...[2 ** 31, 2 ** 32, 2 ** 32 + 4, 2 ** 40, 2 ** 53 - 1, 2 ** 53, 1e300, -(2 ** 31), -(2 ** 53), -1e300],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
);

const words = fc.oneof(
  fc.constantFrom('', 'junk', '3', 'NaN', 'top-left', 'tanh', 'halves', 'torch', 'masked', 'reference', 'float64'),
  fc.constantFrom('a: b (c)', ' ', 'line\nbreak', '\u0000', '\ud800', 'x'.repeat(200), '__proto__', 'rows'),
  fc.string(),
);

const others = fc.constantFrom<unknown[]>(
  ...[
    undefined,
    null,
    true,
    false,
    5n,
    -1n,
    Symbol('junk'),
    () => 1,
    class Junk {},
    /junk/,
    new Date(0),
    new Error('no'),
  ],
  ...[new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), new Set([1]), new WeakMap(), Object(3), Object('no')],
  ...[Promise.resolve(1), Object.create(null), new Map(), new Map([[Symbol('name'), 1]]), {}, globalThis.Math],
);

const leaves = fc.oneof({ weight: 3, arbitrary: numbers }, words, others);

/** A list with holes. */
function sparse(length: number, entries: Record<number, unknown>): unknown[] {
  return Object.assign(new Array(length), entries);
}

const lists = fc.oneof(
  fc.array(leaves, { maxLength: 6 }),
  fc.array(numbers, { maxLength: 6 }),
  fc.array(leaves, { maxLength: 3 }).map((list) => Object.freeze(list)),
  fc.array(fc.array(leaves, { maxLength: 5 }), { maxLength: 5 }),
  fc.array(leaves, { maxLength: 4 }).map((list) => ({ ...list, length: list.length })),
  fc.constantFrom<unknown[]>(
    sparse(2, { 1: 1 }),
    sparse(3, { 0: 1, 2: 2 }),
    sparse(3, { 0: [1], 2: [2] }),
    sparse(3, {}),
  ),
  // Lengths that are only claimed.
  fc.constantFrom<unknown[]>(
    ...[2 ** 32 - 1, 2 ** 31].map((length) => Object.assign([], { length })),
    ...[2 ** 40, 2 ** 53 - 1, 2 ** 53, -1, 1.5, '2', Number.NaN].map((length) => ({ length })),
    { length: 2 ** 40, 0: 0 },
  ),
);

const sizes = fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 8, 10, 16, 20, 25, 50);

const typedArrays = fc
  .tuple(sizes, fc.constantFrom(Float32Array, Float64Array, Int32Array, Uint8Array, Uint8ClampedArray), numbers)
  .map(([length, Kind, value]) => new Kind(length).fill(value));

const matrices = fc
  .tuple(sizes, sizes, numbers)
  .map(([rows, cols, value]) => new Matrix(rows, cols, new Float32Array(rows * cols).fill(value)));

const tensors = fc.record({
  dtype: fc.oneof(fc.constant('F32'), leaves),
  shape: fc.oneof(fc.constant([4, 2]), lists, leaves),
  data: fc.oneof(fc.constant(new Float32Array(8)), typedArrays, leaves),
});

const maps = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom('W', 'b'), leaves), fc.oneof(tensors, leaves)), { maxLength: 3 })
  .map((entries) => new Map<unknown, unknown>(entries));

const bags = fc.dictionary(
  fc.constantFrom(
    'numHeads',
    'causal',
    'casual',
    'scale',
    'seed',
    'bias',
    'key',
    'value',
    'base',
    'dim',
    'mask',
    'heads',
  ),
  fc.oneof(leaves, lists, matrices),
  { maxKeys: 3 },
);

/** Anything at all. */
export const junk: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: numbers },
  words,
  others,
  { weight: 2, arbitrary: lists },
  typedArrays,
  fc.constant(new BigInt64Array(4)),
  { weight: 2, arbitrary: matrices },
  maps,
  bags,
);
