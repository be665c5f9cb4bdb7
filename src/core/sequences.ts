import { requireArguments } from './arguments.js';
import type { OwnIntegers } from './array-types.js';
import { describe, requireArrayLike, requireInteger, shapeError } from './errors.js';

/**
 * Cumulative offsets of a packed batch from the lengths of its sequences: [3, 0, 2] gives [0, 3, 3, 5].
 *
 * @param lengths  rows of each sequence, integers of at least 0
 * @returns  lengths.length + 1 offsets; sequence s is rows [cuSeqlens[s], cuSeqlens[s + 1])
 * @throws ShapeError  if a length is not an integer of at least 0 or the sum passes 2^31 − 1; TypeError for wrong kinds
 * @see Dao 2022, FlashAttention, https://github.com/Dao-AILab/flash-attention, `cu_seqlens`
 * @example const offsets = cuSeqlensFromLengths([3, 2]); // [0, 3, 5]
 */
export function cuSeqlensFromLengths(lengths: ArrayLike<number>): OwnIntegers {
  const where = 'cuSeqlensFromLengths';
  requireArguments(where, arguments.length, 1);
  requireArrayLike(where, 'lengths', lengths);
  let total = 0;
  for (let s = 0; s < lengths.length; s++) {
    requireInteger(where, `lengths[${s}]`, lengths[s], 0);
    total += lengths[s];
    if (total > 0x7fffffff) {
      throw shapeError(where, 'lengths must sum to at most 2147483647', `got ${total} at entry ${s}`);
    }
  }
  const offsets = new Int32Array(lengths.length + 1); // after the loop: every length is really there
  for (let s = 0; s < lengths.length; s++) offsets[s + 1] = offsets[s] + lengths[s];
  return offsets;
}

/**
 * A checked copy of a user's offsets for a packed matrix of `rows` rows: at least one entry, the first 0, never decreasing,
 * the last equal to `rows`.
 */
export function checkCuSeqlens(where: string, name: string, cuSeqlens: unknown, rows: number): Int32Array {
  requireArrayLike(where, name, cuSeqlens);
  const length = cuSeqlens.length;
  const fail = (found: string) => {
    throw shapeError(
      where,
      `${name} must start at 0, never decrease and end at ${rows} rows`,
      `got ${describe(cuSeqlens.length > 8 ? cuSeqlens : Array.from(cuSeqlens))}, ${found}`,
    );
  };
  if (length === 0) fail('no entry');
  let previous = 0;
  for (let s = 0; s < length; s++) {
    const offset = cuSeqlens[s];
    if (typeof offset !== 'number' || !Number.isInteger(offset)) fail(`entry ${s} is ${describe(offset)}`);
    const high = s === 0 ? 0 : rows;
    if ((offset as number) < previous || (offset as number) > high) fail(`entry ${s} is ${offset}`);
    previous = offset as number;
  }
  if (previous !== rows) fail(`entry ${length - 1} is ${previous}`);
  const offsets = new Int32Array(length); // after the loop: every entry is really there
  for (let s = 0; s < length; s++) offsets[s] = cuSeqlens[s] as number;
  return offsets;
}

/** The offsets of a batch that is one sequence. */
export function singleSequence(rows: number): Int32Array {
  return Int32Array.of(0, rows);
}

/** The number of rows of the longest sequence, 0 for an empty batch. */
export function longestSequence(cuSeqlens: Int32Array): number {
  let longest = 0;
  for (let s = 0; s + 1 < cuSeqlens.length; s++) longest = Math.max(longest, cuSeqlens[s + 1] - cuSeqlens[s]);
  return longest;
}

/** The position of every row within its own sequence: [0, 3, 5] gives 0 1 2 0 1. */
export function packedPositions(cuSeqlens: Int32Array): Int32Array {
  const positions = new Int32Array(cuSeqlens[cuSeqlens.length - 1]);
  for (let s = 0; s + 1 < cuSeqlens.length; s++) {
    for (let row = cuSeqlens[s]; row < cuSeqlens[s + 1]; row++) positions[row] = row - cuSeqlens[s];
  }
  return positions;
}
