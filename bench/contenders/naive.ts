import type { AttentionProblem, Implementation, LayerProblem, TrainingProblem } from '../harness/contender.js';

// The loops everybody writes first.

function multiply(a: Float32Array, b: Float32Array, m: number, k: number, n: number): Float32Array {
  const c = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const factor = a[i * k + p];
      for (let j = 0; j < n; j++) c[i * n + j] += factor * b[p * n + j];
    }
  }
  return c;
}

function softmaxInPlace(x: Float32Array, rows: number, cols: number): void {
  for (let i = 0; i < rows; i++) {
    let maximum = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < cols; j++) maximum = Math.max(maximum, x[i * cols + j]);
    let sum = 0;
    for (let j = 0; j < cols; j++) {
      x[i * cols + j] = Math.exp(x[i * cols + j] - maximum);
      sum += x[i * cols + j];
    }
    for (let j = 0; j < cols; j++) x[i * cols + j] /= sum;
  }
}

/** The weights of query i in the head that begins at a column. */
function attentionWeights(
  { numHeads, dHead, q, k }: AttentionProblem,
  column: number,
  i: number,
  seen: number,
  weights: Float32Array,
): void {
  const width = numHeads * dHead;
  for (let j = 0; j < seen; j++) {
    let dot = 0;
    for (let c = column; c < column + dHead; c++) dot += q[i * width + c] * k[j * width + c];
    weights[j] = dot / Math.sqrt(dHead);
  }
  softmaxInPlace(weights, 1, seen);
}

function attend(problem: AttentionProblem): Float32Array {
  const { numHeads, dHead, queries, keys, causal, v } = problem;
  const width = numHeads * dHead;
  const out = new Float32Array(queries * width);
  const weights = new Float32Array(keys);
  for (let column = 0; column < width; column += dHead) {
    for (let i = 0; i < queries; i++) {
      const seen = causal ? keys - queries + i + 1 : keys;
      attentionWeights(problem, column, i, seen, weights);
      for (let j = 0; j < seen; j++) {
        for (let c = column; c < column + dHead; c++) out[i * width + c] += weights[j] * v[j * width + c];
      }
    }
  }
  return out;
}

function layer({ x, tokens, dModel, numHeads, wQ, wK, wV, wO }: LayerProblem): Float32Array {
  const project = (rows: Float32Array, w: Float32Array) => multiply(rows, w, tokens, dModel, dModel);
  const heads = { numHeads, dHead: dModel / numHeads, queries: tokens, keys: tokens, causal: false };
  return project(attend({ ...heads, q: project(x, wQ), k: project(x, wK), v: project(x, wV) }), wO);
}

/** Gradients of q, k and v, of attention that is not causal. */
function attendBackward(problem: AttentionProblem, dOut: Float32Array): [Float32Array, Float32Array, Float32Array] {
  const { numHeads, dHead, queries, keys, q, k, v } = problem;
  const width = numHeads * dHead;
  const [dQ, dK, dV] = [q, k, v].map(({ length }) => new Float32Array(length));
  const [weights, dWeights] = [new Float32Array(keys), new Float32Array(keys)];
  for (let column = 0; column < width; column += dHead) {
    for (let i = 0; i < queries; i++) {
      attentionWeights(problem, column, i, keys, weights);
      let mean = 0;
      for (let j = 0; j < keys; j++) {
        let dot = 0;
        for (let c = column; c < column + dHead; c++) dot += dOut[i * width + c] * v[j * width + c];
        dWeights[j] = dot;
        mean += weights[j] * dot;
      }
      for (let j = 0; j < keys; j++) {
        const dScore = (weights[j] * (dWeights[j] - mean)) / Math.sqrt(dHead);
        for (let c = column; c < column + dHead; c++) {
          dQ[i * width + c] += dScore * k[j * width + c];
          dK[j * width + c] += dScore * q[i * width + c];
          dV[j * width + c] += weights[j] * dOut[i * width + c];
        }
      }
    }
  }
  return [dQ, dK, dV];
}

function transpose(x: Float32Array, rows: number, cols: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) out[j * rows + i] = x[i * cols + j];
  }
  return out;
}

function trainingStep({ x, tokens, dModel, numHeads, wQ, wK, wV, wO, dOut }: TrainingProblem): Float32Array[] {
  const project = (rows: Float32Array, w: Float32Array) => multiply(rows, w, tokens, dModel, dModel);
  const heads = { numHeads, dHead: dModel / numHeads, queries: tokens, keys: tokens, causal: false };
  const problem = { ...heads, q: project(x, wQ), k: project(x, wK), v: project(x, wV) };
  const attended = attend(problem);
  project(attended, wO); // the output, of which the loss is made

  const back = (dProjected: Float32Array, w: Float32Array) => project(dProjected, transpose(w, dModel, dModel));
  const ofWeight = (rows: Float32Array, dProjected: Float32Array) =>
    multiply(transpose(rows, tokens, dModel), dProjected, dModel, tokens, dModel);
  const [dQ, dK, dV] = attendBackward(problem, back(dOut, wO));
  const [fromQ, fromK, fromV] = [back(dQ, wQ), back(dK, wK), back(dV, wV)];
  const dX = fromQ.map((value, i) => value + fromK[i] + fromV[i]);
  return [dX, ofWeight(x, dQ), ofWeight(x, dK), ofWeight(x, dV), ofWeight(attended, dOut)];
}

export const naive: Implementation = {
  name: 'naive loop',
  kind: 'loop',
  presumedRate: () => 1.4, // GFLOP/s, measured on Node 20
  operations: {
    matmul: ({ a, b, m, k, n }) => ({ call: () => multiply(a, b, m, k, n) }),
    residentMatmul: ({ a, b, m, k, n }) => ({ call: () => multiply(a, b, m, k, n) }),
    softmax: ({ x, rows, cols }) => ({
      call: () => {
        const out = x.slice();
        softmaxInPlace(out, rows, cols);
        return out;
      },
    }),
    attention: (problem) => ({ call: () => attend(problem) }),
    layer: (problem) => ({ call: () => layer(problem) }),
    trainingStep: (problem) => ({ call: () => trainingStep(problem) }),
    decode: (problem) => ({ call: () => attend(problem) }),
  },
};
