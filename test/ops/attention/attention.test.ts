import { describe, expect, it } from 'vitest';
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

const normal = (rows: number, cols: number, seed: number, std = 1) => Matrix.randomNormal(rows, cols, { seed, std });
const [lq, lk] = [9, 13];
const heads = { numHeads: 4, numKvHeads: 2 };
const [q, k, v] = [normal(lq, 4 * 5, 1), normal(lk, 2 * 5, 2), normal(lk, 2 * 3, 3)];
const attend = (options: AttentionOptions = {}) => scaledDotProductAttention(q, k, v, { ...heads, ...options });

/** One head in plain float32, every step rounded: what the fast kernels may be twice as far from float64 as. */
function plainFloat32(a: Matrix, b: Matrix, c: Matrix): number[] {
  const { fround } = Math;
  const scale = fround(1 / Math.sqrt(a.cols));
  const out: number[] = [];
  for (let i = 0; i < a.rows; i++) {
    const z = Array.from({ length: b.rows }, (_, j) => {
      let sum = 0;
      for (let p = 0; p < a.cols; p++) sum = fround(sum + fround(fround(scale * a.get(i, p)) * b.get(j, p)));
      return sum;
    });
    const max = Math.max(...z);
    const e = z.map((x) => fround(Math.exp(fround(x - max))));
    const total = e.reduce((s, x) => fround(s + x), 0);
    for (let d = 0; d < c.cols; d++) {
      out.push(e.reduce((s, x, j) => fround(s + fround(fround(x / total) * c.get(j, d))), 0));
    }
  }
  return out;
}

forEachTwin(({ name: twin, tolerance }) => {
  describe('attention', () => {
    it('errs at most twice as much as plain float32, plus a floor', () => {
      for (const [rows, keys, width, std] of [
        [20, 70, 64, 1],
        [5, 300, 16, 3],
        [64, 64, 7, 0.1],
      ]) {
        const [a, b, c] = [normal(rows, width, 7, std), normal(keys, width, 8, std), normal(keys, width, 9)];
        const got = scaledDotProductAttention(a, b, c).data;
        setKernels('float64');
        const exact = scaledDotProductAttention(a, b, c).data;
        const worst = (x: ArrayLike<number>) =>
          Array.from(x).reduce((w, value, i) => Math.max(w, Math.abs(value - exact[i])), 0);
        // The floor: a few roundings of an output of size 1.
        expect(worst(got)).toBeLessThanOrEqual(2 * worst(plainFloat32(a, b, c)) + 4 * 2 ** -24);
        setKernels(twin);
      }
    });

    it('gives the mean of V where Q is 0', () => {
      const out = scaledDotProductAttention(new Matrix(2, 5), k.sliceColumns(0, 5), v.sliceColumns(0, 3));
      const mean = [0, 1, 2].map((c) =>
        v
          .sliceColumns(c, c + 1)
          .mean()
          .get(0, 0),
      );
      expectClose(out.data, [...mean, ...mean], tolerance);
    });

    it('has weights that sum to 1 and mix V to the output', () => {
      const weights = attentionWeights(q, k, heads);
      const out = attend();
      weights.forEach((w, h) => {
        for (let i = 0; i < lq; i++) expectClose([w.row(i).reduce((s, x) => s + x, 0)], [1], tolerance);
        const g = Math.floor(h / 2);
        expectClose(
          w.matmul(v.sliceColumns(3 * g, 3 * g + 3)).data,
          out.sliceColumns(3 * h, 3 * h + 3).data,
          tolerance,
        );
      });
    });

    it('computes packed sequences as each alone, to the bit, in any order', () => {
      const parts = [
        [0, 4, 0, 6],
        [4, 4, 6, 6],
        [4, 9, 6, 13],
      ].map(([a, b, c, d]) => ({
        q: q.sliceRows(a, b),
        k: k.sliceRows(c, d),
        v: v.sliceRows(c, d),
      }));
      const options = { ...heads, causal: true, alibi: true, softcap: 4, window: 5 } as const;
      const alone = parts.map((p) => scaledDotProductAttention(p.q, p.k, p.v, options));
      for (const order of [
        [0, 1, 2],
        [2, 0, 1],
      ]) {
        const stack = (name: 'q' | 'k' | 'v') => Matrix.concatRows(order.map((s) => parts[s][name]));
        const offsets = (name: 'q' | 'k') => cuSeqlensFromLengths(order.map((s) => parts[s][name].rows));
        const packed = scaledDotProductAttention(stack('q'), stack('k'), stack('v'), {
          ...options,
          cuSeqlens: offsets('q'),
          cuSeqlensK: offsets('k'),
        });
        expectSame(packed.data, Matrix.concatRows(order.map((s) => alone[s])).data);
      }
    });

    it('computes a row alone as among the others, to the bit: a step of decoding', () => {
      const whole = attend({ causal: true });
      for (let i = 0; i < lq; i++) {
        const seen = lk - lq + i + 1;
        const step = scaledDotProductAttention(q.sliceRows(i, i + 1), k.sliceRows(0, seen), v.sliceRows(0, seen), {
          ...heads,
          causal: true,
        });
        expectSame(step.data, whole.row(i), `row ${i}`);
      }
    });

    it('lets no future token change an earlier row', () => {
      const [k2, v2] = [k.clone(), v.clone()];
      k2.row(lk - 1).fill(9);
      v2.row(lk - 1).fill(9);
      const [before, after] = [
        attend({ causal: true }),
        scaledDotProductAttention(q, k2, v2, { ...heads, causal: true }),
      ];
      expectSame(after.sliceRows(0, lq - 1).data, before.sliceRows(0, lq - 1).data);
      expect([...after.row(lq - 1)]).not.toEqual([...before.row(lq - 1)]);
    });

    it('merges over halves of the keys by the log-sum-exp', () => {
      const half = (from: number, to: number) => ({
        out: scaledDotProductAttention(q, k.sliceRows(from, to), v.sliceRows(from, to), heads),
        lse: attentionLogSumExp(q, k.sliceRows(from, to), heads),
      });
      const [a, b] = [half(0, 6), half(6, lk)];
      const [whole, lse] = [attend(), attentionLogSumExp(q, k, heads)];
      for (let i = 0; i < lq; i++) {
        for (let h = 0; h < 4; h++) {
          const [x, y, z] = [a.lse.get(i, h), b.lse.get(i, h), lse.get(i, h)];
          expectClose([Math.log(Math.exp(x) + Math.exp(y))], [z], tolerance);
          for (let c = 3 * h; c < 3 * h + 3; c++) {
            expectClose(
              [Math.exp(x - z) * a.out.get(i, c) + Math.exp(y - z) * b.out.get(i, c)],
              [whole.get(i, c)],
              tolerance,
            );
          }
        }
      }
    });

    it('gives zeros and −∞ where there is nothing to attend to', () => {
      const mask = new Uint8Array(lq * lk).fill(1);
      mask.fill(0, 2 * lk, 3 * lk);
      expect([...attend({ mask }).row(2)]).toEqual(new Array(12).fill(0));
      expect([...attentionLogSumExp(q, k, { ...heads, mask }).row(2)]).toEqual(new Array(4).fill(-Infinity));
      expect([...attentionWeights(q, k, { ...heads, mask })[0].row(2)]).toEqual(new Array(lk).fill(0));
      expect([...attend({ causalOffset: -3, causal: true }).row(0)]).toEqual(new Array(12).fill(0));
      expect(scaledDotProductAttention(q, new Matrix(0, 10), new Matrix(0, 6), heads).toArray()).toEqual(
        new Matrix(lq, 12).toArray(),
      );
    });

    it('takes empty queries and shapes of one', () => {
      expect(scaledDotProductAttention(new Matrix(0, 20), k, v, heads).rows).toBe(0);
      expect(scaledDotProductAttention(Matrix.from([[3]]), Matrix.from([[2]]), Matrix.from([[7]])).toArray()).toEqual([
        [7],
      ]);
      expect(scaledDotProductAttention(new Matrix(2, 0), new Matrix(2, 0), Matrix.from([[1], [3]])).toArray()).toEqual([
        [2],
        [2],
      ]);
    });

    it('gives one result a hundred times over', () => {
      const first = attend({ dropout: 0.3, seed: 4 });
      for (let repeat = 0; repeat < 100; repeat++) expectSame(attend({ dropout: 0.3, seed: 4 }).data, first.data);
    });

    it('drops the share asked for, scales what stays, and repeats by its seed', () => {
      const [n, p] = [200, 0.3];
      const out = scaledDotProductAttention(
        new Matrix(n, 1),
        new Matrix(n, 1),
        new Matrix(n, 1, new Float32Array(n).fill(1)),
        { dropout: p, seed: 1 },
      );
      // Mean 1; each output is a mean of 200 kept flags / (1 − p): five standard errors.
      expect(Math.abs(out.mean().get(0, 0) - 1)).toBeLessThan(5 * Math.sqrt(p / (1 - p) / (n * n)));
      expect([...attend({ dropout: 0.5, seed: 1 }).data]).not.toEqual([...attend({ dropout: 0.5, seed: 2 }).data]);
      expect([...attend({ dropout: 1, seed: 1 }).data]).toEqual(new Array(lq * 12).fill(0));
    });

    it('writes nothing it is given, and shares no memory', () => {
      const before = [q, k, v].map((m) => m.clone().data);
      const out = attend({ bias: normal(lq, lk, 5), causal: true });
      [q, k, v].forEach((m, i) => expectSame(m.data, before[i]));
      expect([q, k, v].some((m) => m.data.buffer === out.data.buffer)).toBe(false);
    });
  });

  describe('traps of other libraries', () => {
    const one = (z: number[][], values: number[][], options: AttentionOptions = {}) =>
      scaledDotProductAttention(Matrix.identity(z.length), Matrix.from(z).transpose(), Matrix.from(values), {
        scale: 1,
        ...options,
      });

    it('scale is 1/√d_k, not 1/d_k², nor ignored', () => {
      const weights = attentionWeights(
        Matrix.from([[4, 0, 0, 0]]),
        Matrix.from([
          [1, 0, 0, 0],
          [0, 0, 0, 0],
        ]),
      )[0];
      expectClose(weights.data, [Math.E ** 2 / (1 + Math.E ** 2), 1 / (1 + Math.E ** 2)], tolerance);
    });

    it('softmax with its maximum: ties at 1e30 give halves, logits of 3e38 stay finite', () => {
      expect(one([[1e30, 1e30]], [[1], [3]]).toArray()).toEqual([[2]]);
      expect(one([[3e38, -3e38]], [[1], [3]]).toArray()).toEqual([[1]]);
      expect(attentionWeights(Matrix.from([[1e19]]), Matrix.from([[1e19], [1e19]]))[0].toArray()).toEqual([[0.5, 0.5]]);
    });

    it('causal is bottom-right: one query against a cache sees all of it', () => {
      expectSame(attend({ causal: true }).row(lq - 1), attend().row(lq - 1));
    });

    it('masks with −∞, not with a finite number', () => {
      expect(one([[-1e38, 0]], [[5], [7]], { mask: Uint8Array.of(1, 0) }).toArray()).toEqual([[5]]);
    });

    it('softcap comes before the mask', () => {
      expect(one([[1, 50]], [[5], [7]], { softcap: 2, mask: Uint8Array.of(1, 0) }).toArray()).toEqual([[5]]);
    });

    it('repeats grouped heads, does not tile them', () => {
      const values = Matrix.from([[1, 2]]);
      expect(scaledDotProductAttention(new Matrix(1, 4), new Matrix(1, 2), values, heads).toArray()).toEqual([
        [1, 1, 2, 2],
      ]);
    });

    it('gives weights before dropout', () => {
      expectSame(attentionWeights(q, k, { ...heads, dropout: 0.9 })[3].data, attentionWeights(q, k, heads)[3].data);
    });

    it('survives a first tile of keys that is all masked', () => {
      const [a, b, c] = [normal(2, 8, 1), normal(150, 8, 2), normal(150, 8, 3)];
      const keyMask = new Uint8Array(150).fill(1, 140);
      const out = scaledDotProductAttention(a, b, c, { keyMask });
      expectSame(
        out.data,
        out.data.map((x) => (Number.isFinite(x) ? x : 0)),
      );
      expectClose(out.data, scaledDotProductAttention(a, b.sliceRows(140), c.sliceRows(140)).data, tolerance);
    });

    it('takes odd widths of heads', () => {
      for (const width of [1, 3, 5, 13]) {
        const [a, b] = [normal(4, width, 1), normal(6, width, 2)];
        const weights = a
          .matmul(b, { transposeB: true })
          .scale(1 / Math.sqrt(width))
          .softmax();
        expectClose(scaledDotProductAttention(a, b, b).data, weights.matmul(b).data, tolerance);
      }
    });
  });

  describe('poison', () => {
    const places: [string, AttentionOptions, (i: number, j: number) => boolean][] = [
      [
        'mask',
        { mask: Uint8Array.from({ length: lq * lk }, (_, at) => (at % 3 ? 1 : 0)) },
        (i, j) => (i * lk + j) % 3 !== 0,
      ],
      ['keyMask', { keyMask: Uint8Array.from({ length: lk }, (_, j) => (j % 3 ? 1 : 0)) }, (_, j) => j % 3 !== 0],
      ['causal', { causal: true }, (i, j) => j <= lk - lq + i],
      ['window', { window: 1 }, (i, j) => Math.abs(lk - lq + i - j) <= 1],
    ];
    const poisons = fc.constantFrom(Number.NaN, Infinity, -Infinity);

    it.each(places)('in a key or value never reaches a row that %s keeps from it', (_, options, allowed) => {
      fc.assert(
        fc.property(poisons, fc.nat(lk - 1), (poison, j) => {
          const [k2, v2] = [k.clone(), v.clone()];
          k2.row(j).fill(poison);
          v2.row(j).fill(poison);
          const [clean, dirty] = [attend(options), scaledDotProductAttention(q, k2, v2, { ...heads, ...options })];
          for (let i = 0; i < lq; i++) {
            if (allowed(i, j)) expect(dirty.row(i).every(Number.isFinite), `row ${i}, key ${j}`).toBe(false);
            else expectSame(dirty.row(i), clean.row(i), `row ${i}, key ${j}`);
          }
        }),
        { numRuns: 30 },
      );
    });

    it('in a query shows in its whole row, and in no other', () => {
      const q2 = q.clone();
      q2.row(4).fill(Number.NaN);
      const [out, lse] = [scaledDotProductAttention(q2, k, v, heads), attentionLogSumExp(q2, k, heads)];
      expect([...out.row(4), ...lse.row(4)].every(Number.isNaN)).toBe(true);
      expectSame(out.sliceRows(5).data, attend().sliceRows(5).data);
      expectSame(out.sliceRows(0, 4).data, attend().sliceRows(0, 4).data);
    });

    it('of NaN in a value shows wherever it may be attended, though its weight rounds to 0 or is dropped', () => {
      const v = Matrix.from([[Number.NaN], [1], [2]]);
      const far = scaledDotProductAttention(Matrix.from([[1]]), Matrix.from([[-1e4], [0], [0]]), v, { scale: 1 });
      expect(far.get(0, 0)).toBeNaN();
      for (const dropout of [0.5, 1]) {
        for (let seed = 0; seed < 8; seed++) {
          const out = scaledDotProductAttention(new Matrix(1, 1), new Matrix(3, 1), v, { dropout, seed });
          expect(out.get(0, 0), `dropout ${dropout}, seed ${seed}`).toBeNaN();
        }
      }
    });

    it('in a bias counts only where it may be attended; −∞ there means it may not', () => {
      const bias = normal(lq, lk, 5);
      bias.set(2, 3, -Infinity);
      const k2 = k.clone();
      k2.row(3).fill(Number.NaN);
      expectSame(scaledDotProductAttention(q, k2, v, { ...heads, bias }).row(2), attend({ bias }).row(2));
      bias.set(0, lk - 1, Number.NaN);
      expect(attend({ bias, causal: true }).row(0).every(Number.isFinite)).toBe(true);
      expect(attend({ bias }).row(0).some(Number.isNaN)).toBe(true);
    });
  });
});
