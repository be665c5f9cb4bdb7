import {
  type Gradients,
  type KernelChoice,
  KVCache,
  Matrix,
  MultiHeadAttention,
  Parameter,
  scaledDotProductAttention,
  setKernels,
  valueAndGrad,
} from 'qkv';
import type { Implementation, LayerProblem, Operation } from '../harness/contender.js';

export type MeasuredKernels = Exclude<KernelChoice, 'auto' | 'float64'>;

// GFLOP/s to presume of what is not WASM, measured on Node 20: the plain loops, and the product of 'javascript'.
const PLAIN_LOOPS = 1;
const JAVASCRIPT_PRODUCT = 5;

function presumedRate(kernels: MeasuredKernels, operation: Operation): number {
  if (kernels === 'wasm-simd') return Number.POSITIVE_INFINITY;
  const isProduct = operation === 'matmul' || operation === 'residentMatmul';
  return kernels === 'javascript' && isProduct ? JAVASCRIPT_PRODUCT : PLAIN_LOOPS;
}

function layerOf({ dModel, numHeads, wQ, wK, wV, wO }: LayerProblem): MultiHeadAttention {
  const layer = new MultiHeadAttention({ dModel, numHeads, seed: 0 });
  layer.W_Q.data.set(wQ);
  layer.W_K.data.set(wK);
  layer.W_V.data.set(wV);
  layer.W_O.data.set(wO);
  return layer;
}

/** @throws Error  if the leaf was not used, or only some of its rows */
export function denseGradient(gradients: Gradients, leaf: Matrix): Matrix {
  const gradient = gradients.get(leaf);
  if (gradient instanceof Matrix) return gradient;
  throw new Error('bench: every leaf must have a dense gradient');
}

/** The library under one choice of kernels, through its public names only. */
export function qkv(kernels: MeasuredKernels): Implementation {
  // Where a parameter lives is decided when it is made, so the choice must stand then, too.
  const activate = () => setKernels(kernels);
  return {
    name: `qkv ${kernels}`,
    kind: 'qkv',
    activate,
    presumedRate: (operation) => presumedRate(kernels, operation),
    operations: {
      matmul: ({ a, b, m, k, n }) => ({ call: () => new Matrix(m, k, a).matmul(new Matrix(k, n, b)).data }),
      residentMatmul: ({ a, b, m, k, n }) => {
        activate();
        const weight = new Parameter(k, n, b);
        return { call: () => new Matrix(m, k, a).matmul(weight).data };
      },
      softmax: ({ x, rows, cols }) => ({ call: () => new Matrix(rows, cols, x).softmax().data }),
      attention: ({ q, k, v, queries, keys, numHeads, dHead, causal }) => {
        const width = numHeads * dHead;
        return {
          call: () => {
            const [qM, kM, vM] = [
              new Matrix(queries, width, q),
              new Matrix(keys, width, k),
              new Matrix(keys, width, v),
            ];
            return scaledDotProductAttention(qM, kM, vM, { numHeads, causal }).data;
          },
        };
      },
      layer: (problem) => {
        activate();
        const layer = layerOf(problem);
        return { call: () => layer.forward(new Matrix(problem.tokens, problem.dModel, problem.x)).data };
      },
      trainingStep: (problem) => {
        activate();
        const layer = layerOf(problem);
        const { W_Q, W_K, W_V, W_O } = layer;
        return {
          call: () => {
            const [x, dOut] = [problem.x, problem.dOut].map((data) => new Matrix(problem.tokens, problem.dModel, data));
            const { gradients } = valueAndGrad(() => layer.forward(x).multiply(dOut).sum());
            return [x, W_Q, W_K, W_V, W_O].map((leaf) => denseGradient(gradients, leaf).data);
          },
        };
      },
      decode: ({ q, k, v, queries, keys, numHeads, dHead }) => {
        activate();
        const width = numHeads * dHead;
        const before = (keys - queries) * width;
        const cache = new KVCache({ capacity: keys, numKvHeads: numHeads, dK: dHead });
        const row = (data: Float32Array) => new Matrix(data.length / width, width, data);
        cache.append(row(k.subarray(0, before)), row(v.subarray(0, before)));
        const [newK, newV] = [k.subarray(before), v.subarray(before)];
        return {
          call: () => {
            cache.truncate(keys - queries);
            cache.append(row(newK), row(newV));
            return cache.attend(row(q), { numHeads }).data;
          },
        };
      },
    },
  };
}
