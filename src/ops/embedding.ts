import { describe, kindError, requireArrayLike, requireSize, shapeError } from '../core/errors.js';
import { layouts } from '../kernels/families.js';
import { backwards } from '../kernels/state.js';
import { type Matrix, requireMatrix, result } from '../matrix/matrix.js';

/**
 * Rows ids[0], ids[1] … of the table: (numEmbeddings × dModel) to (ids.length × dModel). The gradient of the table has
 * the rows that were read, but for row `ignored`. Messages call the ids `name`.
 */
export function gatherRows(
  where: string,
  table: Matrix,
  ids: ArrayLike<number>,
  ignored?: number,
  name = 'ids',
): Matrix {
  requireMatrix(where, 'table', table);
  requireArrayLike(where, name, ids);
  requireSize(where, 'the result', ids.length, table.cols);
  const rows: number[] = []; // what is checked is what is used: a list may give another number when it is asked again
  for (let i = 0; i < ids.length; i++) {
    const id: unknown = ids[i];
    if (typeof id !== 'number') {
      const hint = Array.isArray(id) ? 'a batch is packed: all ids in one list, see cuSeqlensFromLengths' : undefined;
      throw kindError(where, `${name}[${i}] must be a number`, `got ${describe(id)}`, hint);
    }
    if (!Number.isInteger(id) || id < 0 || id >= table.rows) {
      throw shapeError(where, `${name} must be integers from 0 to ${table.rows - 1}`, `${name}[${i}] is ${id}`);
    }
    rows.push(id);
  }
  const indices = Int32Array.from(rows); // allocated only where the ids are really there
  const { gatherRows: gather } = layouts();
  const { gatherRowsBackward } = backwards();
  return result([table], {
    rows: indices.length,
    cols: table.cols,
    data: gather(table.data, table.cols, indices), // Y_i = table row ids_i
    backward: (dY) => [gatherRowsBackward(dY, table.cols, indices, ignored)],
  });
}
