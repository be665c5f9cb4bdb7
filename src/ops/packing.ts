import { requireArguments } from '../core/arguments.js';
import type { OwnIntegers } from '../core/array-types.js';
import { requireCount } from '../core/errors.js';
import { checkCuSeqlens, cuSeqlensFromLengths } from '../core/sequences.js';
import { equalSize } from '../matrix/checks.js';
import { Matrix, requireMatrices, requireMatrix } from '../matrix/matrix.js';

/**
 * Stacks sequences into one matrix, without padding: a batch for every function that takes `cuSeqlens`.
 *
 * @param sequences  at least one, each (its length × cols)
 * @returns  packed (sum of lengths × cols) and cuSeqlens (one more entry than sequences)
 * @throws ShapeError  if they differ in columns or there is none; TypeError for wrong kinds
 * @example const { packed, cuSeqlens } = pack([a, b]); const out = attention.forward(packed, { cuSeqlens });
 */
export function pack(sequences: readonly Matrix[]): { packed: Matrix; cuSeqlens: OwnIntegers } {
  requireArguments('pack', arguments.length, 1);
  requireMatrices('pack', 'sequences', sequences);
  equalSize('pack', 'sequences', 'cols', sequences);
  const cuSeqlens = cuSeqlensFromLengths(sequences.map((sequence) => sequence.rows));
  return { packed: Matrix.concatRows(sequences), cuSeqlens };
}

/**
 * The sequences of a packed matrix, copied out.
 *
 * @param packed  (total rows × cols)
 * @param cuSeqlens  as pack returned it
 * @throws ShapeError  if cuSeqlens does not fit packed; TypeError for wrong kinds
 * @example const [a, b] = unpack(packed, cuSeqlens);
 */
export function unpack(packed: Matrix, cuSeqlens: ArrayLike<number>): Matrix[] {
  requireArguments('unpack', arguments.length, 2);
  requireMatrix('unpack', 'packed', packed);
  const offsets = checkCuSeqlens('unpack', 'cuSeqlens', cuSeqlens, packed.rows);
  requireCount('unpack', 'the number of sequences', offsets.length - 1);
  return Array.from({ length: offsets.length - 1 }, (_, s) => packed.sliceRows(offsets[s], offsets[s + 1]));
}
