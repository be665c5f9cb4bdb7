import { requireSize } from '../../core/errors.js';
import { longestSequence } from '../../core/sequences.js';
import type { AttentionProblem } from '../../kernels/attention-problem.js';
import { Matrix } from '../../matrix/matrix.js';
import type { CheckedAttention } from '../../ops/attention/attention.js';
import { type OptionsOf, optionsOf } from '../../ops/attention/options.js';

// Extra keys (torch's add_bias_kv and add_zero_attn): every query may attend to them, whatever masks, causal and windows say,
// and ALiBi takes nothing from them. They come before the first key of each sequence, where causal attention sees them
// anyway. Where causal or a window would hide them, it is turned into a mask; ALiBi is always turned into a bias. Attention
// weights show them last, as torch does.

/** One row of k (1 × numKvHeads·dK) and of v (1 × numKvHeads·dV). */
export interface ExtraKey {
  k: Matrix;
  v: Matrix;
}

/** The attention with the extra keys before the keys of every sequence. */
export function withExtraKeys(
  where: string,
  extraKeys: readonly ExtraKey[],
  { problem, matrices }: CheckedAttention,
): CheckedAttention {
  const { cuSeqlensK, columns, alibi } = problem;
  const count = extraKeys.length;
  const isBand = hidesExtraKeys(problem, count);
  const shifted = cuSeqlensK.map((offset, s) => offset + s * count);
  const widened = matrices.bias && Matrix.concatColumns([new Matrix(matrices.bias.rows, count), matrices.bias]);
  const bias = alibi ? withDistances(where, problem, count, widened) : widened;
  const [k, v] = (['k', 'v'] as const).map((name) => {
    return prependRows(
      matrices[name],
      extraKeys.map((key) => key[name]),
      cuSeqlensK,
    );
  });
  const perPair: { [Name in OptionsOf<'perPair'>]: AttentionProblem[Name] } = {
    mask: isBand || (problem.mask && columns > 0) ? maskWith(where, problem, count, isBand) : undefined,
    bias: bias?.data,
  };
  const distance: { [Name in OptionsOf<'distance'>]: undefined } = { alibi: undefined };
  const extended: AttentionProblem = {
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
    extended[name] = flags && prependFlags(flags, count, cuSeqlensK);
  }
  return { problem: extended, matrices: { ...matrices, k, v, bias } };
}

/** Visits every query: its row, its position among the keys of its sequence, and the number of that sequence. */
function eachQuery(
  { cuSeqlens, offsets }: AttentionProblem,
  visit: (row: number, position: number, sequence: number) => void,
): void {
  for (let s = 0; s + 1 < cuSeqlens.length; s++) {
    for (let row = cuSeqlens[s]; row < cuSeqlens[s + 1]; row++) visit(row, offsets[s] + row - cuSeqlens[s], s);
  }
}

/** Whether the band of any query would leave out one of the keys at positions −count … −1. */
function hidesExtraKeys(problem: AttentionProblem, count: number): boolean {
  const { left, right } = problem;
  let hides = false;
  eachQuery(problem, (_, position) => {
    if (position + right < -1 || position - left > -count) hides = true;
  });
  return hides;
}

/** The mask with ones for the extra keys; if isBand, also with zeros for the keys outside the band of each query. */
function maskWith(where: string, problem: AttentionProblem, count: number, isBand: boolean): Uint8Array {
  const { mask, cuSeqlens, cuSeqlensK, columns, numHeads, left, right } = problem;
  const rows = cuSeqlens[cuSeqlens.length - 1];
  const heads = problem.maskRowsPerHead === 0 ? 1 : numHeads;
  requireSize(where, 'the mask with the extra keys', heads * rows, columns + count);
  const starts = Int32Array.from({ length: heads * rows + 1 }, (_, r) => r * columns);
  const ofKeys = mask ?? new Uint8Array(heads * rows * columns).fill(1);
  const flags = prependFlags(ofKeys, count, starts);
  if (!isBand) return flags;
  eachQuery(problem, (row, position, s) => {
    const end = cuSeqlensK[s + 1] - cuSeqlensK[s];
    for (let h = 0; h < heads; h++) {
      const keyFlags = flags.subarray((h * rows + row) * (columns + count) + count);
      keyFlags.fill(0, 0, Math.min(end, Math.max(0, position - left)));
      keyFlags.fill(0, Math.min(end, Math.max(0, position + right + 1)), end);
    }
  });
  return flags;
}

/** (numHeads·rows × (count + columns)): the bias, minus what ALiBi takes from the logits of all keys but the extra ones. */
function withDistances(where: string, problem: AttentionProblem, count: number, bias: Matrix | undefined): Matrix {
  const { alibi = [], cuSeqlens, columns, numHeads } = problem;
  const rows = cuSeqlens[cuSeqlens.length - 1];
  requireSize(where, 'the bias of ALiBi with the extra keys', numHeads * rows, count + columns);
  const distances = new Matrix(numHeads * rows, count + columns);
  eachQuery(problem, (row, position) => {
    for (let h = 0; h < numHeads; h++) {
      const logits = distances.row(h * rows + row);
      for (let j = 0; j < columns; j++) logits[count + j] = -alibi[h] * Math.abs(position - j);
    }
  });
  if (bias === undefined) return distances;
  const perHead = bias.rows === distances.rows ? bias : Matrix.concatRows(Array.from(alibi, () => bias));
  return perHead.add(distances);
}

/** Moves the columns of the extra keys from the first to the last. */
export function extraKeysLast(weights: Matrix, count: number): Matrix {
  return Matrix.concatColumns([weights.sliceColumns(count), weights.sliceColumns(0, count)]);
}

/** Undoes extraKeysLast. */
export function extraKeysFirst(weights: Matrix, count: number): Matrix {
  const keys = weights.cols - count;
  return Matrix.concatColumns([weights.sliceColumns(keys), weights.sliceColumns(0, keys)]);
}

/** x with the extra rows before the first row of every sequence. */
function prependRows(x: Matrix, extraRows: readonly Matrix[], cuSeqlens: Int32Array): Matrix {
  const parts: Matrix[] = [];
  for (let s = 0; s + 1 < cuSeqlens.length; s++) parts.push(...extraRows, x.sliceRows(cuSeqlens[s], cuSeqlens[s + 1]));
  return parts.length === 0 ? x : Matrix.concatRows(parts);
}

/** The flags with `count` ones before every start but the last, which is the end of the flags. */
function prependFlags(flags: Uint8Array, count: number, starts: Int32Array): Uint8Array {
  const out = new Uint8Array(flags.length + count * (starts.length - 1)).fill(1);
  for (let s = 0; s + 1 < starts.length; s++) {
    out.set(flags.subarray(starts[s], starts[s + 1]), starts[s] + (s + 1) * count);
  }
  return out;
}
