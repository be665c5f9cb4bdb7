import { requireArrayLike, requireInteger } from '../../core/errors.js';
import type { AttentionProblem } from '../../kernels/attention-problem.js';
import { optionsOf } from './options.js';

/** Numbers of query rows; undefined stands for all. */
export function checkRowList(where: string, rows: unknown, count: number): number[] | undefined {
  if (rows === undefined) return undefined;
  requireArrayLike(where, 'rows', rows);
  return Array.from({ length: rows.length }, (_, i) => {
    const row = rows[i];
    requireInteger(where, `rows[${i}]`, row, 0, count - 1);
    return row;
  });
}

/** What one query row of one head sees: an attention of one sequence, with its keys, masks and position. */
export function rowProblem(problem: AttentionProblem, sequence: number, head: number, row: number): AttentionProblem {
  const { q, k, numHeads, numKvHeads, dK, cuSeqlens, cuSeqlensK, columns } = problem;
  const [first, end] = [cuSeqlensK[sequence], cuSeqlensK[sequence + 1]];
  const ofRow: AttentionProblem = {
    ...problem,
    q: q.subarray(row * numHeads * dK, (row + 1) * numHeads * dK),
    k: k.subarray(first * numKvHeads * dK, end * numKvHeads * dK),
    cuSeqlens: Int32Array.of(0, 1),
    cuSeqlensK: Int32Array.of(0, end - first),
    offsets: Int32Array.of(problem.offsets[sequence] + row - cuSeqlens[sequence]),
    columns: end - first,
  };
  for (const name of optionsOf('perPair')) {
    const at = (problem[`${name}RowsPerHead`] * head + row) * columns;
    Object.assign(ofRow, { [name]: problem[name]?.subarray(at, at + end - first), [`${name}RowsPerHead`]: 0 });
  }
  for (const name of optionsOf('perKey')) Object.assign(ofRow, { [name]: problem[name]?.subarray(first, end) });
  return ofRow;
}
