import type { AttentionProblem, Implementation } from '../harness/contender.js';

/** The part of @tensorflow/tfjs-core that is used. */
export interface TensorFlow {
  setBackend(name: string): Promise<boolean>;
  tidy(compute: () => void): void;
  tensor(values: Float32Array, shape: number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  mul(a: TfTensor, b: number): TfTensor;
  add(a: TfTensor, b: TfTensor): TfTensor;
  softmax(x: TfTensor): TfTensor;
  reshape(x: TfTensor, shape: number[]): TfTensor;
  transpose(x: TfTensor, perm: number[]): TfTensor;
}
export interface TensorFlowWasm {
  setThreadsCount(threads: number): void;
}
interface TfTensor {
  dataSync(): unknown;
  dispose(): void;
}

type Heads = Pick<AttentionProblem, 'numHeads' | 'dHead' | 'queries' | 'keys'>;

/** TensorFlow.js on its WASM backend, one thread. */
export async function tensorflow(tf: TensorFlow, wasm: TensorFlowWasm): Promise<Implementation> {
  wasm.setThreadsCount(1);
  if (!(await tf.setBackend('wasm'))) throw new Error('TensorFlow.js: its WASM backend must start');

  /** Reads the result and frees everything made on the way. What tidy returns it searches for tensors, number by number. */
  function read(compute: () => TfTensor): Float32Array {
    let data: unknown;
    tf.tidy(() => {
      data = compute().dataSync();
    });
    if (data instanceof Float32Array) return data;
    throw new TypeError('TensorFlow.js: the result must be a Float32Array');
  }

  /** There is no −Infinity in the mask: TensorFlow.js users add a large negative number. */
  function causalMask(queries: number, keys: number): TfTensor {
    const mask = new Float32Array(queries * keys);
    for (let i = 0; i < queries; i++) mask.fill(-1e9, i * keys + keys - queries + i + 1, (i + 1) * keys);
    return tf.tensor(mask, [1, queries, keys]);
  }

  function attend(q: TfTensor, k: TfTensor, v: TfTensor, heads: Heads, mask?: TfTensor): TfTensor {
    const { numHeads, dHead, queries, keys } = heads;
    const split = (x: TfTensor, rows: number) => tf.transpose(tf.reshape(x, [rows, numHeads, dHead]), [1, 0, 2]);
    const scores = tf.mul(tf.matMul(split(q, queries), split(k, keys), false, true), 1 / Math.sqrt(dHead));
    const weights = tf.softmax(mask === undefined ? scores : tf.add(scores, mask));
    const out = tf.transpose(tf.matMul(weights, split(v, keys)), [1, 0, 2]);
    return tf.reshape(out, [queries, numHeads * dHead]);
  }

  return {
    name: 'TensorFlow.js WASM',
    kind: 'peer',
    operations: {
      matmul: ({ a, b, m, k, n }) => ({
        call: () => read(() => tf.matMul(tf.tensor(a, [m, k]), tf.tensor(b, [k, n]))),
      }),
      residentMatmul: ({ a, b, m, k, n }) => {
        const weight = tf.tensor(b, [k, n]);
        return { call: () => read(() => tf.matMul(tf.tensor(a, [m, k]), weight)), dispose: () => weight.dispose() };
      },
      softmax: ({ x, rows, cols }) => ({ call: () => read(() => tf.softmax(tf.tensor(x, [rows, cols]))) }),
      attention: (problem) => {
        const { queries, keys, numHeads, dHead, causal } = problem;
        const width = numHeads * dHead;
        const mask = causal ? causalMask(queries, keys) : undefined;
        return {
          call: () =>
            read(() => {
              const q = tf.tensor(problem.q, [queries, width]);
              const k = tf.tensor(problem.k, [keys, width]);
              return attend(q, k, tf.tensor(problem.v, [keys, width]), problem, mask);
            }),
          dispose: () => mask?.dispose(),
        };
      },
      layer: ({ x, tokens, dModel, numHeads, wQ, wK, wV, wO }) => {
        const weights = [wQ, wK, wV, wO].map((w) => tf.tensor(w, [dModel, dModel]));
        const heads = { numHeads, dHead: dModel / numHeads, queries: tokens, keys: tokens };
        return {
          call: () =>
            read(() => {
              const input = tf.tensor(x, [tokens, dModel]);
              const [q, k, v] = weights.slice(0, 3).map((w) => tf.matMul(input, w));
              return tf.matMul(attend(q, k, v, heads), weights[3]);
            }),
          dispose: () => weights.forEach((w) => w.dispose()),
        };
      },
      // Keys and values are given to it for nothing: they lie on its side already, the new row included.
      decode: (problem) => {
        const { queries, keys, numHeads, dHead } = problem;
        const width = numHeads * dHead;
        const k = tf.tensor(problem.k, [keys, width]);
        const v = tf.tensor(problem.v, [keys, width]);
        return {
          call: () => read(() => attend(tf.tensor(problem.q, [queries, width]), k, v, problem)),
          dispose: () => [k, v].forEach((x) => x.dispose()),
        };
      },
    },
  };
}
