import { describe, expect, it } from 'vitest';
import { philox } from '../../../src/core/random.js';
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

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const heads = { numHeads: 4, numKvHeads: 2 };
/** Self-attention longer than a tile of any kernel. */
const n = 150;
const [q, k, v] = [normal(n, 4 * 5, 1), normal(n, 2 * 5, 2), normal(n, 2 * 3, 3)];
const attend = (options: AttentionOptions = {}) => scaledDotProductAttention(q, k, v, { ...heads, ...options });
const column = (x: Matrix, c: number) => Array.from(x.sliceColumns(c, c + 1).data);

forEachTwin(({ tolerance }) => {
  describe('attention', () => {
    it('keeps every row up to i when all tokens after i change, to the bit', () => {
      const options = { ...heads, causal: true, softcap: 3, alibi: true } as const;
      const before = scaledDotProductAttention(q, k, v, options);
      fc.assert(
        fc.property(fc.nat(n - 1), fc.nat(), (i, seed) => {
          const [q2, k2, v2] = [q, k, v].map((x, s) =>
            Matrix.concatRows([x.sliceRows(0, i + 1), Matrix.randomNormal(n - i - 1, x.cols, { seed: seed + s })]),
          );
          const after = scaledDotProductAttention(q2, k2, v2, options);
          expectSame(after.sliceRows(0, i + 1).data, before.sliceRows(0, i + 1).data);
        }),
        { numRuns: 15 },
      );
    });

    it('stays within the values it may attend to; with a sink, within them and 0', () => {
      for (const [sinks, floor] of [
        [undefined, []],
        [normal(1, 4, 4), [0]],
      ] as const) {
        const out = attend({ causal: true, window: 40, sinks });
        for (let c = 0; c < 12; c++) {
          const values = column(v, 3 * Math.floor(c / 6) + (c % 3));
          column(out, c).forEach((x, i) => {
            const seen = [...values.slice(Math.max(0, i - 40), i + 1), ...floor];
            expect(x >= Math.min(...seen) - tolerance && x <= Math.max(...seen) + tolerance, `${i}, ${c}`).toBe(true);
          });
        }
      }
    });

    it('does not care for the order of keys that have no position', () => {
      const order = Array.from({ length: n }, (_, j) => (j * 7) % n);
      const shuffled = (x: Matrix) => Matrix.concatRows(order.map((j) => x.sliceRows(j, j + 1)));
      expectClose(scaledDotProductAttention(q, shuffled(k), shuffled(v), heads).data, attend().data, tolerance);
    });

    it('ignores a sink far below the logits, and gives almost all weight to one far above', () => {
      const sinks = (value: number) => new Matrix(1, 4, new Float32Array(4).fill(value));
      expectClose(attend({ sinks: sinks(-1e30) }).data, attend().data, tolerance);
      expectClose(attend({ sinks: sinks(-Infinity) }).data, attend().data, tolerance);
      expectSame(attend({ sinks: sinks(1e30) }).data.map(Math.abs), new Float32Array(n * 12));
      expect(attentionLogSumExp(q, k, { ...heads, sinks: sinks(1e4) }).get(0, 0)).toBe(1e4);
      // One key of logit 0 and a sink of logit 0 share the weight.
      const half = scaledDotProductAttention(new Matrix(1, 2), new Matrix(1, 2), Matrix.from([[6]]), {
        sinks: new Matrix(1, 1),
      });
      expectClose(half.data, [3], tolerance);
    });
  });

  describe('attention weights', () => {
    it('come for the heads asked for, in that order', () => {
      const all = attentionWeights(q, k, heads);
      const some = attentionWeights(q, k, { ...heads, heads: [3, 0, 3] });
      expect(some).toHaveLength(3);
      [3, 0, 3].forEach((h, at) => {
        expectSame(some[at].data, all[h].data);
      });
      for (const h of [0, 1, 2, 3]) {
        attentionWeights(q.scale(-1), k, heads); // leaves other maxima and sums behind
        expectSame(attentionWeights(q, k, { ...heads, heads: [h] })[0].data, all[h].data, `head ${h}`);
      }
    });

    it('come sequence by sequence, each with its own rows and columns', () => {
      const options = { ...heads, causal: true, cuSeqlens: [0, 70, 70, n], cuSeqlensK: [0, 90, 95, n] };
      const weights = attentionWeights(q, k, options);
      expect(weights.map((w) => [w.rows, w.cols])).toEqual(
        [
          [70, 90],
          [0, 5],
          [80, 55],
        ].flatMap((shape) => new Array(4).fill(shape)),
      );
      const last = attentionWeights(q.sliceRows(70), k.sliceRows(95), { ...heads, causal: true });
      last.forEach((w, h) => {
        expectSame(weights[8 + h].data, w.data);
      });
    });
  });

  describe('dropout', () => {
    /** Output (i, h·6 + j) is the weight that query i of head h gives key j of its sequence. */
    const identity = Matrix.from(
      [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5].map((j) => [0, 6].flatMap(() => [0, 1, 2, 3, 4, 5].map((c) => +(c === j)))),
    );
    const lengths = [
      [3, 5],
      [2, 6],
    ];

    it('drops by the random word of (seed, sequence, head, query, key), and scales the rest', () => {
      const [dropout, seed] = [0.4, 5 + 9 * 2 ** 32];
      const options = { numHeads: 2, cuSeqlens: [0, 3, 5], cuSeqlensK: [0, 5, 11], dropout, seed };
      const out = scaledDotProductAttention(new Matrix(5, 2), new Matrix(11, 2), identity, options);
      const words = new Uint32Array(4);
      lengths.forEach(([lq, lk], s) => {
        for (let h = 0; h < 2; h++) {
          for (let i = 0; i < lq; i++) {
            const expected = [0, 1, 2, 3, 4, 5].map((j) => {
              philox(j >> 2, i, 2 * s + h, 0, 5, 9, words);
              return j < lk && words[j % 4] >= dropout * 2 ** 32 ? 1 / lk / (1 - dropout) : 0;
            });
            expectClose(out.row(3 * s + i).subarray(6 * h, 6 * h + 6), expected, tolerance, `${s}, ${h}, ${i}`);
          }
        }
      });
    });

    it('keeps a weight exactly from p·2^32 on', () => {
      const words = new Uint32Array(4);
      philox(0, 0, 0, 0, 7, 0, words);
      const dropped = (p: number) =>
        scaledDotProductAttention(new Matrix(1, 2), new Matrix(4, 2), Matrix.identity(4), { dropout: p, seed: 7 })
          .toArray()[0]
          .map((x) => x === 0);
      words.forEach((word, j) => {
        expect(dropped(word / 2 ** 32)[j], `key ${j}`).toBe(false);
        expect(dropped((word + 1) / 2 ** 32)[j], `key ${j}`).toBe(true);
      });
    });
  });

  describe('poison', () => {
    const { NaN: nan, NEGATIVE_INFINITY, POSITIVE_INFINITY } = Number;

    it.each([nan, POSITIVE_INFINITY, NEGATIVE_INFINITY])('%d in a sequence of a batch stays there', (poison) => {
      const options = { ...heads, cuSeqlens: [0, 40, 90, n], causal: true };
      const bias = normal(n, 60, 4);
      const dirty = [q, k, v, bias].map((x) => x.clone());
      for (const x of dirty) x.data.fill(poison, 40 * x.cols, 90 * x.cols);
      const clean = attend({ ...options, bias });
      const got = scaledDotProductAttention(dirty[0], dirty[1], dirty[2], { ...options, bias: dirty[3] });
      expectSame(got.sliceRows(0, 40).data, clean.sliceRows(0, 40).data);
      expectSame(got.sliceRows(90).data, clean.sliceRows(90).data);
    });

    it.each([nan, POSITIVE_INFINITY, NEGATIVE_INFINITY])('%d in a masked key shows in no weight or sum', (poison) => {
      const keyMask = Uint8Array.from({ length: n }, (_, j) => (j % 3 === 1 ? 0 : 1));
      const k2 = k.clone();
      for (let j = 1; j < n; j += 3) k2.row(j).fill(poison);
      expectSame(
        attentionLogSumExp(q, k2, { ...heads, keyMask }).data,
        attentionLogSumExp(q, k, { ...heads, keyMask }).data,
      );
      for (const stage of ['masked', 'weights'] as const) {
        const [clean, got] = [k, k2].map((x) => attentionWeights(q, x, { ...heads, keyMask, stage }));
        for (let h = 0; h < 4; h++) expectSame(got[h].data, clean[h].data, stage);
      }
    });

    it('NaN shows where it is all there is to attend to: no empty row', () => {
      const keyMask = Uint8Array.from({ length: n }, (_, j) => (j === 100 ? 1 : 0));
      const k2 = k.clone();
      k2.row(100).fill(nan);
      expect(scaledDotProductAttention(q, k2, v, { ...heads, keyMask }).data.every(Number.isNaN)).toBe(true);
      expect(attentionLogSumExp(q, k2, { ...heads, keyMask }).data.every(Number.isNaN)).toBe(true);
      expect(attentionWeights(q, k2, { ...heads, keyMask })[0].get(0, 100)).toBeNaN();
    });

    it('NaN and +∞ in an attended bias or sink show', () => {
      for (const poison of [nan, POSITIVE_INFINITY]) {
        const bias = normal(n, n, 4);
        bias.set(7, 9, poison);
        const out = attend({ bias });
        expect(out.row(7).every(Number.isNaN)).toBe(true);
        expect(out.row(8).every(Number.isFinite)).toBe(true);
      }
      const sinks = Matrix.from([[0, nan, 0, 0]]);
      const out = attend({ sinks });
      expect([...out.row(0)].map(Number.isNaN)).toEqual([0, 1, 2, 3].flatMap((h) => new Array(3).fill(h === 1)));
    });
  });
});
