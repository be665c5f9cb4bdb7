import { describe, expect, it } from 'vitest';
import { philox } from '../../../src/core/random.js';
import { cuSeqlensFromLengths } from '../../../src/core/sequences.js';
import type { AttentionStage } from '../../../src/kernels/attention-problem.js';
import { isFloat64 } from '../../../src/kernels/state.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { type AttentionOptions, attentionProblem, dropoutOf } from '../../../src/ops/attention/options.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { kernels, kernelsOf } from '../../support/kernels.js';
import { fc } from '../../support/property.js';
import { forEachTwin } from '../../support/twins.js';

const float64 = kernelsOf('float64');

// The formulas of the specification once more, on whole matrices, a sequence at a time: an oracle that shares no line with it.

interface Case {
  /** Query and key rows of every sequence. */
  lengths: { lq: number; lk: number }[];
  numHeads: number;
  numKvHeads: number;
  dK: number;
  dV: number;
  mask: 'none' | 'shared' | 'per head';
  bias: 'none' | 'shared' | 'per head';
  keyMask: boolean;
  options: AttentionOptions;
}

/** What a sequence sees of the masks of its batch. */
interface Seen {
  mask: (h: number, i: number, j: number) => boolean;
  bias: (h: number, i: number, j: number) => number;
}

interface Expected {
  out: number[];
  logSumExp: number[];
  /** One (lq × lk) list a head. */
  stages: Record<AttentionStage, number[][]>;
}

const STAGES = ['scaledScores', 'softcapped', 'masked', 'weights'] as const;
const CALL = 4;
const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });

/** Everything by hand for sequence s of a batch. */
function oracle(c: Case, s: number, q: Matrix, k: Matrix, v: Matrix, seen: Seen): Expected {
  const { numHeads, numKvHeads, dK, dV, options } = c;
  const [lq, lk] = [q.rows, k.rows];
  const { scale = 1 / Math.sqrt(dK), softcap = 0, causal = false, window, sinks, alibi } = options;
  const { dropout = 0, seed = 0 } = options;
  const offset = causal === 'top-left' ? 0 : (options.causalOffset ?? lk - lq);
  const [left, right] =
    window === undefined ? [Infinity, Infinity] : typeof window === 'number' ? [window, causal ? 0 : window] : window;
  const out = new Array<number>(lq * numHeads * dV).fill(0);
  const logSumExp = new Array<number>(lq * numHeads);
  const stages: Expected['stages'] = { scaledScores: [], softcapped: [], masked: [], weights: [] };
  for (let h = 0; h < numHeads; h++) {
    const g = Math.floor((h * numKvHeads) / numHeads);
    const slope = alibi === true ? 2 ** ((-8 * (h + 1)) / numHeads) : alibi instanceof Float32Array ? alibi[h] : 0;
    for (const stage of STAGES) stages[stage].push([]);
    for (let i = 0; i < lq; i++) {
      const position = offset + i;
      const z = Array.from({ length: lk }, (_, j) => {
        let score = 0;
        for (let p = 0; p < dK; p++) score += scale * q.get(i, h * dK + p) * k.get(j, g * dK + p);
        stages.scaledScores[h].push(score);
        if (softcap > 0) score = softcap * Math.tanh(score / softcap);
        stages.softcapped[h].push(score);
        if (causal !== false && j > position) return -Infinity;
        if (j < position - left || j > position + right) return -Infinity;
        if (!seen.mask(h, i, j)) return -Infinity;
        return score - slope * Math.abs(position - j) + seen.bias(h, i, j);
      });
      stages.masked[h].push(...z);
      const sink = sinks ? sinks.get(0, h) : -Infinity;
      const max = Math.max(sink, ...z);
      const sum = max === -Infinity ? 0 : z.reduce((total, x) => total + Math.exp(x - max), Math.exp(sink - max));
      logSumExp[i * numHeads + h] = max + Math.log(sum);
      z.forEach((x, j) => {
        const weight = x === -Infinity ? 0 : Math.exp(x - max) / sum;
        stages.weights[h].push(weight);
        const words = new Uint32Array(4);
        philox(j >> 2, i, s * numHeads + h, CALL, seed % 2 ** 32, Math.floor(seed / 2 ** 32), words);
        const kept = dropout === 0 ? 1 : words[j % 4] / 2 ** 32 >= dropout ? 1 / (1 - dropout) : 0;
        for (let d = 0; d < dV; d++) out[(i * numHeads + h) * dV + d] += weight * kept * v.get(j, g * dV + d);
      });
    }
  }
  return { out, logSumExp, stages };
}

const kinds = fc.constantFrom<'none' | 'shared' | 'per head'>('none', 'shared', 'per head');
const row = fc.record({ lq: fc.integer({ min: 0, max: 5 }), lk: fc.integer({ min: 0, max: 9 }) });

const cases: fc.Arbitrary<Case> = fc
  .record({
    lengths: fc.array(row, { minLength: 1, maxLength: 3 }),
    numKvHeads: fc.integer({ min: 1, max: 2 }),
    group: fc.constantFrom(1, 2, 4),
    dK: fc.integer({ min: 1, max: 5 }),
    dV: fc.integer({ min: 1, max: 5 }),
    mask: kinds,
    bias: kinds,
    keyMask: fc.boolean(),
  })
  .chain(({ group, ...shape }) => {
    const numHeads = shape.numKvHeads * group;
    const heads = { numHeads, numKvHeads: shape.numKvHeads };
    const options = fc.record<AttentionOptions>(
      {
        scale: fc.constantFrom(0.3, -1, 2),
        causal: fc.constantFrom<boolean | 'top-left'>(true, false, 'top-left'),
        window: fc.constantFrom<number | [number, number]>(0, 2, [1, 3], [Infinity, 1], [2, Infinity]),
        softcap: fc.constantFrom(0, 0.7, 5),
        alibi: fc.constantFrom<boolean | Float32Array>(true, false, normal(1, numHeads, 8).data),
        sinks: fc.constant(normal(1, numHeads, 6)),
        dropout: fc.constantFrom(0, 0.4),
        seed: fc.constant(77 + 3 * 2 ** 32),
      },
      { requiredKeys: ['seed'] },
    );
    return fc.tuple(options, fc.option(fc.integer({ min: -3, max: 8 }), { nil: undefined })).map(([given, offset]) => ({
      ...shape,
      numHeads,
      options: { ...given, ...heads, causalOffset: given.causal === 'top-left' ? undefined : offset },
    }));
  });

/** The whole batch, and every sequence of it by hand. */
function packed(c: Case) {
  const { numHeads, numKvHeads, dK, dV, lengths } = c;
  const cuSeqlens = cuSeqlensFromLengths(lengths.map(({ lq }) => lq));
  const cuSeqlensK = cuSeqlensFromLengths(lengths.map(({ lk }) => lk));
  const [rows, keys] = [cuSeqlens[lengths.length], cuSeqlensK[lengths.length]];
  const columns = Math.max(...lengths.map(({ lk }) => lk));
  const q = normal(rows, numHeads * dK, 1);
  const [k, v] = [normal(keys, numKvHeads * dK, 2), normal(keys, numKvHeads * dV, 3)];
  const tall = (kind: Case['mask']) => (kind === 'per head' ? numHeads * rows : rows);
  const flags = (length: number, seed: number) =>
    Uint8Array.from(Matrix.randomUniform(1, length, { seed }).data, (x) => (x < 0.25 ? 0 : 1));
  const mask = c.mask === 'none' ? undefined : flags(tall(c.mask) * columns, 4);
  const keyMask = c.keyMask ? flags(keys, 5) : undefined;
  const bias = c.bias === 'none' ? undefined : normal(tall(c.bias), columns, 7);
  bias?.data.forEach((x, at) => {
    if (x < -1.5) bias.data[at] = -Infinity;
  });
  const options = { ...c.options, mask, keyMask, bias, cuSeqlens, cuSeqlensK };
  const expected = lengths.map((_, s) => {
    const [at, keysAt] = [cuSeqlens[s], cuSeqlensK[s]];
    const line = (kind: Case['mask'], h: number, i: number) => (kind === 'per head' ? h * rows : 0) + at + i;
    const seen: Seen = {
      mask: (h, i, j) => mask?.[line(c.mask, h, i) * columns + j] !== 0 && keyMask?.[keysAt + j] !== 0,
      bias: (h, i, j) => bias?.get(line(c.bias, h, i), j) ?? 0,
    };
    const [kS, vS] = [k.sliceRows(keysAt, cuSeqlensK[s + 1]), v.sliceRows(keysAt, cuSeqlensK[s + 1])];
    return oracle(c, s, q.sliceRows(at, cuSeqlens[s + 1]), kS, vS, seen);
  });
  return { problem: attentionProblem('test', q, k, options), options, v, expected };
}

forEachTwin(({ name: twin }) => {
  // Float64 on both sides is a rounding or two apart: the oracle multiplies by scale after q. A float32 logit of 5 products
  // and a bias errs by 8 roundings of the largest, about 50 here: 8·6e-8·50 = 2.4e-5 of its weight, and as much of the sum.
  const tolerance = twin === 'float64' ? 1e-12 : 5e-5;

  it('attention is the formulas, for any options together, one sequence or several, empty ones too', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { problem, options, v, expected } = packed(c);
        const got = kernels().attention({ ...problem, v: v.data, dV: c.dV, ...dropoutOf(options, CALL) });
        expectClose(
          got.out,
          expected.flatMap(({ out }) => out),
          tolerance,
        );
        const logSumExp = Float64Array.from(got.max, (m, i) => m + Math.log(got.sum[i]));
        expectClose(
          logSumExp,
          expected.flatMap((e) => e.logSumExp),
          tolerance,
        );
      }),
      { numRuns: 300 },
    );
  });

  it('attentionStage shows every stage: before softcap, after it, masked, weights', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { problem, expected } = packed(c);
        expected.forEach(({ stages }, s) => {
          for (const stage of STAGES) {
            stages[stage].forEach((list, h) => {
              expectClose(kernels().attentionStage(problem, stage, s, h), list, tolerance, `${stage}, head ${h}`);
            });
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  it('a row that may attend to nothing has m = −∞ and s = 0', () => {
    const [q, k] = [normal(2, 4, 1), normal(3, 4, 2)];
    const problem = attentionProblem('test', q, k, { numHeads: 2, mask: Uint8Array.of(0, 0, 0, 1, 1, 1) });
    const { max, sum } = kernels().attention({ ...problem, v: k.data, dV: 2, ...dropoutOf({}, 0) });
    expectSame([...max.subarray(0, 2), ...sum.subarray(0, 2)], [-Infinity, -Infinity, 0, 0]);
    expect([...max.subarray(2), ...sum.subarray(2)].every(Number.isFinite)).toBe(true);
  });

  it('only a bias of −∞ forbids: the lowest finite one does not', () => {
    const [q, k, v] = [new Matrix(1, 2), normal(3, 2, 1), Matrix.from([[8], [4], [2]])];
    const bias = Matrix.from([[-3e38, -Infinity, -3e38]]);
    const problem = attentionProblem('test', q, k, { bias });
    expectSame(kernels().attention({ ...problem, v: v.data, dV: 1, ...dropoutOf({}, 0) }).out, [5]);
  });

  it.each([0.5, 1])(
    'a NaN in a query shows in its whole result, also where dropout of %d drops its weights',
    (dropout) => {
      const [q, k] = [normal(2, 2, 1), normal(4, 2, 2)];
      q.data[0] = Number.NaN;
      const options = { dropout, seed: 3 };
      const problem = attentionProblem('test', q, k, options);
      const { out } = kernels().attention({ ...problem, v: k.data, dV: 2, ...dropoutOf(options, 0) });
      expect([...out].map(Number.isNaN)).toEqual([true, true, false, false]);
    },
  );
});

forEachTwin(({ tolerance }) => {
  it('the log-sum-exp is m + log s, −∞ where there is nothing to sum', () => {
    const { logSumExp } = kernels();
    const low = Number.NEGATIVE_INFINITY;
    const found = logSumExp({
      max: Float32Array.of(1e30, -3, low, Number.NaN, 2),
      sum: Float32Array.of(2, 1, 0, 1, 4),
    });
    expectClose(found.subarray(4), [2 + Math.log(4)], tolerance);
    expect([...found.subarray(0, 4)]).toEqual([
      Math.fround(1e30) + Number(isFloat64() && Math.LN2),
      -3,
      low,
      Number.NaN,
    ]);
    expect(logSumExp({ max: new Float32Array(0), sum: new Float32Array(0) }).length).toBe(0);
  });
});

describe('attention, the specification', () => {
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
