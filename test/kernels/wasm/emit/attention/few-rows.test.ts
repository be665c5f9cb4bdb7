import { describe, expect, it } from 'vitest';
import type { AttentionResult } from '../../../../../src/kernels/attention-problem.js';
import { attention, attentionStatistics } from '../../../../../src/kernels/wasm/calls/attention.js';
import { attentionExports, attentionModule } from '../../../../../src/kernels/wasm/module/attention.generated.js';
import { FEW_ROWS, ROWS_AT_ONCE } from '../../../../../src/kernels/wasm/module/attention-record.js';
import { Matrix } from '../../../../../src/matrix/matrix.js';
import { type AttentionOptions, attentionProblem, dropoutOf } from '../../../../../src/ops/attention/options.js';
import { expectClose, expectSame } from '../../../../support/compare.js';
import { kernelsOf, newRuntime, withEntries } from '../../../../support/kernels.js';

// A few query rows read K and V where they lie, many rows read packed panels: the first rows of a long query, alone and
// among all, must agree to the bit whatever the heads, the widths, the options and the cuts of the units.

const runtime = newRuntime();
const float64 = kernelsOf('float64');
const LONG = FEW_ROWS + 12;

let seed = 0;
const normal = (rows: number, cols: number) => Matrix.randomNormal(rows, cols, { seed: ++seed });
const flags = (length: number) => Uint8Array.from(normal(1, length).data, (x) => (x > -0.5 ? 1 : 0));

interface Inputs {
  q: Matrix;
  k: Matrix;
  v: Matrix;
  dV: number;
}

function inputs(numHeads: number, numKvHeads: number, dK: number, dV: number, keys: number): Inputs {
  return { q: normal(LONG, numHeads * dK), k: normal(keys, numKvHeads * dK), v: normal(keys, numKvHeads * dV), dV };
}

const problemOf = ({ q, k, v, dV }: Inputs, options: AttentionOptions) => ({
  ...attentionProblem('test', q, k, options),
  v: v.data,
  dV,
  ...dropoutOf(options, 2),
});

const run = (x: Inputs, options: AttentionOptions) => attention(runtime, problemOf(x, options));

/** The same for the first rows of the query alone; `all` has an offset, so that positions stay. */
function runFirst(rows: number, x: Inputs, all: AttentionOptions, keys: number): AttentionResult {
  const options = { ...all };
  if (all.mask instanceof Uint8Array) options.mask = all.mask.subarray(0, rows * keys);
  if (all.bias) options.bias = all.bias.sliceRows(0, rows);
  return run({ ...x, q: x.q.sliceRows(0, rows) }, options);
}

function expectFirst(got: AttentionResult, whole: AttentionResult, rows: number, name: string): void {
  for (const part of ['out', 'max', 'sum'] as const) {
    const length = (whole[part].length / LONG) * rows;
    expect(got[part].length).toBe(length);
    expectSame(got[part], whole[part].subarray(0, length), `${name}: ${part}`);
  }
}

describe('attention of a few query rows on WASM', () => {
  it.each([1, 2, 7, 8, 9, 31, 32, 63, 64, 65, 70])('%i key/value heads: as among many rows, 1 to 9 rows', (heads) => {
    const x = inputs(heads, heads, 8, 8, 70);
    const options = { numHeads: heads, causal: true, causalOffset: 60 } as const;
    const whole = run(x, options);
    for (let rows = 1; rows <= FEW_ROWS + 1; rows++) {
      expectFirst(runFirst(rows, x, options, 70), whole, rows, `${rows} rows`);
    }
  });

  it.each([
    [4, 2, 5, 3],
    [6, 2, 64, 64],
    [8, 1, 7, 33],
    [9, 1, 8, 8],
    [40, 20, 3, 1],
    [2, 2, 300, 37],
  ])('%i heads of %i, widths %i and %i: every option as among many rows', (numHeads, numKvHeads, dK, dV) => {
    const keys = 150;
    const x = inputs(numHeads, numKvHeads, dK, dV, keys);
    const causalOffset = 120;
    const cases: Record<string, AttentionOptions> = {
      nothing: {},
      causal: { causal: true },
      window: { causal: true, window: 30 },
      'window of both sides': { window: [70, 3] },
      'in front of the keys': { causal: true, causalOffset: -3 },
      alibi: { alibi: true },
      softcap: { softcap: 2 },
      mask: { mask: flags(LONG * keys) },
      keyMask: { keyMask: flags(keys) },
      bias: { bias: normal(LONG, keys) },
      sinks: { sinks: normal(1, numHeads) },
      dropout: { dropout: 0.4, seed: 3 },
      'dropout of everything': { dropout: 1, seed: 3 },
    };
    for (const [name, option] of Object.entries(cases)) {
      const options = { numHeads, numKvHeads, causalOffset, ...option };
      const whole = run(x, options);
      for (const rows of [1, 2, 3, 4, 5, 8]) {
        expectFirst(runFirst(rows, x, options, keys), whole, rows, `${name}, ${rows} rows`);
      }
      if (options.mask || options.bias) continue;
      const part = { ...x, q: x.q.sliceRows(0, 1) };
      // Sums of up to 300 products of size 1 and exponentials of degree 5 stay within 30 roundings of 6e-8.
      expectClose(run(part, options).out, float64.attention(problemOf(part, options)).out, 2e-6, name);
    }
  });

  it('does not depend on where the units are cut', () => {
    // Sequences of 1, 0, 12 and 2 queries: few rows, none, many, few.
    const numHeads = 2 * (ROWS_AT_ONCE / 2 + 3);
    const numKvHeads = numHeads / 2;
    const cuSeqlens = [0, 1, 1, 13, 15];
    const cuSeqlensK = [0, 20, 25, 60, 90];
    const x = { q: normal(15, numHeads * 4), k: normal(90, numKvHeads * 4), v: normal(90, numKvHeads * 3), dV: 3 };
    const options = { numHeads, numKvHeads, cuSeqlens, cuSeqlensK, causal: true, dropout: 0.2, seed: 4 };
    const whole = run(x, options);
    const cutAt = (cuts: (to: number) => number[]) =>
      withEntries(
        runtime,
        attentionModule,
        attentionExports,
        ({ attention }) => ({
          attention: (record, from, to, scratch) => {
            const places = [from, ...cuts(to), to];
            // The last part first: none may need what another left in the scratch.
            for (let i = places.length - 2; i >= 0; i--) attention(record, places[i], places[i + 1], scratch);
          },
        }),
        () => run(x, options),
      );
    const every = (step: number) => (to: number) =>
      Array.from({ length: Math.ceil(to / step) - 1 }, (_, i) => (i + 1) * step);
    const units = 4 * numKvHeads;
    for (const step of [1, 2, 3, 7, 31, 33]) {
      const got = cutAt(every(step));
      for (const part of ['out', 'max', 'sum'] as const) expectSame(got[part], whole[part], `every ${step}: ${part}`);
    }
    for (let cut = 1; cut < units; cut++) {
      const got = cutAt(() => [cut]);
      expectSame(got.out, whole.out, `at ${cut}`);
      expectSame(got.sum, whole.sum, `at ${cut}`);
    }
  });

  it('gives packed sequences of few rows the bits of each alone', () => {
    const cuSeqlens = [0, 1, 4, 4, 24, 25];
    const cuSeqlensK = [0, 64, 65, 70, 90, 190];
    const x = { q: normal(25, 12), k: normal(190, 6), v: normal(190, 10), dV: 5 };
    const options = { numHeads: 4, numKvHeads: 2, causal: true };
    const whole = run(x, { ...options, cuSeqlens, cuSeqlensK });
    for (let s = 0; s < 5; s++) {
      const [from, to, fromK, toK] = [cuSeqlens[s], cuSeqlens[s + 1], cuSeqlensK[s], cuSeqlensK[s + 1]];
      const alone = {
        q: x.q.sliceRows(from, to),
        k: x.k.sliceRows(fromK, toK),
        v: x.v.sliceRows(fromK, toK),
        dV: 5,
      };
      expectSame(run(alone, options).out, whole.out.subarray(from * 20, to * 20), `sequence ${s}`);
    }
  });

  it('gives the statistics alone the same bits', () => {
    const x = inputs(70, 70, 6, 6, 100);
    const part = { ...x, q: x.q.sliceRows(0, 2) };
    const full = run(part, { numHeads: 70 });
    const alone = attentionStatistics(runtime, attentionProblem('test', part.q, part.k, { numHeads: 70 }));
    expectSame(alone.max, full.max);
    expectSame(alone.sum, full.sum);
  });

  it('gives zeros without keys, and without a key to attend to', () => {
    for (const keys of [0, 80]) {
      const x = inputs(3, 3, 4, 5, keys);
      const got = runFirst(2, x, { numHeads: 3, causal: true, causalOffset: -5 }, keys);
      expectSame(got.out, new Float32Array(2 * 15));
      expectSame(got.sum, new Float32Array(2 * 3));
    }
  });
});

describe.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('%d in V', (poison) => {
  const [numHeads, numKvHeads, dV, keys] = [44, 22, 5, 140];
  const x = inputs(numHeads, numKvHeads, 6, dV, keys);
  /** In head `kvHead` of the values of one key. */
  const poisoned = (key: number, kvHead: number) => {
    const v = x.v.clone();
    v.row(key).fill(poison, kvHead * dV, (kvHead + 1) * dV);
    return { ...x, v };
  };
  const options = { numHeads, numKvHeads, causal: true, causalOffset: 100 } as const;

  it.each([0, 1, 13, 15, 16, 21])('never shows in head %i where it may not be attended', (kvHead) => {
    for (const rows of [1, 2, 4]) {
      const clean = runFirst(rows, x, options, keys);
      const dirty = runFirst(rows, poisoned(104, kvHead), options, keys);
      expectSame(dirty.out, clean.out, `${rows} rows`);
      expectSame(dirty.sum, clean.sum, `${rows} rows`);
    }
  });

  it.each([0, 1, 13, 15, 16, 21])('shows in the rows and query heads that attend to it in head %i', (kvHead) => {
    const rows = 4;
    const clean = runFirst(rows, x, options, keys).out;
    const dirty = runFirst(rows, poisoned(102, kvHead), options, keys).out;
    for (let i = 0; i < rows; i++) {
      for (let head = 0; head < numHeads; head++) {
        const at = (i * numHeads + head) * dV;
        const attends = i >= 2 && Math.floor(head / 2) === kvHead;
        const expected = attends ? new Float32Array(dV).fill(poison) : clean.subarray(at, at + dV);
        expectSame(dirty.subarray(at, at + dV), expected, `row ${i}, head ${head}`);
      }
    }
  });

  it.each([0, 3, 4])(
    'never shows from column %i alone, nor where the first rows or heads attend to nothing',
    (column) => {
      const rows = 3;
      const small = { ...inputs(4, 2, 6, dV, keys), dV };
      for (const [heads, kvHeads] of [
        [4, 2],
        [2, 2],
      ]) {
        const few = { ...small, q: small.q.sliceColumns(0, heads * 6).sliceRows(0, rows) };
        const dirty = few.v.clone();
        for (let kvHead = 0; kvHead < 2; kvHead++) dirty.set(7, kvHead * dV + column, poison);
        // Nobody attends to key 7; the first two rows of all heads, or the first heads, attend to nothing.
        for (const nothing of ['rows', 'heads']) {
          const mask = new Uint8Array(heads * rows * keys).fill(1);
          for (let row = 0; row < heads * rows; row++) {
            const isNothing = nothing === 'rows' ? row % rows < 2 : Math.floor(row / rows) % 2 < 1;
            if (isNothing) mask.fill(0, row * keys, (row + 1) * keys);
            mask[row * keys + 7] = 0;
          }
          const options = { numHeads: heads, numKvHeads: kvHeads, mask };
          expectSame(run({ ...few, v: dirty }, options).out, run(few, options).out, `${heads} heads, no ${nothing}`);
        }
      }
    },
  );
});
