import { type KernelChoice, Matrix, MultiHeadAttention, scaledDotProductAttention, setKernels } from 'qkv';
import { afterEach, describe, expect, it } from 'vitest';
import { type Arithmetic, exactly } from '../../bench/contenders/arithmetic.js';
import { attentionRows, layerRows, matmulRows, softmaxRows } from '../../bench/contenders/expected.js';
import { naive } from '../../bench/contenders/naive.js';
import { type MeasuredKernels, qkv } from '../../bench/contenders/qkv.js';
import type { AttentionProblem, LayerProblem, Prepared } from '../../bench/harness/contender.js';
import { problemOf, sampleOf, sampleRows } from '../../bench/harness/verify.js';

const data = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed }).data;
const matmul = { m: 5, k: 7, n: 6, a: data(5, 7, 1), b: data(7, 6, 2) };
const softmax = { rows: 4, cols: 9, x: data(4, 9, 1) };
const attention = (queries: number, causal: boolean): AttentionProblem => ({
  ...{ numHeads: 3, dHead: 4, queries, keys: 6, causal },
  ...{ q: data(queries, 12, 1), k: data(6, 12, 2), v: data(6, 12, 3) },
});
const [wQ, wK, wV, wO] = [2, 3, 4, 5].map((seed) => data(8, 8, seed));
const layer: LayerProblem = { tokens: 6, dModel: 8, numHeads: 2, x: data(6, 8, 1), wQ, wK, wV, wO };

type Evaluate = (rows: readonly number[], arithmetic: Arithmetic) => Float64Array;

/** Every operation with its data: what is right, and the shape. */
const operations: Record<string, { rows: number; cols: number; evaluate: Evaluate }> = {
  matmul: { rows: 5, cols: 6, evaluate: (rows, arithmetic) => matmulRows(matmul, rows, arithmetic) },
  softmax: { rows: 4, cols: 9, evaluate: (rows, arithmetic) => softmaxRows(softmax, rows, arithmetic) },
  attention: {
    rows: 6,
    cols: 12,
    evaluate: (rows, arithmetic) => attentionRows(attention(6, false), rows, arithmetic),
  },
  causal: { rows: 6, cols: 12, evaluate: (rows, arithmetic) => attentionRows(attention(6, true), rows, arithmetic) },
  causalShort: {
    rows: 2,
    cols: 12,
    evaluate: (rows, arithmetic) => attentionRows(attention(2, true), rows, arithmetic),
  },
  decode: { rows: 1, cols: 12, evaluate: (rows, arithmetic) => attentionRows(attention(1, false), rows, arithmetic) },
  layer: { rows: 6, cols: 8, evaluate: (rows, arithmetic) => layerRows(layer, rows, arithmetic) },
};

const exactRows = (name: string) => {
  const { rows, evaluate } = operations[name];
  return evaluate(sampleRows(rows, rows), exactly);
};

/** What an implementation says. */
async function resultsOf({ operations: own }: typeof naive): Promise<Record<string, Float32Array>> {
  const prepared: Record<string, Prepared | Promise<Prepared> | undefined> = {
    matmul: own.matmul?.(matmul),
    softmax: own.softmax?.(softmax),
    attention: own.attention?.(attention(6, false)),
    causal: own.attention?.(attention(6, true)),
    causalShort: own.attention?.(attention(2, true)),
    decode: own.decode?.(attention(1, false)),
    layer: own.layer?.(layer),
  };
  const results: Record<string, Float32Array> = {};
  for (const [name, promised] of Object.entries(prepared)) {
    const one = await promised;
    if (one === undefined || !('call' in one)) throw new Error(`${name} is missing`);
    // Twice: a second call must not see what the first one left.
    one.call();
    results[name] = one.call();
  }
  return results;
}

function problems(results: Record<string, Float32Array>): (string | undefined)[] {
  return Object.entries(operations).map(([name, { rows, cols, evaluate }]) =>
    problemOf(results[name], rows, sampleOf(sampleRows(rows, rows), cols, evaluate)),
  );
}

afterEach(() => setKernels('auto'));

describe('what is expected', () => {
  it('is what can be counted by hand', () => {
    const product = { m: 2, k: 2, n: 2, a: Float32Array.of(1, 2, 3, 4), b: Float32Array.of(5, 6, 7, 8) };
    expect([...matmulRows(product, [1, 0], exactly)]).toEqual([43, 50, 19, 22]);
    const x = Float32Array.of(0, 0, Math.log(3), 0);
    const [, , p, rest] = softmaxRows({ rows: 2, cols: 2, x }, [0, 1], exactly);
    // log 3 is rounded to float32: 1e-7 of it.
    expect(p).toBeCloseTo(0.75, 6);
    expect(rest).toBeCloseTo(0.25, 6);
  });

  it('is what the float64 kernels of the library say', () => {
    setKernels('float64');
    const out = (problem: AttentionProblem) => {
      const { q, k, v, queries, keys, numHeads, causal } = problem;
      const [qM, kM, vM] = [new Matrix(queries, 12, q), new Matrix(keys, 12, k), new Matrix(keys, 12, v)];
      return scaledDotProductAttention(qM, kM, vM, { numHeads, causal }).data;
    };
    const heads = new MultiHeadAttention({ dModel: 8, numHeads: 2, seed: 0 });
    for (const [weight, given] of [[heads.W_Q, wQ] as const, [heads.W_K, wK] as const]) weight.data.set(given);
    for (const [weight, given] of [[heads.W_V, wV] as const, [heads.W_O, wO] as const]) weight.data.set(given);
    const said: Record<string, ArrayLike<number>> = {
      attention: out(attention(6, false)),
      causal: out(attention(6, true)),
      causalShort: out(attention(2, true)),
      decode: out(attention(1, false)),
      layer: heads.forward(new Matrix(6, 8, layer.x)).data,
    };
    for (const [name, values] of Object.entries(said)) {
      const exact = exactRows(name);
      // Two float64 evaluations in different order: sums of 12 terms of size 1 to 100.
      for (let i = 0; i < exact.length; i++) expect(Math.abs(values[i] - exact[i])).toBeLessThan(1e-12);
    }
  });
});

describe('contenders say what is expected', () => {
  it('the naive loop', async () => {
    expect(problems(await resultsOf(naive)).filter(Boolean)).toEqual([]);
  });

  it.each(['reference', 'javascript', 'wasm-simd'] satisfies (MeasuredKernels & KernelChoice)[])(
    'qkv %s',
    async (kernels) => {
      const own = qkv(kernels);
      own.activate?.();
      expect(problems(await resultsOf(own)).filter(Boolean)).toEqual([]);
    },
  );
});

describe('the error law finds real mistakes', () => {
  const judge = (name: string, mistaken: Float64Array) => {
    const { rows, cols, evaluate } = operations[name];
    return problemOf(Float32Array.from(mistaken), rows, sampleOf(sampleRows(rows, rows), cols, evaluate));
  };
  const all = (count: number) => sampleRows(count, count);

  it('but not a rounded right answer', () => {
    for (const name of Object.keys(operations)) expect(judge(name, exactRows(name))).toBeUndefined();
  });

  it('such as causal forgotten, off by one, or at the top left', () => {
    expect(judge('causal', attentionRows(attention(6, false), all(6), exactly))).toBeDefined();
    expect(judge('attention', attentionRows(attention(6, true), all(6), exactly))).toBeDefined();
    expect(judge('causal', attentionRows({ ...attention(6, true), keys: 5 }, all(6), exactly))).toBeDefined();
    expect(judge('causalShort', attentionRows({ ...attention(2, true), keys: 2 }, all(2), exactly))).toBeDefined();
  });

  it('a scale of the whole width, heads in the wrong order, one wrong weight', () => {
    const scaled = { ...attention(6, false), q: attention(6, false).q.map((x) => x / Math.sqrt(3)) };
    expect(judge('attention', attentionRows(scaled, all(6), exactly))).toBeDefined();
    const oneHead = { ...attention(6, false), numHeads: 1, dHead: 12 };
    expect(judge('attention', attentionRows(oneHead, all(6), exactly))).toBeDefined();
    const oneWeight = { ...layer, wV: layer.wV.map((w, i) => (i === 9 ? w + 1e-3 : w)) };
    expect(judge('layer', layerRows(oneWeight, all(6), exactly))).toBeDefined();
  });

  it('results computed with weights of 16 bits', () => {
    // A bfloat16 has 8 bits of 24.
    const coarse = { ...matmul, b: matmul.b.map((x) => Math.fround(Math.round(x * 128) / 128)) };
    expect(judge('matmul', matmulRows(coarse, all(5), exactly))).toBeDefined();
  });
});
