import type { AttentionProblem, Implementation } from '../harness/contender.js';

/** The part of @tensorflow/tfjs-core that is used. */
export interface TensorFlow {
  setBackend(name: string): Promise<boolean>;
  tidy(compute: () => void): void;
  tensor(values: Float32Array, shape: number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  mul(a: TfTensor, b: number | TfTensor): TfTensor;
  add(a: TfTensor, b: TfTensor): TfTensor;
  softmax(x: TfTensor): TfTensor;
  slice(x: TfTensor, begin: number[], size: number[]): TfTensor;
  split(x: TfTensor, parts: number, axis: number): TfTensor[];
  sum(x: TfTensor): TfTensor;
  grads(compute: (...args: TfTensor[]) => TfTensor): (args: TfTensor[]) => TfTensor[];
  concat(xs: TfTensor[], axis: number): TfTensor;
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
    return requireFloats(data);
  }

  function requireFloats(data: unknown): Float32Array {
    if (data instanceof Float32Array) return data;
    throw new TypeError('TensorFlow.js: the result must be a Float32Array');
  }

  /** There is no −Infinity in the mask: TensorFlow.js users add a large negative number. */
  function causalMask(queries: number, keys: number): TfTensor {
    const mask = new Float32Array(queries * keys);
    for (let i = 0; i < queries; i++) mask.fill(-1e9, i * keys + keys - queries + i + 1, (i + 1) * keys);
    return tf.tensor(mask, [queries, keys]);
  }

  /** Kᵀ and V of every head, each a matrix: its product of stacks of matrices, or with Kᵀ untransposed, is many times slower. */
  function splitKeys(k: TfTensor, v: TfTensor, { numHeads, dHead, keys }: Heads): TfTensor[][] {
    const head = (x: TfTensor, h: number) => tf.slice(x, [0, h * dHead], [keys, dHead]);
    return Array.from({ length: numHeads }, (_, h) => [tf.transpose(head(k, h), [1, 0]), head(v, h)]);
  }

  function attend(q: TfTensor, heads: readonly TfTensor[][], { dHead, queries }: Heads, mask?: TfTensor): TfTensor {
    const scaled = tf.mul(q, 1 / Math.sqrt(dHead));
    const out = heads.map(([kT, v], h) => {
      const scores = tf.matMul(tf.slice(scaled, [0, h * dHead], [queries, dHead]), kT);
      return tf.matMul(tf.softmax(mask === undefined ? scores : tf.add(scores, mask)), v);
    });
    return tf.concat(out, 1);
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
              const [k, v] = [problem.k, problem.v].map((x) => tf.tensor(x, [keys, width]));
              return attend(q, splitKeys(k, v, problem), problem, mask);
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
              return tf.matMul(attend(q, splitKeys(k, v, heads), heads), weights[3]);
            }),
          dispose: () => weights.forEach((w) => w.dispose()),
        };
      },
      trainingStep: ({ x, tokens, dModel, numHeads, wQ, wK, wV, wO, dOut }) => {
        const weights = [wQ, wK, wV, wO].map((w) => tf.tensor(w, [dModel, dModel]));
        const scale = 1 / Math.sqrt(dModel / numHeads);
        // Heads by split, not slice: its gradient is one concat, that of a slice a padded matrix a head.
        const gradientsOf = (d: TfTensor) =>
          tf.grads((input, q, k, v, o) => {
            const [qs, ks, vs] = [q, k, v].map((w) => tf.split(tf.matMul(input, w), numHeads, 1));
            const attended = qs.map((qHead, h) => {
              const scores = tf.matMul(tf.mul(qHead, scale), tf.transpose(ks[h], [1, 0]));
              return tf.matMul(tf.softmax(scores), vs[h]);
            });
            return tf.sum(tf.mul(tf.matMul(tf.concat(attended, 1), o), d));
          });
        return {
          call: () => {
            let data: unknown[] = [];
            tf.tidy(() => {
              const [input, d] = [x, dOut].map((values) => tf.tensor(values, [tokens, dModel]));
              data = gradientsOf(d)([input, ...weights]).map((gradient) => gradient.dataSync());
            });
            return data.map(requireFloats);
          },
          dispose: () => weights.forEach((w) => w.dispose()),
        };
      },
      // Its tensors never change, so a row could only be stored by copying the cache (16 ms here). What is measured is the
      // rest: the cache, new row included, lies on its side, split into heads.
      decode: (problem) => {
        const { queries, keys, numHeads, dHead } = problem;
        const width = numHeads * dHead;
        const [k, v] = [problem.k, problem.v].map((x) => tf.tensor(x, [keys, width]));
        const heads = splitKeys(k, v, problem);
        return {
          call: () => read(() => attend(tf.tensor(problem.q, [queries, width]), heads, problem)),
          dispose: () => [k, v, ...heads.flat()].forEach((x) => x.dispose()),
        };
      },
    },
  };
}
