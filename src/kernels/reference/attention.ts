import { kvHead } from '../../core/heads.js';
import { keepsWeight } from '../../core/random.js';
import type {
  AttentionForwardProblem,
  AttentionProblem,
  AttentionResult,
  AttentionStage,
  AttentionStatistics,
} from '../attention-problem.js';
import type { Allocate, Floats } from '../contract.js';

// The formulas, for one query row of one head:
//   Z = softcap(scale·q·kᵀ) + bias, −∞ where not allowed;  m = max(Z, sink);  s = Σ e^{Z−m} + e^{sink−m}
//   P = e^{Z−m} / s, 0 where s = 0;  A = P ∘ keep / (1 − p);  O = A·V
// A position that may not be attended is never read: whatever q, k, v or bias hold there cannot leak.

/** One query row of one head of one sequence. */
export interface Row {
  sequence: number;
  head: number;
  /** Within the sequence. */
  query: number;
  /** Rows of the packed matrices. */
  queryRow: number;
  firstKey: number;
  numKeys: number;
}

/** O = A·V with m and s. q (… × numHeads·dK), k (… × numKvHeads·dK), v (… × numKvHeads·dV). */
export function attention(allocate: Allocate, problem: AttentionForwardProblem): AttentionResult {
  const { v, dV, numHeads, numKvHeads, dropout } = problem;
  const queries = problem.cuSeqlens[problem.cuSeqlens.length - 1];
  const result: AttentionResult = { out: allocate(queries * numHeads * dV), ...emptyStatistics(allocate, problem) };
  const sums = new Float64Array(dV);
  forEachRow(allocate, problem, (row, logits) => {
    const [max, sum] = storeStatistics(problem, row, logits, result);
    const kvColumn = kvHead(problem, row.head) * dV;
    sums.fill(0);
    for (let j = 0; j < row.numKeys; j++) {
      if (logits[j] === Number.NEGATIVE_INFINITY) continue;
      const weight = Math.exp(logits[j] - max) / sum;
      const kept = dropout === 0 ? weight : keeps(problem, row, j) ? weight / (1 - dropout) : 0 * weight; // NaN stays
      const vRow = (row.firstKey + j) * numKvHeads * dV + kvColumn;
      for (let c = 0; c < dV; c++) sums[c] += kept * v[vRow + c];
    }
    result.out.set(sums, (row.queryRow * numHeads + row.head) * dV);
  });
  return result;
}

/** m and s of every query row and head. */
export function attentionStatistics(allocate: Allocate, problem: AttentionProblem): AttentionStatistics {
  const statistics = emptyStatistics(allocate, problem);
  forEachRow(allocate, problem, (row, logits) => storeStatistics(problem, row, logits, statistics));
  return statistics;
}

/** m + log s, −∞ where s is 0. */
export function logSumExp(allocate: Allocate, { max, sum }: AttentionStatistics): Floats {
  const out = allocate(max.length);
  for (let i = 0; i < out.length; i++) out[i] = sum[i] === 0 ? Number.NEGATIVE_INFINITY : max[i] + Math.log(sum[i]);
  return out;
}

/** One stage of one head of one sequence, (Lq × Lk). */
export function attentionStage(
  allocate: Allocate,
  problem: AttentionProblem,
  stage: AttentionStage,
  sequence: number,
  head: number,
): Floats {
  const [firstQuery, lastQuery] = [problem.cuSeqlens[sequence], problem.cuSeqlens[sequence + 1]];
  const numKeys = problem.cuSeqlensK[sequence + 1] - problem.cuSeqlensK[sequence];
  const out = allocate((lastQuery - firstQuery) * numKeys);
  const scaled = allocate(problem.dK);
  for (let query = 0; query < lastQuery - firstQuery; query++) {
    const row = rowOf(problem, sequence, head, query);
    const z = out.subarray(query * numKeys, (query + 1) * numKeys);
    scaleQuery(problem, row, scaled);
    if (stage === 'scaledScores' || stage === 'softcapped') {
      for (let j = 0; j < numKeys; j++) {
        const score = dotKey(problem, row, scaled, j);
        z[j] = stage === 'softcapped' ? softcap(problem, score) : score;
      }
      continue;
    }
    rowLogits(problem, row, scaled, z);
    if (stage === 'masked') continue;
    const [max, sum] = rowStatistics(problem, row, z);
    for (let j = 0; j < numKeys; j++) z[j] = z[j] === Number.NEGATIVE_INFINITY ? 0 : Math.exp(z[j] - max) / sum;
  }
  return out;
}

/** Calls visit with every row, its logits Z and scale·q; both arrays are used again for the next row. */
export function forEachRow(
  allocate: Allocate,
  problem: AttentionProblem,
  visit: (row: Row, logits: Floats, scaledQuery: Floats) => void,
): void {
  const { cuSeqlens, cuSeqlensK, numHeads, dK } = problem;
  const scaled = allocate(dK);
  for (let sequence = 0; sequence + 1 < cuSeqlens.length; sequence++) {
    const logits = allocate(cuSeqlensK[sequence + 1] - cuSeqlensK[sequence]);
    for (let head = 0; head < numHeads; head++) {
      for (let query = 0; query < cuSeqlens[sequence + 1] - cuSeqlens[sequence]; query++) {
        const row = rowOf(problem, sequence, head, query);
        scaleQuery(problem, row, scaled);
        rowLogits(problem, row, scaled, logits);
        visit(row, logits, scaled);
      }
    }
  }
}

function rowOf({ cuSeqlens, cuSeqlensK }: AttentionProblem, sequence: number, head: number, query: number): Row {
  const firstKey = cuSeqlensK[sequence];
  const numKeys = cuSeqlensK[sequence + 1] - firstKey;
  return { sequence, head, query, queryRow: cuSeqlens[sequence] + query, firstKey, numKeys };
}

/** Z of one row; −∞ wherever the row may not attend. */
function rowLogits(problem: AttentionProblem, row: Row, scaledQuery: Floats, logits: Floats): void {
  const { offsets, left, right, mask, keyMask, bias, alibi, columns } = problem;
  const position = offsets[row.sequence] + row.query;
  const maskRow = (problem.maskRowsPerHead * row.head + row.queryRow) * columns;
  const biasRow = (problem.biasRowsPerHead * row.head + row.queryRow) * columns;
  for (let j = 0; j < row.numKeys; j++) {
    const allowed =
      j >= position - left &&
      j <= position + right &&
      (mask === undefined || mask[maskRow + j] !== 0) &&
      (keyMask === undefined || keyMask[row.firstKey + j] !== 0) &&
      (bias === undefined || bias[biasRow + j] !== Number.NEGATIVE_INFINITY);
    if (!allowed) {
      logits[j] = Number.NEGATIVE_INFINITY;
      continue;
    }
    let z = softcap(problem, dotKey(problem, row, scaledQuery, j));
    if (alibi !== undefined) z -= alibi[row.head] * Math.abs(position - j);
    if (bias !== undefined) z += bias[biasRow + j];
    logits[j] = z;
  }
}

/** scale·q: applied to the query once, so that large products overflow later. */
function scaleQuery({ q, numHeads, dK, scale }: AttentionProblem, row: Row, scaled: Floats): void {
  const start = (row.queryRow * numHeads + row.head) * dK;
  for (let c = 0; c < dK; c++) scaled[c] = scale * q[start + c];
}

export function dotKey(problem: AttentionProblem, row: Row, scaledQuery: Floats, j: number): number {
  const { k, dK, numKvHeads } = problem;
  const start = ((row.firstKey + j) * numKvHeads + kvHead(problem, row.head)) * dK;
  let sum = 0;
  for (let c = 0; c < dK; c++) sum += scaledQuery[c] * k[start + c];
  return sum;
}

function softcap({ softcap: cap }: AttentionProblem, score: number): number {
  return cap === 0 ? score : cap * Math.tanh(score / cap);
}

function emptyStatistics(allocate: Allocate, { cuSeqlens, numHeads }: AttentionProblem): AttentionStatistics {
  const length = cuSeqlens[cuSeqlens.length - 1] * numHeads;
  return { max: allocate(length), sum: allocate(length) };
}

function storeStatistics(problem: AttentionProblem, row: Row, logits: Floats, into: AttentionStatistics) {
  const index = row.queryRow * problem.numHeads + row.head;
  const statistics = rowStatistics(problem, row, logits);
  [into.max[index], into.sum[index]] = statistics;
  return statistics;
}

/** m and s; with nothing to attend to and no sink m = −∞ and s = 0. */
function rowStatistics({ sinks }: AttentionProblem, row: Row, logits: Floats): [max: number, sum: number] {
  const sink = sinks === undefined ? Number.NEGATIVE_INFINITY : sinks[row.head];
  let max = sink;
  for (let j = 0; j < row.numKeys; j++) max = Math.max(max, logits[j]); // Math.max keeps NaN
  if (max === Number.NEGATIVE_INFINITY) return [max, 0];
  let sum = Math.exp(sink - max);
  for (let j = 0; j < row.numKeys; j++) sum += Math.exp(logits[j] - max);
  return [max, sum];
}

/** Whether dropout keeps weight (query, key). */
export function keeps(problem: AttentionForwardProblem, row: Row, key: number): boolean {
  return keepsWeight(problem, row.sequence * problem.numHeads + row.head, row.query, key);
}
