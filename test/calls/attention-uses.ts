import { type AttentionOptions, Matrix } from '../../src/index.js';
import type { Table } from '../support/tensor.js';
import type { Use, Uses } from './callable.js';
import { type PlainAttention, type PlainOptions, plainAttention, rowsOf, stack } from './plain.js';

// Every option of AttentionOptions, once, for all the places that take them: q has two heads of 2 columns, k and v one.

/** The other options of every use. */
export const HEADS: AttentionOptions = { numHeads: 2, numKvHeads: 1 };

/** An option and what it means in plain formulas. */
interface AttentionUse<T> extends Pick<Use<T, AttentionOptions>, 'value' | 'base' | 'needed'> {
  plain?: PlainOptions;
  /** Where the sequences of q and of k start and end. */
  packed?: [number[], number[]];
}

type AttentionUses = { [K in keyof AttentionOptions]-?: AttentionUse<AttentionOptions[K]>[] };

/** What an option gives in one place, from the plain steps of the attention. */
export type Expected = (steps: PlainAttention) => unknown;

/** Uses for lq queries and lk = 5 keys, with the result that `expected` picks; `q`, `k`, `v` are those the place attends with. */
export function attentionUses(
  [q, k, v]: readonly [Table, Table, Table],
  expected: Expected,
  replaced: Partial<Uses<AttentionOptions>> = {},
): Partial<Uses<AttentionOptions>> {
  const uses = Object.entries<AttentionUse<unknown>[]>(tableOfUses(q.rows, k.rows)).map(([name, list]) => [
    name,
    list.map(({ plain, packed, ...use }) => ({
      ...use,
      expected: (plain || packed) && (() => expected(plainPacked(q, k, v, plain, packed))),
    })),
  ]);
  return { ...Object.fromEntries(uses), ...replaced };
}

function tableOfUses(lq: number, lk: number): AttentionUses {
  const offset = lk - lq;
  const flag = (h: number, i: number, j: number) => (h + i + 2 * j) % 3 !== 0;
  const flags = (heads: number) =>
    Array.from({ length: heads * lq }, (_, r) =>
      Array.from({ length: lk }, (_, j) => flag(Math.floor(r / lq), r % lq, j)),
    );
  const bytes = (heads: number) => Uint8Array.from(flags(heads).flat(), Number);
  const added = (h: number, i: number, j: number) => {
    return i === 1 && j === 2 ? Number.NEGATIVE_INFINITY : ((7 * h + 3 * i + 5 * j) % 4) / 2 - 0.75;
  };
  const bias = (heads: number) => {
    const rows = Array.from({ length: heads * lq }, (_, r) =>
      Array.from({ length: lk }, (_, j) => added(Math.floor(r / lq), r % lq, j)),
    );
    return Matrix.from(rows);
  };
  const within = (left: number, right: number, at = offset): PlainOptions => ({
    mayAttend: (_, i, j) => i + at - left <= j && j <= i + at + right,
  });
  const slope = (slopes: readonly number[]): PlainOptions => ({
    bias: (h, i, j) => -slopes[h] * Math.abs(i + offset - j),
  });
  const open = Number.POSITIVE_INFINITY;
  const keys = [0, 2, lk];
  const queries = lq === lk ? keys : [0, 1, lq];
  return {
    numHeads: [
      {
        value: 4,
        base: { numHeads: undefined, numKvHeads: 2 },
        plain: { numHeads: 4, numKvHeads: 2 },
        needed: true,
      },
    ],
    numKvHeads: [
      { value: 2, base: { numHeads: 4, numKvHeads: undefined }, plain: { numHeads: 4, numKvHeads: 2 }, needed: true },
    ],
    scale: [
      { value: 0.25, plain: { scale: 0.25 } },
      { value: 0, plain: { scale: 0 } },
      { value: -2, plain: { scale: -2 } },
    ],
    causal: [
      { value: true, plain: within(open, 0) },
      { value: 'top-left', plain: within(open, 0, 0) },
    ],
    causalOffset: [
      { value: 1, base: { causal: true }, plain: within(open, 0, 1) },
      { value: -1, base: { window: 1 }, plain: within(1, 1, -1) },
    ],
    window: [
      { value: 1, plain: within(1, 1) },
      { value: 1, base: { causal: true }, plain: within(1, 0) },
      { value: [2, 0], plain: within(2, 0) },
      { value: [open, 1], base: { causalOffset: 0 }, plain: within(open, 1, 0) },
    ],
    mask: [
      { value: bytes(1), plain: { mayAttend: (_, i, j) => flag(0, i, j) } },
      { value: flags(1), plain: { mayAttend: (_, i, j) => flag(0, i, j) } },
      { value: bytes(2), plain: { mayAttend: flag } },
      { value: flags(2), plain: { mayAttend: flag } },
    ],
    keyMask: [{ value: Uint8Array.of(1, 0, 1, 1, 0), plain: { mayAttend: (_h, _i, j) => j !== 1 && j !== 4 } }],
    bias: [
      { value: bias(1), plain: { bias: (_, i, j) => added(0, i, j) } },
      { value: bias(2), plain: { bias: added } },
    ],
    softcap: [{ value: 0.5, plain: { softcap: 0.5 } }],
    alibi: [
      { value: true, plain: slope([2 ** -4, 2 ** -8]) },
      { value: Float32Array.of(0.5, -1), plain: slope([0.5, -1]) },
    ],
    sinks: [{ value: Matrix.from([[0.5, -1]]), plain: { sinks: [0.5, -1] } }],
    cuSeqlens:
      lq === lk
        ? [{ value: queries, packed: [queries, keys] }]
        : [{ value: queries, base: { cuSeqlensK: keys }, packed: [queries, keys], needed: true }],
    cuSeqlensK:
      lq === lk
        ? [{ value: Int32Array.of(0, 3, lk), base: { cuSeqlens: queries }, packed: [queries, [0, 3, lk]] }]
        : [{ value: keys, base: { cuSeqlens: queries }, packed: [queries, keys], needed: true }],
    dropout: [{ value: 0.5, base: { seed: 3 } }],
    seed: [{ value: 3, base: { dropout: 0.5 } }],
  };
}

/** plainAttention of every sequence by itself; its matrices below one another, those of a head one after another. */
export function plainPacked(
  q: Table,
  k: Table,
  v: Table,
  options: PlainOptions = {},
  [starts, startsK]: readonly [readonly number[], readonly number[]] = [
    [0, q.rows],
    [0, k.rows],
  ],
): PlainAttention {
  const each = starts.slice(1).map((end, s) => {
    const [ofK, ofV] = [k, v].map((x) => rowsOf(x, startsK[s], startsK[s + 1]));
    return plainAttention(rowsOf(q, starts[s], end), ofK, ofV, { numHeads: 2, numKvHeads: 1, ...options });
  });
  const all = (of: (steps: PlainAttention) => Table[]) => each.flatMap(of);
  return {
    q,
    k,
    v,
    scores: all((steps) => steps.scores),
    scaledScores: all((steps) => steps.scaledScores),
    softcapped: all((steps) => steps.softcapped),
    masked: all((steps) => steps.masked),
    weights: all((steps) => steps.weights),
    logSumExp: stack(each.map((steps) => steps.logSumExp)),
    output: stack(each.map((steps) => steps.output)),
  };
}
