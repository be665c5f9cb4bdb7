import { describe, expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { SelfAttention } from '../../../src/nn/attention/self-attention.js';
import { attentionWeights, scaledDotProductAttention } from '../../../src/ops/attention/attention.js';
import type { AttentionOptions } from '../../../src/ops/attention/options.js';
import { pack } from '../../../src/ops/packing.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

const x = Matrix.randomNormal(7, 12, { seed: 1 });

forEachTwin(({ tolerance }) => {
  describe('SelfAttention', () => {
    const options = { dModel: 12, numHeads: 4, numKvHeads: 2, dV: 5, causal: true, bias: true, seed: 2 } as const;

    it('is the attention of its projections', () => {
      const layer = new SelfAttention(options);
      layer.b_K?.data.fill(0.3);
      const [q, k, v] = [x.matmul(layer.W_Q), x.matmul(layer.W_K).add(layer.b_K ?? x), x.matmul(layer.W_V)];
      const heads = { numHeads: 4, numKvHeads: 2, causal: true };
      expectSame(layer.forward(x).data, scaledDotProductAttention(q, k, v, heads).data);
      layer.attentionWeights(x).forEach((w, h) => {
        expectSame(w.data, attentionWeights(q, k, heads)[h].data);
      });
    });

    it('lets the options of a call replace its own, undefined ones not', () => {
      const layer = new SelfAttention(options);
      const open = new SelfAttention({ ...options, causal: false });
      expectSame(layer.forward(x, { causal: false }).data, open.forward(x).data);
      expectSame(layer.forward(x, { causal: undefined }).data, layer.forward(x).data);
      expectSame(open.forward(x, { window: [Infinity, 0] }).data, layer.forward(x).data);
    });

    it('traces every step: scores · scale = scaledScores, weights · v = output, heads below one another', () => {
      const layer = new SelfAttention(options);
      const { q, k, v, scores, scaledScores, weights, output } = layer.trace(x);
      expect([scores, scaledScores, weights].map((m) => [m.rows, m.cols])).toEqual([
        [28, 7],
        [28, 7],
        [28, 7],
      ]);
      expectClose(scaledScores.data, scores.scale(1 / Math.sqrt(3)).data, tolerance);
      for (let h = 0; h < 4; h++) {
        const g = Math.floor(h / 2);
        const [qh, kh, vh] = [
          q.sliceColumns(3 * h, 3 * h + 3),
          k.sliceColumns(3 * g, 3 * g + 3),
          v.sliceColumns(5 * g, 5 * g + 5),
        ];
        const rows = (m: Matrix) => m.sliceRows(7 * h, 7 * h + 7);
        expectClose(rows(scores).data, qh.matmul(kh, { transposeB: true }).data, tolerance);
        expectClose(rows(weights).matmul(vh).data, output.sliceColumns(5 * h, 5 * h + 5).data, tolerance);
        expect(rows(weights).get(0, 1)).toBe(0);
      }
      expectSame(output.data, layer.eval().forward(x).data);
    });

    it('drops as the function does, with its own seed or that of the call', () => {
      const layer = new SelfAttention({ dModel: 12, dropout: 0.5, seed: 2 });
      const { q, k, v } = layer.trace(x);
      const expected = (options: AttentionOptions) => scaledDotProductAttention(q, k, v, options).data;
      expectSame(layer.forward(x).data, expected({ dropout: 0.5, seed: layer.dropoutSeed }));
      for (let repeat = 0; repeat < 2; repeat++) {
        expectSame(layer.forward(x, { seed: 9, dropout: 0.2 }).data, expected({ dropout: 0.2, seed: 9 }));
      }
      expect(layer.dropoutCalls).toBe(1); // a seed of the call starts a sequence of its own
      expectSame(layer.trace(x).output.data, expected({}));
      expectSame(layer.eval().forward(x, { seed: 9, dropout: 0.2 }).data, expected({}));
      const quiet = new SelfAttention({ dModel: 12, seed: 2 });
      expectSame(quiet.forward(x, { seed: 9, dropout: 0.2 }).data, expected({ dropout: 0.2, seed: 9 }));
    });

    it('computes packed sequences as each alone', () => {
      const layer = new SelfAttention(options);
      const parts = [x.sliceRows(0, 3), x.sliceRows(3)];
      const { packed, cuSeqlens } = pack(parts);
      expectSame(layer.forward(packed, { cuSeqlens }).data, Matrix.concatRows(parts.map((p) => layer.forward(p))).data);
      expect(() => layer.trace(packed, { cuSeqlens })).toThrow('SelfAttention.trace: x must be one sequence');
    });

    it('shares its projections: equal rows of x have equal q, k, v', () => {
      const layer = new SelfAttention({ dModel: 12, seed: 1 });
      const { q, k, v } = layer.trace(Matrix.concatRows([x, x.sliceRows(2, 3)]));
      for (const m of [q, k, v]) expectSame(m.row(7), m.row(2));
    });
  });
});
