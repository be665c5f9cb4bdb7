import type { AttentionProblem, Implementation, LayerProblem } from '../harness/contender.js';

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

function attend(problem: AttentionProblem): Float32Array {
  const { numHeads, dHead, queries, keys, causal, q, k, v } = problem;
  const width = numHeads * dHead;
  const out = new Float32Array(queries * width);
  const weights = new Float32Array(keys);
  for (let column = 0; column < width; column += dHead) {
    for (let i = 0; i < queries; i++) {
      const seen = causal ? keys - queries + i + 1 : keys;
      for (let j = 0; j < seen; j++) {
        let dot = 0;
        for (let c = column; c < column + dHead; c++) dot += q[i * width + c] * k[j * width + c];
        weights[j] = dot / Math.sqrt(dHead);
      }
      softmaxInPlace(weights, 1, seen);
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
    decode: (problem) => ({ call: () => attend(problem) }),
  },
};
