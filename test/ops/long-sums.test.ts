import {
  attentionLogSumExp,
  clipGradNorm,
  crossEntropy,
  Embedding,
  layerNorm,
  Matrix,
  meanSquaredError,
  rmsNorm,
  scaledDotProductAttention,
  valueAndGrad,
} from 'qkv';
import { expect, it } from 'vitest';
import { forEachTwin, type Twin } from '../support/twins.js';

// Long sums of terms of one sign, equal ones: then every addition rounds the same way. In WASM a sum of n float32 terms may
// err by (block + n/block + roundings)·2^−24 of Σ|terms| (src/kernels/wasm/summation.ts), everywhere else by `roundings`
// alone, in float64 by 4n·2^−53 (an operation takes
// a few sums).

interface Sum {
  got: number;
  exact: number;
  /** Σ|terms|, where it is not |exact|. */
  magnitude?: number;
}

interface Case {
  /** Terms a block. */
  block: number;
  /** Of a term and of what is done with the sum, in units of 2^−24. */
  roundings: number;
  /** The longest it is tried with. */
  longest?: number;
  sums(n: number): Sum[];
}

const float = Math.fround;
const A = float(0.1);
const B = float(0.7);
/** rows × cols of one number, but for those given. */
function filled(rows: number, cols: number, value: number, others: [index: number, value: number][] = []): Matrix {
  const x = new Matrix(rows, cols, new Float32Array(rows * cols).fill(value));
  for (const [index, other] of others) x.data[index] = other;
  return x;
}
/** Columns a, b, … of equal entries. */
function columns(rows: number, ...values: number[]): Matrix {
  const row = Float32Array.from(values);
  const data = new Float32Array(rows * row.length);
  for (let r = 0; r < rows; r++) data.set(row, r * row.length);
  return new Matrix(rows, row.length, data);
}
const all = (x: Matrix | undefined, exact: number): Sum[] =>
  Array.from(x?.data ?? [Number.NaN], (got) => ({ got, exact }));
const gradientsOf = (f: () => Matrix, ...of: Matrix[]): Matrix[] => {
  const { gradients } = valueAndGrad(f);
  return of.map((x) => {
    const gradient = gradients.get(x);
    if (gradient === undefined) throw new Error('a matrix has no gradient');
    return 'values' in gradient ? gradient.values : gradient;
  });
};

/** Products of m rows with 3 columns; every layout and every number of rows that has its own kernel. */
function product(m: number, transposeA: boolean, transposeB: boolean, longest?: number): Case {
  const sums = (n: number) => {
    const [a, b] = [
      filled(transposeA ? n : m, transposeA ? m : n, A),
      filled(transposeB ? 3 : n, transposeB ? n : 3, B),
    ];
    return all(a.matmul(b, { transposeA, transposeB }), n * A * B);
  };
  return { block: 256, roundings: 2, longest, sums };
}

/** `queries` rows against n keys: the first has logit 2, the others 1, for which n e^−1 terms of one sign are summed. */
function attending(queries: number): Case {
  return {
    block: 64,
    roundings: 40, // two sums, exponentials within 2.3 ulp, the quotient
    sums: (n) => {
      const [q, k, v] = [filled(queries, 1, 1), filled(n, 1, 1, [[0, 2]]), filled(n, 2, A)];
      const logSum = 2 + Math.log(1 + (n - 1) * Math.exp(-1));
      return [
        ...all(scaledDotProductAttention(q, k, v, { scale: 1 }), A),
        // An error of s is an absolute one of its logarithm.
        ...all(attentionLogSumExp(q, k, { scale: 1 }), logSum).map((sum) => ({ ...sum, magnitude: 1 })),
      ];
    },
  };
}

/** Scores of dK = n columns: 0.1 each for key 0, and 0 for key 1. */
function scores(queries: number): Case {
  return {
    block: 256,
    roundings: 40,
    longest: 2 ** 17,
    sums: (n) => {
      const [q, k] = [filled(queries, n, A), Matrix.concatRows([filled(1, n, B), filled(1, n, 0)])];
      const scale = 2 ** -9;
      const score = scale * n * A * B; // 18: e^−18 hardly counts
      return all(attentionLogSumExp(q, k, { scale }), Math.log(Math.exp(score) + 1));
    },
  };
}

/** n queries and 2 keys: dV, dK, dSinks and, for two heads that share keys and values, their sums over both. */
function gradientsOverQueries(numHeads: number, causal: boolean, sequences = false): Case {
  const [q0, dO, k0, v0, sink] = [B, A, 0.5, 2, 0.25];
  return {
    block: causal ? 32 : 64,
    roundings: 60,
    longest: sequences ? 2 ** 17 : undefined,
    sums: (n) => {
      const rows = n / numHeads;
      const cuSeqlens = sequences ? Int32Array.from({ length: rows + 1 }, (_, i) => i) : undefined;
      const cuSeqlensK = sequences ? cuSeqlens?.map((i) => 2 * i) : undefined;
      const keys = sequences ? 2 * rows : 2;
      const entries = (value: number) => Float32Array.from({ length: keys }, (_, j) => (j % 2 === 0 ? value : 0));
      const q = filled(rows, numHeads, q0);
      const [k, v] = [new Matrix(keys, 1, entries(k0)), new Matrix(keys, 1, entries(v0))];
      const sinks = filled(1, numHeads, sink);
      const options = { numHeads, numKvHeads: 1, scale: 1, sinks, cuSeqlens, cuSeqlensK };
      // Causal from a position where every row sees both keys.
      const attend = () =>
        scaledDotProductAttention(q, k, v, causal ? { ...options, causal, causalOffset: 1 } : options);
      const [dK, dV, dSinks] = gradientsOf(() => attend().scale(dO).sum(), k, v, sinks);
      const s = Math.exp(q0 * k0) + 1 + Math.exp(sink);
      const P = Math.exp(q0 * k0) / s;
      const [dP, D] = [dO * v0, dO * P * v0];
      const dSink = { got: dSinks.data[0], exact: (-rows * Math.exp(sink) * D) / s };
      if (sequences) return [dSink];
      return [
        { got: dV.data[0], exact: n * P * dO },
        { got: dK.data[0], exact: n * P * (dP - D) * q0, magnitude: n * P * (dP + D) * q0 },
        dSink,
      ];
    },
  };
}

const CASES: Record<string, Case> = {
  'a product of 1 row': product(1, false, false),
  'a product of 2 rows': product(2, false, false),
  'a product of 3 rows': product(3, false, false),
  'a product of 21 rows': product(21, false, false, 2 ** 17),
  'a product with the first transposed': product(2, true, false),
  'a product with the second transposed': product(2, false, true),
  'a product with both transposed': product(1, true, true),
  'the gradients of a product': {
    block: 256,
    roundings: 2,
    sums: (n) => {
      const [a, b] = [filled(n, 2, A), filled(2, 3, B)];
      return all(gradientsOf(() => a.matmul(b).scale(B).sum(), b)[0], n * A * B);
    },
  },
  'sum and mean': {
    block: 1,
    roundings: -1, // in float64 everywhere: see limit
    sums: (n) => [...all(filled(n, 1, A).sum(), n * A), ...all(filled(1, n, A).mean(), A)],
  },
  'a mean squared error': {
    block: 1,
    roundings: -1,
    sums: (n) => all(meanSquaredError(filled(n, 1, A), filled(n, 1, 0)), A * A),
  },
  'the norm of gradients': {
    block: 1,
    roundings: -1,
    sums: (n) => {
      const x = filled(n, 1, 1);
      const { norm } = clipGradNorm(valueAndGrad(() => x.scale(A).sum()).gradients, 1);
      return [{ got: norm, exact: Math.sqrt(n) * A }];
    },
  },
  'the gradient of a row added to every row': {
    block: 256,
    roundings: 2,
    sums: (n) => {
      const [x, b] = [filled(n, 3, 1), filled(1, 3, 1)];
      return all(gradientsOf(() => x.add(b).scale(A).sum(), b)[0], n * A);
    },
  },
  'the gradient of a row of an embedding': {
    block: 1,
    roundings: -1,
    sums: (n) => {
      const table = new Embedding(3, 2, { seed: 1 });
      const ids = new Int32Array(n).fill(1);
      return all(gradientsOf(() => table.forward(ids).scale(A).sum(), table.table)[0], n * A);
    },
  },
  'the gradient of a matrix that many operations use': {
    block: 1,
    roundings: -1, // pairs of equal sums: exact
    longest: 2 ** 17,
    sums: (n) => {
      const x = filled(1, 1, 1);
      const uses = () => Matrix.concatRows(Array.from({ length: n }, () => x.scale(A))).sum();
      return all(gradientsOf(uses, x)[0], n * A);
    },
  },
  'the gradients of gain and bias of a layer norm': {
    block: 256,
    roundings: 16,
    sums: (n) => {
      const [x, gain, bias] = [columns(n, 1, -1), filled(1, 2, 1), filled(1, 2, 0)];
      const [dGain, dBias] = gradientsOf(() => layerNorm(x, gain, bias, { epsilon: 0.25 }).scale(A).sum(), gain, bias);
      const normal = 1 / Math.sqrt(1.25);
      return [
        { got: dGain.data[0], exact: n * A * normal },
        { got: -dGain.data[1], exact: n * A * normal },
        ...all(dBias, n * A),
      ];
    },
  },
  'the gradient of the gain of an RMS norm': {
    block: 256,
    roundings: 16,
    sums: (n) => {
      const [x, gain] = [columns(n, 1, 1), filled(1, 2, 1)];
      return all(
        gradientsOf(() => rmsNorm(x, gain, { epsilon: 0.25 }).scale(A).sum(), gain)[0],
        (n * A) / Math.sqrt(1.25),
      );
    },
  },
  'the softmax of a row': {
    block: 1024,
    roundings: 12,
    sums: (n) => {
      const s = 1 + (n - 1) * Math.exp(-B);
      const y = filled(1, n, 0, [[0, B]]).softmax();
      return [
        { got: y.data[0], exact: 1 / s },
        { got: y.data[n - 1], exact: Math.exp(-B) / s },
      ];
    },
  },
  'the gradient of the softmax of a row': {
    block: 1024,
    roundings: 24,
    sums: (n) => {
      const x = filled(1, n, 0, [[0, float(Math.log(n))]]);
      const upstream = filled(1, n, A, [[0, 0]]);
      const e = Math.exp(x.data[0]);
      const y = 1 / (e + n - 1);
      const [dX] = gradientsOf(() => x.softmax().multiply(upstream).sum(), x);
      return [{ got: dX.data[0], exact: -e * y * A * (n - 1) * y }];
    },
  },
  'the cross-entropy of many classes, smoothed': {
    block: 1024,
    roundings: 12,
    sums: (n) => {
      const x = filled(1, n, 0, [[0, B]]);
      const logSum = Math.log(1 + (n - 1) * Math.exp(-B));
      const loss = crossEntropy(x, [0], { labelSmoothing: 0.5 });
      return all(loss, logSum + (0.5 * (n - 1) * B) / n).map((sum) => ({ ...sum, magnitude: Math.max(1, sum.exact) }));
    },
  },
  'layer norm and RMS norm of a row': {
    block: 4096,
    roundings: 32,
    sums: (n) => {
      const x = columns(n / 2, 1.1, 0.3);
      const row = new Matrix(1, n, x.data);
      const [a, b] = [float(1.1), float(0.3)];
      const size = ((a - b) / 2) * (1 / Math.sqrt(((a - b) / 2) ** 2 + 0.25));
      const inverse = 1 / Math.sqrt((a * a + b * b) / 2 + 0.25);
      const [y, z] = [
        layerNorm(row, undefined, undefined, { epsilon: 0.25 }),
        rmsNorm(row, undefined, { epsilon: 0.25 }),
      ];
      return [
        { got: y.data[0], exact: size, magnitude: 3 * size },
        { got: y.data[n - 1], exact: -size, magnitude: 3 * size },
        { got: z.data[0], exact: a * inverse },
        { got: z.data[n - 1], exact: b * inverse },
      ];
    },
  },
  'the gradient of a layer norm of a row': {
    block: 1024,
    roundings: 64,
    sums: (n) => {
      const row = new Matrix(1, n, columns(n / 2, 1, -1).data);
      const upstream = new Matrix(1, n, columns(n / 2, B, A).data);
      const i = 1 / Math.sqrt(1.25);
      const [dX] = gradientsOf(
        () => layerNorm(row, undefined, undefined, { epsilon: 0.25 }).multiply(upstream).sum(),
        row,
      );
      const exact = i * (B - (A + B) / 2 - (i * i * (B - A)) / 2);
      return [{ got: dX.data[0], exact, magnitude: i * (B + (A + B) / 2 + (i * i * (A + B)) / 2) }];
    },
  },
  'attention of 1 query': attending(1),
  'attention of 9 queries': attending(9),
  'attention of 9 queries, where something is not finite': {
    block: 64,
    roundings: 40,
    sums: (n) => {
      const [q, k, v] = [filled(9, 1, 1), filled(n, 1, 1, [[0, 2]]), filled(n, 2, A, [[2 * (n - 1), Number.NaN]])];
      const keyMask = new Uint8Array(n).fill(1);
      keyMask[n - 1] = 0;
      return all(scaledDotProductAttention(q, k, v, { scale: 1, keyMask }), A);
    },
  },
  'scores of 1 query': scores(1),
  'scores of 9 queries': scores(9),
  'the gradients of attention over queries': gradientsOverQueries(1, false),
  'the gradients of causal attention over queries': gradientsOverQueries(1, true),
  'the gradients of attention over queries and heads': gradientsOverQueries(2, false),
  'the gradient of a sink over sequences': gradientsOverQueries(1, false, true),
  'the gradient of a query': {
    block: 64,
    roundings: 100,
    sums: (n) => {
      const q = new Matrix(1, 2, Float32Array.of(0, Math.log(n)));
      const k = columns(n, B, 0);
      k.data.set([0, 1]);
      const v = filled(n, 1, 0, [[0, 1]]);
      const [dQ] = gradientsOf(() => scaledDotProductAttention(q, k, v, { scale: 1 }).sum(), q);
      const s = Math.exp(q.data[1]) + n - 1;
      const first = Math.exp(q.data[1]) / s;
      return [{ got: dQ.data[0], exact: (-(n - 1) * first * B) / s }];
    },
  },
  'the dot of an output and its gradient': {
    block: 1024,
    roundings: 100,
    longest: 2 ** 17,
    sums: (n) => {
      const [q, k] = [filled(1, 1, 1), filled(2, 1, 1)];
      const v = Matrix.concatRows([filled(1, n, A), filled(1, n, 0)]);
      const [dQ, dK] = gradientsOf(() => scaledDotProductAttention(q, k, v, { scale: 1 }).scale(B).sum(), q, k);
      const [dP, D] = [n * A * B, (n * A * B) / 2];
      return [
        { got: dK.data[0], exact: (dP - D) / 2, magnitude: (dP + D) / 2 },
        { got: dK.data[1], exact: -D / 2 },
        { got: dQ.data[0], exact: 0, magnitude: dP },
      ];
    },
  },
};

function limit({ name }: Twin, { block, roundings }: Case, n: number): number {
  if (name === 'float64') return (4 * n + Math.max(roundings, 1)) * 2 ** -53;
  if (roundings < 0) return 4 * 2 ** -24;
  if (name !== 'wasm-simd') return (roundings + 4) * 2 ** -24;
  return (block + n / block + roundings) * 2 ** -24;
}

const LENGTHS: Record<Twin['name'], number[]> = {
  reference: [2 ** 20],
  float64: [2 ** 14],
  javascript: [2 ** 17],
  'wasm-simd': [2 ** 17, 2 ** 20],
};

forEachTwin((twin) => {
  // The loops of 'javascript' and 'float64' are those of 'reference', but for the products of the first.
  const lengths = LENGTHS[twin.name];
  for (const [name, own] of Object.entries(CASES)) {
    for (const n of new Set(lengths.map((length) => Math.min(length, own.longest ?? length)))) {
      it(`${name}: ${n} terms`, { timeout: 60_000 }, () => {
        const bound = limit(twin, own, n);
        for (const { got, exact, magnitude = Math.abs(exact) } of own.sums(n)) {
          const error = Math.abs(got - exact);
          expect(
            error <= bound * magnitude,
            `got ${got}, expected ${exact}: off by ${error / magnitude} > ${bound}`,
          ).toBe(true);
        }
      });
    }
  }
});
