import type { AttentionProblem, LayerProblem, MatmulProblem, SoftmaxProblem } from '../harness/contender.js';

// What is right: plain loops over the sampled rows, every step through `round`. With the identity that is float64, the
// oracle; with Math.fround it is what a careful float32 program gets, the measure of the error law.

export type Round = (x: number) => number;

/** Rows of x (… × inner) · w (inner × cols). */
function product(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  inner: number,
  cols: number,
  rows: readonly number[],
  round: Round,
): Float64Array {
  const out = new Float64Array(rows.length * cols);
  for (let r = 0; r < rows.length; r++) {
    for (let p = 0; p < inner; p++) {
      const factor = x[rows[r] * inner + p];
      for (let c = 0; c < cols; c++) {
        out[r * cols + c] = round(out[r * cols + c] + round(factor * w[p * cols + c]));
      }
    }
  }
  return out;
}

export function matmulRows({ a, b, k, n }: MatmulProblem, rows: readonly number[], round: Round): Float64Array {
  return product(a, b, k, n, rows, round);
}

/** Softmax in place of the first `length` numbers. */
function softmaxInPlace(x: Float64Array, length: number, round: Round): void {
  let maximum = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < length; j++) maximum = Math.max(maximum, x[j]);
  let sum = 0;
  for (let j = 0; j < length; j++) {
    x[j] = round(Math.exp(round(x[j] - maximum)));
    sum = round(sum + x[j]);
  }
  for (let j = 0; j < length; j++) x[j] = round(x[j] / sum);
}

export function softmaxRows({ x, cols }: SoftmaxProblem, rows: readonly number[], round: Round): Float64Array {
  const out = new Float64Array(rows.length * cols);
  rows.forEach((row, r) => {
    const line = out.subarray(r * cols, (r + 1) * cols);
    line.set(x.subarray(row * cols, (row + 1) * cols));
    softmaxInPlace(line, cols, round);
  });
  return out;
}

type AnyAttention = Omit<AttentionProblem, 'q' | 'k' | 'v'> & {
  /** Only the sampled rows. */
  readonly q: ArrayLike<number>;
  readonly k: ArrayLike<number>;
  readonly v: ArrayLike<number>;
};

function attention(problem: AnyAttention, rows: readonly number[], round: Round): Float64Array {
  const { numHeads, dHead, queries, keys, causal, q, k, v } = problem;
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
      softmaxInPlace(weights, seen, round);
      for (let j = 0; j < seen; j++) {
        for (let c = column; c < column + dHead; c++) {
          out[r * width + c] = round(out[r * width + c] + round(weights[j] * v[j * width + c]));
        }
      }
    }
  }
  return out;
}

export function attentionRows(problem: AttentionProblem, rows: readonly number[], round: Round): Float64Array {
  const width = problem.numHeads * problem.dHead;
  const q = rows.flatMap((row) => [...problem.q.subarray(row * width, (row + 1) * width)]);
  return attention({ ...problem, q }, rows, round);
}

export function layerRows(problem: LayerProblem, rows: readonly number[], round: Round): Float64Array {
  const { x, tokens, dModel, numHeads, wQ, wK, wV, wO } = problem;
  const all = Array.from({ length: tokens }, (_, i) => i);
  const project = (w: Float32Array, which: readonly number[]) => product(x, w, dModel, dModel, which, round);
  const dHead = dModel / numHeads;
  const heads = { numHeads, dHead, queries: tokens, keys: tokens, causal: false };
  const attended = attention({ ...heads, q: project(wQ, rows), k: project(wK, all), v: project(wV, all) }, rows, round);
  const own = rows.map((_, r) => r);
  return product(attended, wO, dModel, dModel, own, round);
}
