import type { AttentionProblem, LayerProblem, MatmulProblem, SoftmaxProblem } from '../harness/contender.js';
import { type Arithmetic, rowsOf, transposed } from './arithmetic.js';

// What is right: plain loops over the sampled rows, exactly or in float32.

export function matmulRows(problem: MatmulProblem, rows: readonly number[], { dots }: Arithmetic): Float64Array {
  const { a, b, k, n } = problem;
  return dots(rowsOf(a, rows, k), transposed(b, k, n), rows.length, k, n);
}

/** Softmax in place of the first `length` numbers. */
export function softmaxInPlace(x: Float64Array, length: number, { round }: Arithmetic): void {
  let maximum = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < length; j++) maximum = Math.max(maximum, x[j]);
  let sum = 0;
  for (let j = 0; j < length; j++) {
    x[j] = round(Math.exp(round(x[j] - maximum)));
    sum = round(sum + x[j]);
  }
  for (let j = 0; j < length; j++) x[j] = round(x[j] / sum);
}

export function softmaxRows(problem: SoftmaxProblem, rows: readonly number[], arithmetic: Arithmetic): Float64Array {
  const { x, cols } = problem;
  const out = rowsOf(x, rows, cols);
  for (let r = 0; r < rows.length; r++) softmaxInPlace(out.subarray(r * cols, (r + 1) * cols), cols, arithmetic);
  return out;
}

type AnyAttention = Omit<AttentionProblem, 'q' | 'k' | 'v'> & {
  /** Only the sampled rows. */
  readonly q: ArrayLike<number>;
  readonly k: ArrayLike<number>;
  readonly v: ArrayLike<number>;
};

function attention(problem: AnyAttention, rows: readonly number[], arithmetic: Arithmetic): Float64Array {
  const { numHeads, dHead, queries, keys, causal, q, k, v } = problem;
  const { round } = arithmetic;
  const width = numHeads * dHead;
  const out = new Float64Array(rows.length * width);
  const weights = new Float64Array(keys);
  const scale = round(1 / Math.sqrt(dHead));
  for (let r = 0; r < rows.length; r++) {
    const seen = causal ? keys - queries + rows[r] + 1 : keys;
    for (let column = 0; column < width; column += dHead) {
      for (let j = 0; j < seen; j++) {
        let dot = 0;
        for (let c = 0; c < dHead; c++) {
          dot = round(dot + round(q[r * width + column + c] * k[j * width + column + c]));
        }
        weights[j] = round(scale * dot);
      }
      softmaxInPlace(weights, seen, arithmetic);
      for (let j = 0; j < seen; j++) {
        for (let c = column; c < column + dHead; c++) {
          out[r * width + c] = round(out[r * width + c] + round(weights[j] * v[j * width + c]));
        }
      }
    }
  }
  return out;
}

export function attentionRows(
  problem: AttentionProblem,
  rows: readonly number[],
  arithmetic: Arithmetic,
): Float64Array {
  const q = rowsOf(problem.q, rows, problem.numHeads * problem.dHead);
  return attention({ ...problem, q }, rows, arithmetic);
}

export function layerRows(problem: LayerProblem, rows: readonly number[], arithmetic: Arithmetic): Float64Array {
  const { x, tokens, dModel, numHeads, wQ, wK, wV, wO } = problem;
  const project = (input: Float64Array, w: Float32Array) =>
    arithmetic.dots(input, transposed(w, dModel, dModel), input.length / dModel, dModel, dModel);
  const dHead = dModel / numHeads;
  const heads = { numHeads, dHead, queries: tokens, keys: tokens, causal: false };
  const all = Float64Array.from(x);
  const q = project(rowsOf(x, rows, dModel), wQ);
  const attended = attention({ ...heads, q, k: project(all, wK), v: project(all, wV) }, rows, arithmetic);
  return project(attended, wO);
}
