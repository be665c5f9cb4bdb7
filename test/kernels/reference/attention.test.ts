import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { philox } from '../../../src/core/random.js';
import { float64 } from '../../../src/kernels/reference/kernels.js';
import { Matrix } from '../../../src/matrix.js';
import { type AttentionOptions, attentionProblem, dropoutOf } from '../../../src/ops/attention-options.js';
import { expectClose, expectSame } from '../../support/compare.js';

// The formulas of the specification once more, on whole matrices, for one sequence: an oracle that shares no line with it.

interface Case {
  lq: number;
  lk: number;
  numHeads: number;
  numKvHeads: number;
  dK: number;
  dV: number;
  options: AttentionOptions;
}

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });

/** O, log-sum-exp and weights by hand; masks and biases are shared by the heads or one a head. */
function oracle(
  { lq, lk, numHeads, numKvHeads, dK, dV, options }: Case,
  q: Matrix,
  k: Matrix,
  v: Matrix,
  call: number,
) {
  const { scale = 1 / Math.sqrt(dK), softcap = 0, causal = false, window, mask, keyMask, bias, sinks } = options;
  const { alibi, dropout = 0, seed = 0 } = options;
  const offset = causal === 'top-left' ? 0 : (options.causalOffset ?? lk - lq);
  const [left, right] =
    window === undefined ? [Infinity, Infinity] : typeof window === 'number' ? [window, causal ? 0 : window] : window;
  const out = new Float64Array(lq * numHeads * dV);
  const logSumExp = new Float64Array(lq * numHeads);
  for (let h = 0; h < numHeads; h++) {
    const g = Math.floor((h * numKvHeads) / numHeads);
    const slope = alibi === true ? 2 ** ((-8 * (h + 1)) / numHeads) : alibi instanceof Float32Array ? alibi[h] : 0;
    for (let i = 0; i < lq; i++) {
      const position = offset + i;
      const z = Array.from({ length: lk }, (_, j) => {
        const row = (rows: number) => (rows === lq ? i : h * lq + i);
        const maskBytes = mask as Uint8Array | undefined;
        if (causal !== false && j > position) return -Infinity;
        if (j < position - left || j > position + right) return -Infinity;
        if (maskBytes && !maskBytes[row(maskBytes.length / lk) * lk + j]) return -Infinity;
        if (keyMask && !keyMask[j]) return -Infinity;
        let score = 0;
        for (let c = 0; c < dK; c++) score += scale * q.get(i, h * dK + c) * k.get(j, g * dK + c);
        if (softcap > 0) score = softcap * Math.tanh(score / softcap);
        return score - slope * Math.abs(position - j) + (bias ? bias.get(row(bias.rows), j) : 0);
      });
      const sink = sinks ? sinks.get(0, h) : -Infinity;
      const max = Math.max(sink, ...z);
      const sum = max === -Infinity ? 0 : z.reduce((total, x) => total + Math.exp(x - max), Math.exp(sink - max));
      logSumExp[i * numHeads + h] = max + Math.log(sum);
      z.forEach((x, j) => {
        if (x === -Infinity) return;
        const words = new Uint32Array(4);
        philox(j >> 2, i, h, call, seed, 0, words);
        const kept = dropout === 0 ? 1 : words[j % 4] / 2 ** 32 >= dropout ? 1 / (1 - dropout) : 0;
        for (let c = 0; c < dV; c++) {
          out[(i * numHeads + h) * dV + c] += (Math.exp(x - max) / sum) * kept * v.get(j, g * dV + c);
        }
      });
    }
  }
  return { out, logSumExp };
}

const flag = fc.integer({ min: 0, max: 3 }).map((n) => (n === 0 ? 0 : 1));
const bytes = (length: number) =>
  fc.array(flag, { minLength: length, maxLength: length }).map((list) => Uint8Array.from(list));

const cases: fc.Arbitrary<Case> = fc
  .record({
    lq: fc.integer({ min: 1, max: 6 }),
    lk: fc.integer({ min: 1, max: 9 }),
    numKvHeads: fc.integer({ min: 1, max: 2 }),
    group: fc.integer({ min: 1, max: 2 }),
    dK: fc.integer({ min: 1, max: 5 }),
    dV: fc.integer({ min: 1, max: 5 }),
  })
  .chain(({ lq, lk, numKvHeads, group, dK, dV }) => {
    const numHeads = numKvHeads * group;
    const options = fc.record<AttentionOptions>(
      {
        scale: fc.constantFrom(0.3, -1, 2),
        causal: fc.constantFrom<boolean | 'top-left'>(true, false, 'top-left'),
        window: fc.constantFrom<number | [number, number]>(0, 2, [1, 3], [Infinity, 1]),
        softcap: fc.constantFrom(0, 0.7, 5),
        alibi: fc.constantFrom(true, false),
        mask: fc.oneof(bytes(lq * lk), bytes(numHeads * lq * lk)),
        keyMask: bytes(lk),
        bias: fc.constantFrom(normal(lq, lk, 4), normal(numHeads * lq, lk, 5)),
        sinks: fc.constant(normal(1, numHeads, 6)),
        dropout: fc.constantFrom(0, 0.4),
        seed: fc.constant(77),
      },
      { requiredKeys: ['seed'] },
    );
    return options.map((given) => ({
      lq,
      lk,
      numHeads,
      numKvHeads,
      dK,
      dV,
      options: { ...given, numHeads, numKvHeads },
    }));
  });

describe('attention, the specification', () => {
  it('is the formulas, for any options together', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const [q, k, v] = [
          normal(c.lq, c.numHeads * c.dK, 1),
          normal(c.lk, c.numKvHeads * c.dK, 2),
          normal(c.lk, c.numKvHeads * c.dV, 3),
        ];
        const problem = attentionProblem('test', q, k, c.options);
        const got = float64.attention({ ...problem, v: v.data, dV: c.dV, ...dropoutOf(c.options, 4) });
        const expected = oracle(c, q, k, v, 4);
        // Float64 on both sides; the oracle multiplies by scale after q, a rounding or two apart.
        expectClose(got.out, expected.out, 1e-12);
        expectClose(
          got.max.map((m, i) => m + Math.log(got.sum[i])),
          expected.logSumExp,
          1e-12,
        );
      }),
      { numRuns: 400 },
    );
  });

  it('treats packed sequences as each alone, positions and columns from their own start', () => {
    const [q, k, v] = [normal(7, 4, 1), normal(9, 4, 2), normal(9, 4, 3)];
    const bias = normal(7, 5, 4);
    const options = { numHeads: 2, causal: true, alibi: true } as const;
    const run = (a: Matrix, b: Matrix, c: Matrix, more: AttentionOptions) => {
      const problem = attentionProblem('test', a, b, { ...options, ...more });
      return float64.attention({ ...problem, v: c.data, dV: 2, ...dropoutOf({}, 0) }).out;
    };
    const whole = run(q, k, v, { bias, cuSeqlens: [0, 3, 3, 7], cuSeqlensK: [0, 4, 4, 9] });
    const first = run(q.sliceRows(0, 3), k.sliceRows(0, 4), v.sliceRows(0, 4), {
      bias: bias.sliceRows(0, 3).sliceColumns(0, 4),
    });
    const last = run(q.sliceRows(3), k.sliceRows(4), v.sliceRows(4), { bias: bias.sliceRows(3) });
    expectSame(whole, [...first, ...last]);
  });

  it('drops other weights in another call, sequence, head, query and key', () => {
    const ones = new Matrix(8, 2, new Float32Array(16).fill(1));
    const drops = (call: number, seed: number) => {
      const problem = attentionProblem('test', ones, ones, { numHeads: 2, cuSeqlens: [0, 4, 8] });
      return float64.attention({
        ...problem,
        v: Matrix.identity(8).sliceColumns(0, 2).data,
        dV: 1,
        ...dropoutOf({ dropout: 0.5, seed }, call),
      }).out;
    };
    expect([...drops(0, 1)]).toEqual([...drops(0, 1)]);
    expect([...drops(0, 1)]).not.toEqual([...drops(1, 1)]);
    expect([...drops(0, 1)]).not.toEqual([...drops(0, 2)]);
  });
});
