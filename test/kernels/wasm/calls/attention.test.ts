import { describe, expect, it } from 'vitest';
import type { AttentionStage } from '../../../../src/kernels/attention-problem.js';
import { attention, attentionStage, attentionStatistics } from '../../../../src/kernels/wasm/calls/attention.js';
import { attentionExports, attentionModule } from '../../../../src/kernels/wasm/module/attention.generated.js';
import { Matrix } from '../../../../src/matrix/matrix.js';
import { type AttentionOptions, attentionProblem, dropoutOf } from '../../../../src/ops/attention/options.js';
import { expectClose, expectSame } from '../../../support/compare.js';
import { kernelsOf, newRuntime, withEntries } from '../../../support/kernels.js';

const runtime = newRuntime();
const float64 = kernelsOf('float64');
const STAGES: readonly AttentionStage[] = ['scaledScores', 'softcapped', 'masked', 'weights'];

let seed = 0;
const normal = (rows: number, cols: number) => Matrix.randomNormal(rows, cols, { seed: ++seed });
const flags = (length: number) =>
  Uint8Array.from({ length }, (_, i) => (Math.sin(i * 12.9898 + ++seed) > -0.4 ? 1 : 0));

/** Heads, widths: one head, GQA with odd widths, widths of 1, more than one block of columns. */
const HEADS = [
  [1, 1, 8, 8],
  [2, 1, 3, 5],
  [4, 2, 16, 7],
  [2, 2, 1, 1],
  [1, 1, 300, 20],
];
/** One row, few rows (K and V are read where they lie), around the tiles of 16 and 64 queries and 64 keys. */
const LENGTHS = [
  [1, 1],
  [3, 5],
  [7, 200],
  [16, 17],
  [64, 64],
  [65, 130],
  [130, 70],
];

function optionsOf(lq: number, lk: number, numHeads: number): Record<string, AttentionOptions> {
  const all = {
    causal: true,
    window: 40,
    softcap: 3,
    alibi: true,
    mask: flags(lq * lk),
    keyMask: flags(lk),
    bias: normal(lq, lk),
    sinks: normal(1, numHeads),
    dropout: 0.3,
    seed: 9,
  };
  return {
    nothing: {},
    causal: { causal: true },
    'top-left': { causal: 'top-left' },
    window: { window: 5 },
    'window and offset': { window: [3, 70], causalOffset: 2 },
    softcap: { softcap: 2 },
    alibi: { alibi: true },
    mask: { mask: all.mask },
    'mask a head': { mask: flags(numHeads * lq * lk) },
    keyMask: { keyMask: all.keyMask },
    bias: { bias: all.bias },
    'bias a head': { bias: normal(numHeads * lq, lk) },
    sinks: { sinks: all.sinks },
    dropout: { dropout: 0.4, seed: 5 },
    'dropout of everything': { dropout: 1, seed: 5 },
    all,
  };
}

/** One call of both, the WASM kernels first. */
function both(q: Matrix, k: Matrix, v: Matrix, dV: number, options: AttentionOptions) {
  const problem = attentionProblem('test', q, k, options);
  const full = { ...problem, v: v.data, dV, ...dropoutOf(options, 3) };
  return { problem, got: attention(runtime, full), expected: float64.attention(full) };
}

// float32 sums of up to 300 products of size 1 and exponentials of degree 5 stay within 30 roundings of 6e-8.
const TOLERANCE = 2e-6;

describe.each(LENGTHS)('attention on WASM, %i queries and %i keys', (lq, lk) => {
  it.each(HEADS)('%i heads of %i, widths %i and %i: every option as in float64', (numHeads, numKvHeads, dK, dV) => {
    const [q, k, v] = [normal(lq, numHeads * dK), normal(lk, numKvHeads * dK), normal(lk, numKvHeads * dV)];
    for (const [name, options] of Object.entries(optionsOf(lq, lk, numHeads))) {
      const { problem, got, expected } = both(q, k, v, dV, { ...options, numHeads, numKvHeads });
      expectClose(got.out, expected.out, TOLERANCE, name);
      const logSumExp = ({ max, sum }: typeof got) => Float64Array.from(max, (m, i) => m + Math.log(sum[i]));
      expectClose(logSumExp(got), logSumExp(expected), TOLERANCE, `${name}: log-sum-exp`);
      const alone = attentionStatistics(runtime, problem);
      expectSame(alone.max, got.max, `${name}: m alone`);
      expectSame(alone.sum, got.sum, `${name}: s alone`);
      for (const stage of STAGES) {
        const [a, b] = [
          attentionStage(runtime, problem, stage, 0, numHeads - 1),
          float64.attentionStage(problem, stage, 0, numHeads - 1),
        ];
        expectClose(a, b, 2 * TOLERANCE, `${name}: ${stage}`);
      }
    }
  });
});

describe('attention on WASM', () => {
  const [lq, lk] = [70, 130];
  const [q, k, v] = [normal(lq, 16), normal(lk, 16), normal(lk, 16)];

  it('gives the rows of a stage the same bits in whatever order they run, each written by itself', () => {
    const UNTOUCHED = 12345; // no score
    const problem = attentionProblem('test', q, k, { numHeads: 2, causal: true });
    for (const stage of STAGES) {
      const whole = attentionStage(runtime, problem, stage, 0, 1);
      const oneByOne = withEntries(
        runtime,
        attentionModule,
        attentionExports,
        ({ attention_stage: entry }) => ({
          attention_stage: (...values) => {
            const [scratch, to, from] = [values.pop(), values.pop(), values.pop()] as [number, number, number];
            const out = new Float32Array(runtime.memory.memory.buffer, values[4], lq * lk).fill(UNTOUCHED);
            const rows: Float32Array[] = [];
            for (let row = to - 1; row >= from; row--) {
              entry(...values, row, row + 1, scratch);
              rows[row] = out.slice(row * lk, (row + 1) * lk);
              out.fill(UNTOUCHED, row * lk, (row + 1) * lk);
              expect(out.every((x) => x === UNTOUCHED)).toBe(true); // a row writes no other
            }
            for (const [row, values] of rows.entries()) out.set(values, row * lk);
          },
        }),
        () => attentionStage(runtime, problem, stage, 0, 1),
      );
      expectSame(oneByOne, whole, stage);
    }
  });

  it('gives a query row the same bits alone, read from unpacked K and V, as among many', () => {
    const run = (rows: Matrix, causalOffset: number) => {
      const problem = attentionProblem('test', rows, k, { numHeads: 2, causal: true, causalOffset, softcap: 5 });
      return attention(runtime, { ...problem, v: v.data, dV: 8, ...dropoutOf({}, 0) });
    };
    const whole = run(q, 60);
    for (const rows of [1, 2, 3, 4, 5, 9]) {
      for (let first = 0; first + rows <= lq; first += 11) {
        const part = run(q.sliceRows(first, first + rows), 60 + first);
        expectSame(part.out, whole.out.subarray(first * 16, (first + rows) * 16), `${rows} rows from ${first}`);
        expectSame(part.sum, whole.sum.subarray(first * 2, (first + rows) * 2));
      }
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'never shows %d in a key, value or bias that may not be attended',
    (poison) => {
      const keyMask = flags(lk);
      const bias = normal(lq, lk);
      const clean = { k: k.clone(), v: v.clone(), bias };
      const dirty = { k: k.clone(), v: v.clone(), bias: bias.clone() };
      keyMask.forEach((flag, j) => {
        if (flag === 1) return;
        dirty.k.row(j).fill(poison);
        dirty.v.row(j).fill(poison);
        for (let i = 0; i < lq; i++) dirty.bias.set(i, j, poison);
      });
      for (const rows of [lq, 2]) {
        const run = (x: typeof clean) => {
          const options = { keyMask, bias: x.bias.sliceRows(0, rows), numHeads: 2 };
          const problem = attentionProblem('test', q.sliceRows(0, rows), x.k, options);
          return attention(runtime, { ...problem, v: x.v.data, dV: 8, ...dropoutOf({}, 0) });
        };
        const [got, expected] = [run(dirty), run(clean)];
        expectSame(got.out, expected.out);
        expectSame(got.sum, expected.sum);
      }
    },
  );

  it.each([1, 2, 3, 4, 5, 7, 8])('never shows a NaN in one column alone of a hidden value, of widths of %d', (dV) => {
    const [keyMask, numHeads] = [new Uint8Array(lk).fill(1).fill(0, 3, 4), 2];
    for (const rows of [2, 20]) {
      const options = { keyMask, numHeads };
      const problem = { ...attentionProblem('test', q.sliceRows(0, rows), k, options), ...dropoutOf({}, 0), dV };
      const own = normal(lk, numHeads * dV);
      const { out } = attention(runtime, { ...problem, v: own.data });
      for (let c = 0; c < numHeads * dV; c++) {
        const dirty = own.clone();
        dirty.set(3, c, Number.NaN);
        expectSame(attention(runtime, { ...problem, v: dirty.data }).out, out, `${rows} rows, column ${c}`);
      }
    }
  });

  it('shows NaN where it may be attended, in that row alone', () => {
    const dirty = v.clone();
    dirty.row(100).fill(Number.NaN);
    const { got } = both(q, k, dirty, 8, { numHeads: 2, causal: true, causalOffset: 60 });
    for (let i = 0; i < lq; i++) {
      const row = got.out.subarray(i * 16, (i + 1) * 16);
      expect(row.every(Number.isNaN), `row ${i}`).toBe(60 + i >= 100);
      expect(row.some(Number.isNaN), `row ${i}`).toBe(60 + i >= 100);
    }
  });

  it('computes packed sequences, empty ones too, as each alone', () => {
    const cuSeqlens = [0, 30, 30, 70];
    const cuSeqlensK = [0, 80, 80, 130];
    const options = { numHeads: 2, causal: true, sinks: normal(1, 2) };
    const { got, expected } = both(q, k, v, 8, { ...options, cuSeqlens, cuSeqlensK, mask: flags(70 * 80) });
    expectClose(got.out, expected.out, TOLERANCE);
    const packed = both(q, k, v, 8, { ...options, cuSeqlens, cuSeqlensK }).got;
    const second = both(q.sliceRows(30), k.sliceRows(80), v.sliceRows(80), 8, options).got;
    expectSame(packed.out.subarray(30 * 16), second.out);
  });

  it('gives one result a hundred times over', () => {
    const first = both(q, k, v, 8, { numHeads: 2, dropout: 0.2, seed: 1 }).got.out;
    for (let repeat = 0; repeat < 100; repeat++) {
      expectSame(
        both(q.sliceRows(0, 1), k, v, 8, { numHeads: 2, dropout: 0.2, seed: 1 }).got.out,
        first.subarray(0, 16),
      );
    }
  });
});
