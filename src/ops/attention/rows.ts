import { requireArrayLike, requireInteger } from '../../core/errors.js';
import type { AttentionProblem } from '../../kernels/contract.js';

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
  const at = (rowsPerHead: number) => (rowsPerHead * head + row) * columns;
  return {
    ...problem,
    q: q.subarray(row * numHeads * dK, (row + 1) * numHeads * dK),
    k: k.subarray(first * numKvHeads * dK, end * numKvHeads * dK),
    cuSeqlens: Int32Array.of(0, 1),
    cuSeqlensK: Int32Array.of(0, end - first),
    offsets: Int32Array.of(problem.offsets[sequence] + row - cuSeqlens[sequence]),
    mask: problem.mask?.subarray(at(problem.maskRowsPerHead), at(problem.maskRowsPerHead) + end - first),
    maskRowsPerHead: 0,
    keyMask: problem.keyMask?.subarray(first, end),
    bias: problem.bias?.subarray(at(problem.biasRowsPerHead), at(problem.biasRowsPerHead) + end - first),
    biasRowsPerHead: 0,
    columns: end - first,
  };
}
