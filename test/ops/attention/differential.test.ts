import { describe, it } from 'vitest';
import { cuSeqlensFromLengths } from '../../../src/core/sequences.js';
import { setKernels } from '../../../src/kernels/state.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import {
  attentionLogSumExp,
  attentionWeights,
  scaledDotProductAttention,
} from '../../../src/ops/attention/attention.js';
import type { AttentionOptions } from '../../../src/ops/attention/options.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { fc } from '../../support/property.js';
import { forEachTwin } from '../../support/twins.js';

// Random combinations of every option at lengths around the edges of tiles: each twin against float64, and a query row
// alone against the batch. NaN is planted in one key and value: where it may be attended it must show, nowhere else.

type Kind = 'none' | 'shared' | 'per head';

const normal = (rows: number, cols: number, seed: number, std = 1) => Matrix.randomNormal(rows, cols, { seed, std });
const flags = (length: number, seed: number) =>
  Uint8Array.from(Matrix.randomUniform(1, length, { seed }).data, (x) => (x < 0.25 ? 0 : 1));

const length = fc.constantFrom(0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 130);
const width = fc.constantFrom(1, 2, 3, 4, 5, 8, 13, 33, 300);
const kind = fc.constantFrom<Kind>('none', 'none', 'shared', 'per head');

const cases = fc.record({
  lengths: fc.array(fc.tuple(length, length), { minLength: 1, maxLength: 3 }),
  numKvHeads: fc.constantFrom(1, 2, 3),
  group: fc.constantFrom(1, 2, 3),
  dK: width,
  dV: width,
  mask: kind,
  bias: kind,
  keyMask: fc.boolean(),
  alibi: fc.constantFrom('none', 'published', 'own'),
  sinks: fc.boolean(),
  poison: fc.boolean(),
  seed: fc.nat(1000),
  options: fc.record<AttentionOptions>(
    {
      causal: fc.constantFrom<boolean | 'top-left'>(true, false, 'top-left'),
      causalOffset: fc.integer({ min: -70, max: 140 }),
      window: fc.constantFrom<number | [number, number]>(0, 5, 63, 64, [3, 70], [Infinity, 1], [2, Infinity], [64, 0]),
      softcap: fc.constantFrom(0, 0.7, 5),
      scale: fc.constantFrom(0.3, -0.1),
      dropout: fc.constantFrom(0.4, 1),
    },
    { requiredKeys: [] },
  ),
});

type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

/** The matrices and options that a case stands for. */
function build(c: Case) {
  const { lengths, numKvHeads, seed } = c;
  const numHeads = numKvHeads * c.group;
  const cuSeqlens = cuSeqlensFromLengths(lengths.map(([lq]) => lq));
  const cuSeqlensK = cuSeqlensFromLengths(lengths.map(([, lk]) => lk));
  const [rows, keys] = [cuSeqlens[lengths.length], cuSeqlensK[lengths.length]];
  const columns = Math.max(...lengths.map(([, lk]) => lk));
  const q = normal(rows, numHeads * c.dK, seed);
  const [k, v] = [normal(keys, numKvHeads * c.dK, seed + 1), normal(keys, numKvHeads * c.dV, seed + 2)];
  const tall = (of: Kind) => (of === 'per head' ? numHeads * rows : rows);
  const bias = c.bias === 'none' ? undefined : normal(tall(c.bias), columns, seed + 3);
  bias?.data.forEach((x, at) => {
    if (x < -1.5) bias.data[at] = -Infinity;
  });
  if (c.poison && keys > 0) {
    const j = (seed * 7) % keys;
    v.row(j).fill(Number.NaN);
    if (seed % 2 === 1) k.row(j).fill(Number.NaN);
  }
  const options: AttentionOptions = {
    ...c.options,
    causalOffset: c.options.causal === 'top-left' ? undefined : c.options.causalOffset,
    numHeads,
    numKvHeads,
    cuSeqlens,
    cuSeqlensK,
    mask: c.mask === 'none' ? undefined : flags(tall(c.mask) * columns, seed + 4),
    keyMask: c.keyMask ? flags(keys, seed + 5) : undefined,
    bias,
    alibi: c.alibi === 'own' ? normal(1, numHeads, 9, 0.1).data : c.alibi === 'published',
    sinks: c.sinks ? normal(1, numHeads, seed + 6) : undefined,
    seed,
  };
  return { q, k, v, options, cuSeqlens, cuSeqlensK, numHeads, rows, columns };
}

/** Query i of sequence s with its keys alone, and the options that are left of those of the batch. */
function rowAlone(built: ReturnType<typeof build>, s: number, i: number): Matrix {
  const { q, k, v, options, cuSeqlens, cuSeqlensK, numHeads, rows, columns } = built;
  const [at, from, to] = [cuSeqlens[s] + i, cuSeqlensK[s], cuSeqlensK[s + 1]];
  const cut = (m: Matrix) => {
    const heads = m.rows === rows ? 1 : numHeads;
    const own = Array.from({ length: heads }, (_, h) => m.sliceRows(h * rows + at, h * rows + at + 1));
    return Matrix.concatRows(own).sliceColumns(0, to - from);
  };
  const bytes = options.mask instanceof Uint8Array ? Float32Array.from(options.mask) : undefined;
  const mask = bytes && columns > 0 ? cut(new Matrix(bytes.length / columns, columns, bytes)) : undefined;
  const offset =
    options.causal === 'top-left' ? 0 : (options.causalOffset ?? to - from - (cuSeqlens[s + 1] - cuSeqlens[s]));
  return scaledDotProductAttention(q.sliceRows(at, at + 1), k.sliceRows(from, to), v.sliceRows(from, to), {
    ...options,
    cuSeqlens: undefined,
    cuSeqlensK: undefined,
    causal: options.causal === 'top-left' ? true : options.causal,
    causalOffset: offset + i,
    mask: mask && Uint8Array.from(mask.data),
    keyMask: options.keyMask?.slice(from, to),
    bias: options.bias && cut(options.bias),
  });
}

forEachTwin(({ name: twin }) => {
  describe('attention, any options together', () => {
    it('agrees with float64 at the edges of tiles', () => {
      // A float32 logit is below 50 (300 products of size 1 at scale 0.3, and a bias) and errs by some roundings of that:
      // 5 · 6e-8 · 50 = 1.5e-5 of its weight.
      const tolerance = twin === 'float64' ? 0 : 2e-5;
      fc.assert(
        fc.property(cases, (c) => {
          const { q, k, v, options } = build(c);
          const all = () => [
            scaledDotProductAttention(q, k, v, options).data,
            attentionLogSumExp(q, k, options).data,
            ...attentionWeights(q, k, options).map((w) => w.data),
          ];
          const got = all();
          setKernels('float64');
          const expected = all();
          setKernels(twin);
          got.forEach((x, at) => {
            expectClose(x, expected[at], tolerance, ['out', 'log-sum-exp'][at] ?? `weights ${at - 2}`);
          });
        }),
        { numRuns: 100 },
      );
    });

    it('gives a query row the same bits alone as in the batch', () => {
      fc.assert(
        fc.property(cases, (c) => {
          const built = build({ ...c, options: { ...c.options, dropout: 0 } });
          const out = scaledDotProductAttention(built.q, built.k, built.v, built.options);
          c.lengths.forEach(([lq], s) => {
            const i = lq === 0 ? -1 : (c.seed * 13) % lq;
            if (i >= 0) expectSame(rowAlone(built, s, i).data, out.row(built.cuSeqlens[s] + i), `row ${i} of ${s}`);
          });
        }),
        { numRuns: 100 },
      );
    });
  });
});
