import { Matrix } from '../../src/index.js';
import type { Table } from '../support/tensor.js';

// The formulas of attention, one loop each, in float64: what an option must give where it is not ignored.

/** Options as functions of head, query and key, so that each case says in one line what its option means. */
export interface PlainOptions {
  numHeads?: number;
  numKvHeads?: number;
  scale?: number;
  softcap?: number;
  bias?: (head: number, query: number, key: number) => number;
  mayAttend?: (head: number, query: number, key: number) => boolean;
  sinks?: readonly number[];
}

export interface PlainAttention {
  q: Table;
  k: Table;
  v: Table;
  /** One table a head, as the next four. */
  scores: Table[];
  scaledScores: Table[];
  softcapped: Table[];
  masked: Table[];
  weights: Table[];
  /** (Lq × numHeads). */
  logSumExp: Table;
  /** (Lq × numHeads·dV). */
  output: Table;
}

/** softmax(cap(scale · q kᵀ) + bias where allowed) · v of one sequence, every step kept. */
export function plainAttention(q: Table, k: Table, v: Table, options: PlainOptions = {}): PlainAttention {
  const { numHeads = 1, numKvHeads = numHeads, softcap = 0, sinks } = options;
  const { bias = () => 0, mayAttend = () => true } = options;
  const dK = q.cols / numHeads;
  const dV = v.cols / numKvHeads;
  const { scale = 1 / Math.sqrt(dK) } = options;
  const heads = Array.from({ length: numHeads }, (_, h) => h);
  const kvHead = (h: number) => Math.floor(h / (numHeads / numKvHeads));
  const each = (of: (h: number, i: number, j: number) => number) =>
    heads.map((h) => table(q.rows, k.rows, (i, j) => of(h, i, j)));
  const scores = each((h, i, j) => sum(dK, (c) => at(q, i, h * dK + c) * at(k, j, kvHead(h) * dK + c)));
  const scaledScores = each((h, i, j) => scale * at(scores[h], i, j));
  const softcapped = each((h, i, j) => {
    const score = at(scaledScores[h], i, j);
    return softcap === 0 ? score : softcap * Math.tanh(score / softcap);
  });
  const masked = each((h, i, j) => {
    return mayAttend(h, i, j) ? at(softcapped[h], i, j) + bias(h, i, j) : Number.NEGATIVE_INFINITY;
  });
  const logSumExp = table(q.rows, numHeads, (i, h) => {
    const ofKeys = sum(k.rows, (j) => Math.exp(at(masked[h], i, j)));
    return Math.log(ofKeys + (sinks === undefined ? 0 : Math.exp(sinks[h])));
  });
  const weights = each((h, i, j) => {
    const logit = at(masked[h], i, j);
    return logit === Number.NEGATIVE_INFINITY ? 0 : Math.exp(logit - at(logSumExp, i, h));
  });
  const output = table(q.rows, numHeads * dV, (i, c) => {
    const h = Math.floor(c / dV);
    return sum(k.rows, (j) => at(weights[h], i, j) * at(v, j, kvHead(h) * dV + (c % dV)));
  });
  return { q, k, v, scores, scaledScores, softcapped, masked, weights, logSumExp, output };
}

/** x·w, plus a row where there is one. */
export function plainAffine(x: Table, w: Table, b?: Table): Table {
  return table(
    x.rows,
    w.cols,
    (r, c) => sum(x.cols, (i) => at(x, r, i) * at(w, i, c)) + (b === undefined ? 0 : at(b, 0, c)),
  );
}

/** RoPE of every head: pairs (p, p + dim/2), or (2p, 2p + 1), turned by positions[row] · base^(−2p/dim). */
export function plainRotary(
  x: Table,
  options: { numHeads: number; positions?: ArrayLike<number>; base?: number; dim?: number; interleaved?: boolean },
): Table {
  const { numHeads, positions, base = 10000, interleaved = false } = options;
  const width = x.cols / numHeads;
  const { dim = width } = options;
  return table(x.rows, x.cols, (r, column) => {
    const c = column % width;
    if (c >= dim) return at(x, r, column);
    const pair = interleaved ? Math.floor(c / 2) : c % (dim / 2);
    const isFirst = interleaved ? c % 2 === 0 : c < dim / 2;
    const step = interleaved ? 1 : dim / 2;
    const angle = (positions === undefined ? r : positions[r]) * base ** ((-2 * pair) / dim);
    const partner = at(x, r, isFirst ? column + step : column - step);
    return at(x, r, column) * Math.cos(angle) + (isFirst ? -partner : partner) * Math.sin(angle);
  });
}

/** (x − mean) / √(variance + ε) ∘ gain + bias of every row; without centring, RMS norm. */
export function plainNorm(
  x: Table,
  options: { isCentred: boolean; epsilon?: number; gain?: Table; bias?: Table },
): Table {
  const { isCentred, epsilon = 1e-5, gain, bias } = options;
  return table(x.rows, x.cols, (r, c) => {
    const mean = isCentred ? sum(x.cols, (i) => at(x, r, i)) / x.cols : 0;
    const variance = sum(x.cols, (i) => (at(x, r, i) - mean) ** 2) / x.cols;
    const normal = (at(x, r, c) - mean) / Math.sqrt(variance + epsilon);
    return normal * (gain === undefined ? 1 : at(gain, 0, c)) + (bias === undefined ? 0 : at(bias, 0, c));
  });
}

/** The tables below one another. */
export function stack(tables: readonly Table[]): Table {
  const data = tables.flatMap((t) => Array.from(t.data));
  return { rows: tables.reduce((rows, t) => rows + t.rows, 0), cols: tables[0].cols, data };
}

/** Rows [start, end). */
export function rowsOf(x: Table, start: number, end: number): Table {
  return table(end - start, x.cols, (r, c) => at(x, start + r, c));
}

export function table(rows: number, cols: number, entry: (r: number, c: number) => number): Table {
  return { rows, cols, data: Array.from({ length: rows * cols }, (_, i) => entry(Math.floor(i / cols), i % cols)) };
}

/** (rows × cols) in [−1, 1), different for every seed; no two entries alike, so that no exchange of two goes unseen. */
export function sample(rows: number, cols: number, seed: number): Matrix {
  return Matrix.randomUniform(rows, cols, { seed, low: -1, high: 1 });
}

function at(x: Table, r: number, c: number): number {
  return x.data[r * x.cols + c];
}

function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}

/** Some rows of a table, in this order. */
export function pickRows({ cols, data }: Table, rows: readonly number[]): Table {
  const picked = rows.flatMap((r) => Array.from(data).slice(r * cols, (r + 1) * cols));
  return { rows: rows.length, cols, data: picked };
}
