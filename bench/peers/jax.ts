import type { AttentionProblem, Implementation } from '../harness/contender.js';

/** The part of @jax-js/jax that is used. Operations take ownership of their arguments; `ref` keeps one for later. */
export interface Jax {
  readonly numpy: {
    array(values: Float32Array): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
  };
  readonly nn: { softmax(x: JaxArray, axis: number): JaxArray };
  jit<Result>(compute: (...args: JaxArray[]) => Result): ((...args: JaxArray[]) => Result) & { dispose(): void };
  grad(compute: (...args: JaxArray[]) => JaxArray, options: { argnums: number[] }): (...args: JaxArray[]) => JaxArray[];
  defaultDevice(name: 'wasm'): unknown;
}
interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: number[]): JaxArray;
  transpose(perm: number[]): JaxArray;
  mul(factor: number | JaxArray): JaxArray;
  sum(): JaxArray;
  add(other: JaxArray): JaxArray;
  dataSync(): unknown;
  dispose(): void;
}

type Heads = Pick<AttentionProblem, 'numHeads' | 'dHead' | 'queries' | 'keys'>;

/** jax-js on its WASM backend, every function compiled by jit. In Node it has no workers, so one thread. */
export function jax({ numpy, nn, jit, grad, defaultDevice }: Jax): Implementation {
  defaultDevice('wasm');
  const array = (values: Float32Array, rows: number, cols: number) => numpy.array(values).reshape([rows, cols]);

  function read(result: JaxArray): Float32Array {
    const data = result.dataSync();
    if (!(data instanceof Float32Array)) throw new TypeError('jax-js: the result must be a Float32Array');
    return data;
  }

  // Written out: its own dotProductAttention needs iterator helpers, which Node 20 does not have.
  function attend(q: JaxArray, k: JaxArray, v: JaxArray, heads: Heads, mask?: JaxArray): JaxArray {
    const { numHeads, dHead, queries, keys } = heads;
    const split = (x: JaxArray, rows: number, perm: number[]) => x.reshape([rows, numHeads, dHead]).transpose(perm);
    const product = numpy.matmul(split(q, queries, [1, 0, 2]), split(k, keys, [1, 2, 0]));
    const scores = product.mul(1 / Math.sqrt(dHead));
    const weights = nn.softmax(mask === undefined ? scores : scores.add(mask), -1);
    const out = numpy.matmul(weights, split(v, keys, [1, 0, 2]));
    return out.transpose([1, 0, 2]).reshape([queries, numHeads * dHead]);
  }

  function forward(x: JaxArray, [q, k, v, o]: readonly JaxArray[], heads: Heads): JaxArray {
    const attended = attend(numpy.matmul(x.ref, q), numpy.matmul(x.ref, k), numpy.matmul(x, v), heads);
    return numpy.matmul(attended, o);
  }

  function causalMask(queries: number, keys: number): JaxArray {
    const mask = new Float32Array(queries * keys);
    for (let i = 0; i < queries; i++)
      mask.fill(Number.NEGATIVE_INFINITY, i * keys + keys - queries + i + 1, (i + 1) * keys);
    return numpy.array(mask).reshape([1, queries, keys]);
  }

  return {
    name: 'jax-js jit',
    kind: 'peer',
    operations: {
      matmul: ({ a, b, m, k, n }) => {
        const product = jit((x, y) => numpy.matmul(x, y));
        return { call: () => read(product(array(a, m, k), array(b, k, n))), dispose: () => product.dispose() };
      },
      residentMatmul: ({ a, b, m, k, n }) => {
        const product = jit((x, y) => numpy.matmul(x, y));
        const weight = array(b, k, n);
        return {
          call: () => read(product(array(a, m, k), weight.ref)),
          dispose: () => [product, weight].forEach((x) => x.dispose()),
        };
      },
      softmax: ({ x, rows, cols }) => {
        const softmax = jit((y) => nn.softmax(y, -1));
        return { call: () => read(softmax(array(x, rows, cols))), dispose: () => softmax.dispose() };
      },
      attention: (problem) => {
        const { queries, keys, numHeads, dHead, causal, q, k, v } = problem;
        const width = numHeads * dHead;
        const mask = causal ? [causalMask(queries, keys)] : [];
        const attention = jit((a, b, c, ...rest) => attend(a, b, c, problem, rest[0]));
        return {
          call: () => {
            const inputs = [array(q, queries, width), array(k, keys, width), array(v, keys, width)];
            return read(attention(...inputs, ...mask.map((x) => x.ref)));
          },
          dispose: () => [attention, ...mask].forEach((x) => x.dispose()),
        };
      },
      layer: ({ x, tokens, dModel, numHeads, wQ, wK, wV, wO }) => {
        const weights = [wQ, wK, wV, wO].map((w) => array(w, dModel, dModel));
        const heads = { numHeads, dHead: dModel / numHeads, queries: tokens, keys: tokens };
        const layer = jit((input, q, k, v, o) => forward(input, [q, k, v, o], heads));
        return {
          call: () => read(layer(array(x, tokens, dModel), ...weights.map((w) => w.ref))),
          dispose: () => [layer, ...weights].forEach((y) => y.dispose()),
        };
      },
      trainingStep: ({ x, tokens, dModel, numHeads, wQ, wK, wV, wO, dOut }) => {
        const weights = [wQ, wK, wV, wO].map((w) => array(w, dModel, dModel));
        const heads = { numHeads, dHead: dModel / numHeads, queries: tokens, keys: tokens };
        const loss = (input: JaxArray, q: JaxArray, k: JaxArray, v: JaxArray, o: JaxArray, d: JaxArray) =>
          forward(input, [q, k, v, o], heads).mul(d).sum();
        const step = jit(grad(loss, { argnums: [0, 1, 2, 3, 4] }));
        return {
          call: () => {
            const [input, d] = [x, dOut].map((values) => array(values, tokens, dModel));
            return step(input, ...weights.map((w) => w.ref), d).map(read);
          },
          dispose: () => [step, ...weights].forEach((y) => y.dispose()),
        };
      },
      // Its arrays never change, so a row could only be stored by copying the cache (4 ms here). What is measured is the
      // rest: the cache, new row included, lies on its side.
      decode: (problem) => {
        const { queries, keys, numHeads, dHead } = problem;
        const width = numHeads * dHead;
        const attention = jit((q, k, v) => attend(q, k, v, problem));
        const [k, v] = [array(problem.k, keys, width), array(problem.v, keys, width)];
        return {
          call: () => read(attention(array(problem.q, queries, width), k.ref, v.ref)),
          dispose: () => [attention, k, v].forEach((x) => x.dispose()),
        };
      },
    },
  };
}
