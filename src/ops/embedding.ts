import { describe, kindError, requireArrayLike, shapeError } from '../core/errors.js';
import { kernels } from '../kernels/state.js';
import { type Matrix, wrap } from '../matrix.js';

/** Rows ids[0], ids[1] … of the table: (numEmbeddings × dModel) to (ids.length × dModel). */
export function gatherRows(where: string, table: Matrix, ids: ArrayLike<number>): Matrix {
  requireArrayLike(where, 'ids', ids);
  const rows = new Int32Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    const id: unknown = ids[i];
    if (typeof id !== 'number') throw kindError(where, `ids[${i}] must be a number`, `got ${describe(id)}`);
    if (!Number.isInteger(id) || id < 0 || id >= table.rows) {
      throw shapeError(where, `ids must be integers from 0 to ${table.rows - 1}`, `ids[${i}] is ${id}`);
    }
    rows[i] = id;
  }
  return wrap(ids.length, table.cols, kernels().gatherRows(table.data, table.cols, rows));
}
