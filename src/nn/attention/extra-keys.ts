import { requireSize } from '../../core/errors.js';
import { longestSequence } from '../../core/sequences.js';
import type { AttentionProblem } from '../../kernels/contract.js';
import { Matrix } from '../../matrix/matrix.js';
import type { CheckedAttention } from '../../ops/attention/attention.js';
import { type OptionsOf, optionsOf } from '../../ops/attention/options.js';

// Keys that every query may attend to, whatever masks, causal and windows say, at no distance from it (torch's add_bias_kv
// and add_zero_attn). They stand before the first key of each sequence, where "up to my own position" includes them as a
// rule; where it would not, the band becomes a mask, and ALiBi a bias. Attention weights show them last, as torch.

/** One row of k (1 × numKvHeads·dK) and of v (1 × numKvHeads·dV). */
export interface ExtraKey {
  k: Matrix;
  v: Matrix;
}

/** An attention with the extra keys before the keys of every sequence. */
export function withExtraKeys(
  where: string,
  extra: readonly ExtraKey[],
  { problem, matrices }: CheckedAttention,
): CheckedAttention {
  const { cuSeqlensK, columns, alibi } = problem;
  const count = extra.length;
  const isBand = hidesExtraKeys(problem, count);
  const shifted = cuSeqlensK.map((offset, s) => offset + s * count);
  const given = matrices.bias && Matrix.concatColumns([new Matrix(matrices.bias.rows, count), matrices.bias]);
  const bias = alibi ? withDistances(where, problem, count, given) : given;
  const [k, v] = (['k', 'v'] as const).map((name) => {
    return prependRows(
      matrices[name],
      extra.map((row) => row[name]),
      cuSeqlensK,
    );
  });
  const perPair: { [Name in OptionsOf<'perPair'>]: AttentionProblem[Name] } = {
    mask: isBand || (problem.mask && columns > 0) ? maskWith(where, problem, count, isBand) : undefined,
    bias: bias?.data,
  };
  const distance: { [Name in OptionsOf<'distance'>]: undefined } = { alibi: undefined };
  const own: AttentionProblem = {
    ...problem,
    k: k.data,
    cuSeqlensK: shifted,
    columns: longestSequence(shifted),
    offsets: problem.offsets.map((offset) => offset + count),
    left: isBand ? Number.POSITIVE_INFINITY : problem.left,
    right: isBand ? Number.POSITIVE_INFINITY : problem.right,
    ...perPair,
    biasRowsPerHead: bias !== undefined && bias.rows !== matrices.q.rows ? matrices.q.rows : 0,
    ...distance,
  };
  for (const name of optionsOf('perKey')) {
    const flags = problem[name];
    own[name] = flags && prependFlags(flags, count, cuSeqlensK);
  }
  return { problem: own, matrices: { ...matrices, k, v, bias } };
}

/** The position of query i of every sequence, with its row. */
function eachQuery(
  { cuSeqlens, offsets }: AttentionProblem,
  visit: (row: number, position: number, sequence: number) => void,
): void {
  for (let s = 0; s + 1 < cuSeqlens.length; s++) {
    for (let row = cuSeqlens[s]; row < cuSeqlens[s + 1]; row++) visit(row, offsets[s] + row - cuSeqlens[s], s);
  }
}

/** Whether a query's reach would leave out a key at −count … −1. */
function hidesExtraKeys(problem: AttentionProblem, count: number): boolean {
  const { left, right } = problem;
  let hides = false;
  eachQuery(problem, (_, position) => {
    if (position + right < -1 || position - left > -count) hides = true;
  });
  return hides;
}

/** The mask with ones for the extra keys; as a band, with the reach of every query too. */
function maskWith(where: string, problem: AttentionProblem, count: number, isBand: boolean): Uint8Array {
  const { mask, cuSeqlens, cuSeqlensK, columns, numHeads, left, right } = problem;
  const rows = cuSeqlens[cuSeqlens.length - 1];
  const heads = problem.maskRowsPerHead === 0 ? 1 : numHeads;
  requireSize(where, 'the mask with the extra keys', heads * rows, columns + count);
  const starts = Int32Array.from({ length: heads * rows + 1 }, (_, r) => r * columns);
  const given = mask ?? new Uint8Array(heads * rows * columns).fill(1);
  const flags = prependFlags(given, count, starts);
  if (!isBand) return flags;
  eachQuery(problem, (row, position, s) => {
    const end = cuSeqlensK[s + 1] - cuSeqlensK[s];
    for (let h = 0; h < heads; h++) {
      const own = flags.subarray((h * rows + row) * (columns + count) + count);
      own.fill(0, 0, Math.min(end, Math.max(0, position - left)));
      own.fill(0, Math.min(end, Math.max(0, position + right + 1)), end);
    }
  });
  return flags;
}

/** (numHeads·rows × count + columns): the bias, and what ALiBi takes from the logits of the keys that have a position. */
function withDistances(where: string, problem: AttentionProblem, count: number, bias: Matrix | undefined): Matrix {
  const { alibi = [], cuSeqlens, columns, numHeads } = problem;
  const rows = cuSeqlens[cuSeqlens.length - 1];
  requireSize(where, 'the bias of ALiBi with the extra keys', numHeads * rows, count + columns);
  const distances = new Matrix(numHeads * rows, count + columns);
  eachQuery(problem, (row, position) => {
    for (let h = 0; h < numHeads; h++) {
      const own = distances.row(h * rows + row);
      for (let j = 0; j < columns; j++) own[count + j] = -alibi[h] * Math.abs(position - j);
    }
  });
  if (bias === undefined) return distances;
  const ofHeads = bias.rows === distances.rows ? bias : Matrix.concatRows(Array.from(alibi, () => bias));
  return ofHeads.add(distances);
}

/** Weights over (extra keys, keys) as weights over (keys, extra keys). */
export function extraKeysLast(weights: Matrix, count: number): Matrix {
  return Matrix.concatColumns([weights.sliceColumns(count), weights.sliceColumns(0, count)]);
}

/** The way back. */
export function extraKeysFirst(weights: Matrix, count: number): Matrix {
  const keys = weights.cols - count;
  return Matrix.concatColumns([weights.sliceColumns(keys), weights.sliceColumns(0, keys)]);
}

/** x with the extra rows before the first row of every sequence. */
function prependRows(x: Matrix, extra: readonly Matrix[], cuSeqlens: Int32Array): Matrix {
  const parts: Matrix[] = [];
  for (let s = 0; s + 1 < cuSeqlens.length; s++) parts.push(...extra, x.sliceRows(cuSeqlens[s], cuSeqlens[s + 1]));
  return parts.length === 0 ? x : Matrix.concatRows(parts);
}

/** The flags with `count` ones before every start but the last, which is the end. */
function prependFlags(flags: Uint8Array, count: number, starts: Int32Array): Uint8Array {
  const out = new Uint8Array(flags.length + count * (starts.length - 1)).fill(1);
  for (let s = 0; s + 1 < starts.length; s++) {
    out.set(flags.subarray(starts[s], starts[s + 1]), starts[s] + (s + 1) * count);
  }
  return out;
}
