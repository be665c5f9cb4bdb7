import { Matrix } from '../matrix.js';
import { type AttentionOptions, attentionProblem } from '../ops/attention-options.js';

// Keys that every query may attend to, whatever masks say (torch's add_bias_kv and add_zero_attn). They stand before the
// first key of each sequence, so that "up to my own position" includes them; attention weights show them last, as torch.

/** One row of k (1 × numKvHeads·dK) and of v (1 × numKvHeads·dV). */
export interface ExtraKey {
  k: Matrix;
  v: Matrix;
}

/** k, v and the options of a call, with the extra keys; the options are checked against k as it came. */
export function withExtraKeys(
  where: string,
  extra: readonly ExtraKey[],
  q: Matrix,
  k: Matrix,
  v: Matrix,
  options: AttentionOptions,
): { k: Matrix; v: Matrix; options: AttentionOptions } {
  const { cuSeqlens, cuSeqlensK, mask, keyMask, columns } = attentionProblem(where, q, k, options);
  const count = extra.length;
  const { bias, causal } = options;
  const shifted: AttentionOptions = {
    ...options,
    cuSeqlens,
    cuSeqlensK: cuSeqlensK.map((offset, s) => offset + s * count),
    mask: mask && columns > 0 ? prependFlags(mask, count, rowStarts(mask.length, columns)) : undefined,
    keyMask: keyMask && prependFlags(keyMask, count, cuSeqlensK),
    bias: bias && Matrix.concatColumns([new Matrix(bias.rows, count), bias]),
    ...(causal === 'top-left' ? { causal: true, causalOffset: count } : {}),
  };
  const keys = extra.map((row) => row.k);
  const values = extra.map((row) => row.v);
  return { k: prependRows(k, keys, cuSeqlensK), v: prependRows(v, values, cuSeqlensK), options: shifted };
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

function rowStarts(length: number, columns: number): Int32Array {
  return Int32Array.from({ length: length / columns + 1 }, (_, r) => r * columns);
}
