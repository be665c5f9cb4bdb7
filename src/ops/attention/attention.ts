// ops/attention: attention as functions of matrices. Checks options once, turns them into the problem that kernels take;
// knows no layer and no weights.

import { requireArguments } from '../../core/arguments.js';
import {
  requireArrayLike,
  requireChoice,
  requireCount,
  requireInteger,
  requireSize,
  shapeError,
  shapeText,
} from '../../core/errors.js';
import type { AttentionProblem, AttentionStage } from '../../kernels/attention-problem.js';
import { attentionKernels, layouts } from '../../kernels/families.js';
import { table } from '../../kernels/state.js';
import { type Matrix, requireMatrix, result, wrap } from '../../matrix/matrix.js';
import { attentionGradients } from './gradients.js';
import {
  type AttentionOptions,
  attentionProblem,
  dropoutOf,
  type OptionsOf,
  requireAttentionOptions,
  requireDivisible,
  type Sequences,
} from './options.js';
import { checkRowList, rowProblem } from './rows.js';

export type { AttentionStage };

export interface AttentionWeightsOptions extends AttentionOptions {
  /** 'scaledScores' = scale·q·kᵀ; 'softcapped'; 'masked' = + bias, −∞ where not allowed; 'weights' (default). */
  stage?: AttentionStage;
  /** Only these heads, in this order. Default all. */
  heads?: readonly number[];
  /** Only these rows of q, in this order, each in the matrix of its sequence. Default all. */
  rows?: readonly number[];
}

/** What attentionWeights understands beside the options of attention. */
export const STAGE_OPTIONS = ['stage', 'heads', 'rows'] as const;

const NO_DROPOUT = { dropout: 0, seedLow: 0, seedHigh: 0, call: 0 };

const STAGES: readonly AttentionStage[] = ['scaledScores', 'softcapped', 'masked', 'weights'];

/**
 * Scaled dot-product attention: softmax(scale · Q Kᵀ) V, for every head and sequence.
 *
 * A query with nothing to attend to gives zeros. NaN or ±∞ at a position that may not be attended never shows.
 *
 * Where
 * - Lq, Lk: rows of q; rows of k and v. In a packed batch, of all sequences together
 * - numHeads, numKvHeads: heads of q and of the result; heads of k and v
 * - dK, dV: columns of one head of q and k; columns of one head of v and of the result
 *
 * Which keys (columns) a query (row) may attend to, 1 = may; a mask of your own looks the same:
 *
 *     causal: true    causal: 'top-left'    causal: true, window: 1    window: 1    causal: true, cuSeqlens: [0, 2, 5]
 *     1 1 1 0 0       1 0 0 0 0             0 1 1 0 0                  0 1 1 1 0    1 0 0 0 0
 *     1 1 1 1 0       1 1 0 0 0             0 0 1 1 0                  0 0 1 1 1    1 1 0 0 0
 *     1 1 1 1 1       1 1 1 0 0             0 0 0 1 1                  0 0 0 1 1    0 0 1 0 0
 *                                                                                   0 0 1 1 0
 *                                                                                   0 0 1 1 1
 *
 * @param q  (Lq × numHeads·dK)
 * @param k  (Lk × numKvHeads·dK)
 * @param v  (Lk × numKvHeads·dV)
 * @returns  (Lq × numHeads·dV)
 * @throws ShapeError  if k and v differ in rows, or a width is not divisible by its number of heads; TypeError for wrong kinds
 * @see Vaswani et al. 2017, eq. 1, https://arxiv.org/abs/1706.03762; Dao 2023, https://arxiv.org/abs/2307.08691
 * @example const out = scaledDotProductAttention(q, k, v, { numHeads: 8, causal: true });
 */
export function scaledDotProductAttention(q: Matrix, k: Matrix, v: Matrix, options: AttentionOptions = {}): Matrix {
  requireAttentionOptions('scaledDotProductAttention', options);
  requireArguments('scaledDotProductAttention', arguments.length, 4);
  return attend('scaledDotProductAttention', q, k, v, options, 0);
}

/** The same under the caller's name, in its call-th use of the seed. */
export function attend(
  where: string,
  q: Matrix,
  k: Matrix,
  v: Matrix,
  options: AttentionOptions,
  call: number,
): Matrix {
  return attendChecked(where, checkAttention(where, q, k, v, options), options, call);
}

/** The matrices of an attention: what a gradient can go to. */
export interface AttentionMatrices {
  q: Matrix;
  k: Matrix;
  v: Matrix;
  bias?: Matrix;
  sinks?: Matrix;
}

/** An attention whose options are checked, once: what kernels take of it, and the matrices that this was read from. */
export interface CheckedAttention {
  problem: AttentionProblem;
  matrices: AttentionMatrices;
}

export function checkAttention(
  where: string,
  q: Matrix,
  k: Matrix,
  v: Matrix,
  options: AttentionOptions,
  checked?: Sequences,
): CheckedAttention {
  requireMatrix(where, 'v', v);
  const { bias, sinks } = options;
  return { problem: attentionProblem(where, q, k, options, checked), matrices: { q, k, v, bias, sinks } };
}

/** Those that are there: a gradient is where its matrix is. */
function present<Value>(values: readonly (Value | undefined)[]): Value[] {
  return values.filter((value) => value !== undefined) as Value[];
}

/** `attend` of what is checked already. */
export function attendChecked(
  where: string,
  { problem, matrices: { q, k, v, bias, sinks } }: CheckedAttention,
  drop: Pick<AttentionOptions, OptionsOf<'drop'>>,
  call: number,
): Matrix {
  if (v.rows !== k.rows) {
    throw shapeError(where, 'k and v must have the same rows', `k is ${shapeText(k)}, v is ${shapeText(v)}`);
  }
  const dV = requireDivisible(where, 'v', v, 'numKvHeads', problem.numKvHeads);
  requireSize(where, 'the result', q.rows, problem.numHeads * dV);
  const { attention } = attentionKernels();
  // Not { ...problem, v, … }: what follows a spread of so many fields takes V8 of Node 20 10 µs.
  const forward = Object.assign(problem, { v: v.data, dV }, dropoutOf(drop, call)); // draws a seed: last
  const computed = attention(forward); // softmax(scale·QKᵀ)·V, with m and s of every row
  const inputs = present([q, k, v, bias, sinks]);
  return result(inputs, {
    rows: q.rows,
    cols: problem.numHeads * dV,
    data: computed.out,
    backward: (dOut) => {
      const { dQ, dK, dV, dBias, dSinks } = attentionGradients({ ...forward, ...computed, dOut });
      return present([dQ, dK, dV, dBias, dSinks]);
    },
  });
}

/**
 * The log of every softmax denominator: log Σ e^{logit} over the keys a query may attend to, and its sink.
 *
 * −∞ where there is nothing to attend to. Two attentions over parts of the keys can be merged with it.
 *
 * @param q  (Lq × numHeads·dK)
 * @param k  (Lk × numKvHeads·dK)
 * @returns  (Lq × numHeads)
 * @throws ShapeError, TypeError  as scaledDotProductAttention
 * @see Dao 2023, §3.1.1, https://arxiv.org/abs/2307.08691
 * @example const logSumExp = attentionLogSumExp(q, k, { numHeads: 8 });
 */
export function attentionLogSumExp(q: Matrix, k: Matrix, options: AttentionOptions = {}): Matrix {
  requireAttentionOptions('attentionLogSumExp', options);
  requireArguments('attentionLogSumExp', arguments.length, 3);
  const problem = attentionProblem('attentionLogSumExp', q, k, options);
  const { attentionStatistics, logSumExp } = attentionKernels();
  const statistics = attentionStatistics(problem);
  const { bias, sinks } = options;
  const inputs = present([q, k, bias, sinks]);
  return result(inputs, {
    rows: q.rows,
    cols: problem.numHeads,
    data: logSumExp(statistics),
    // ∂ℓ/∂Z = P: the backward of an attention whose values have no columns.
    backward: (dLogSumExp) => {
      const none = table(0);
      const noValues = { v: none, dV: 0, out: none, dOut: none, ...NO_DROPOUT };
      const gradients = attentionGradients({ ...problem, ...statistics, ...noValues, dLogSumExp });
      const { dQ, dK, dBias, dSinks } = gradients;
      return present([dQ, dK, dBias, dSinks]);
    },
  });
}

/**
 * The attention weights, exact, before dropout, or an earlier stage of them. For looking: not differentiable.
 *
 * @param q  (Lq × numHeads·dK)
 * @param k  (Lk × numKvHeads·dK)
 * @returns  one (Lq × Lk) matrix for every sequence and head: sequence s, head h is entry s·numHeads + h
 *   (with `heads`, entry s·heads.length + i for heads[i])
 * @throws ShapeError, TypeError  as scaledDotProductAttention, and if a head, a row or the stage does not exist
 * @example const [head0, head1] = attentionWeights(q, k, { numHeads: 2, causal: true });
 */
export function attentionWeights(q: Matrix, k: Matrix, options: AttentionWeightsOptions = {}): Matrix[] {
  requireAttentionOptions('attentionWeights', options, STAGE_OPTIONS);
  requireArguments('attentionWeights', arguments.length, 3);
  return attentionStages('attentionWeights', q, k, options);
}

/** The same under the caller's name. */
export function attentionStages(where: string, q: Matrix, k: Matrix, options: AttentionWeightsOptions): Matrix[] {
  requireStage(where, options.stage);
  return stagesOf(where, attentionProblem(where, q, k, options), options);
}

export function requireStage(where: string, stage: unknown = 'weights'): void {
  requireChoice(where, 'stage', stage, STAGES);
}

/** The same of a problem; the stage was checked before it was built. */
export function stagesOf(
  where: string,
  problem: AttentionProblem,
  options: Pick<AttentionWeightsOptions, (typeof STAGE_OPTIONS)[number]>,
): Matrix[] {
  const { stage = 'weights' } = options;
  const heads = checkHeadList(where, options.heads, problem.numHeads);
  const rows = checkRowList(where, options.rows, problem.cuSeqlens[problem.cuSeqlens.length - 1]);
  requireCount(where, 'heads times sequences', heads.length * (problem.cuSeqlens.length - 1));
  const { attentionStage } = attentionKernels();
  const { concat } = layouts();
  const out: Matrix[] = [];
  for (let s = 0; s + 1 < problem.cuSeqlens.length; s++) {
    const [first, end] = [problem.cuSeqlens[s], problem.cuSeqlens[s + 1]];
    const own = rows?.filter((row) => row >= first && row < end);
    const lq = own?.length ?? end - first;
    const lk = problem.cuSeqlensK[s + 1] - problem.cuSeqlensK[s];
    requireSize(where, 'a matrix of weights', lq, lk);
    for (const head of heads) {
      const data = own
        ? concat(own.map((row) => attentionStage(rowProblem(problem, s, head, row), stage, 0, head)))
        : attentionStage(problem, stage, s, head);
      out.push(wrap(lq, lk, data));
    }
  }
  return out;
}

/** Numbers of heads, default all. */
export function checkHeadList(where: string, heads: unknown, numHeads: number): number[] {
  if (heads === undefined) return Array.from({ length: numHeads }, (_, h) => h);
  requireArrayLike(where, 'heads', heads);
  requireCount(where, 'the number of heads', heads.length);
  const list: number[] = [];
  for (let i = 0; i < heads.length; i++) {
    const head = heads[i];
    requireInteger(where, `heads[${i}]`, head, 0, numHeads - 1);
    list.push(head);
  }
  return list;
}
