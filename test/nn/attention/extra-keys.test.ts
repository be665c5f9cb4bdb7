import { describe, expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { extraKeysLast, withExtraKeys } from '../../../src/nn/attention/extra-keys.js';
import { MultiHeadAttention } from '../../../src/nn/attention/multi-head-attention.js';
import {
  attendChecked,
  attentionWeights,
  type CheckedAttention,
  checkAttention,
  scaledDotProductAttention,
  stagesOf,
} from '../../../src/ops/attention/attention.js';
import type { AttentionOptions } from '../../../src/ops/attention/options.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const [q, k, v] = [normal(3, 4, 1), normal(5, 4, 2), normal(5, 6, 3)];
const extra = [
  { k: normal(1, 4, 4), v: normal(1, 6, 5) },
  { k: new Matrix(1, 4), v: new Matrix(1, 6) },
];
const flags = (length: number) => Uint8Array.from({ length }, (_, i) => (i % 3 === 0 ? 0 : 1));

/** The same with the extra keys last and an explicit mask: allowed says what the options alone would. */
function explicit(options: AttentionOptions, allowed: (i: number, j: number) => boolean) {
  const [k2, v2] = [Matrix.concatRows([k, ...extra.map((e) => e.k)]), Matrix.concatRows([v, ...extra.map((e) => e.v)])];
  const mask = Uint8Array.from({ length: 3 * 7 }, (_, at) =>
    at % 7 >= 5 || allowed(Math.floor(at / 7), at % 7) ? 1 : 0,
  );
  const bias = options.bias && Matrix.concatColumns([options.bias, new Matrix(3, 2)]);
  return {
    out: scaledDotProductAttention(q, k2, v2, { numHeads: 2, mask, bias }),
    weights: attentionWeights(q, k2, { numHeads: 2, mask, bias }),
  };
}

const cases: [string, AttentionOptions, (i: number, j: number) => boolean][] = [
  ['nothing', {}, () => true],
  ['causal', { causal: true }, (i, j) => j <= 2 + i],
  ['top-left', { causal: 'top-left' }, (i, j) => j <= i],
  ['causalOffset', { causal: true, causalOffset: 1 }, (i, j) => j <= 1 + i],
  ['causalOffset before the keys', { causal: true, causalOffset: -2 }, (i, j) => j <= i - 2],
  ['top-left and an offset of 0', { causal: 'top-left', causalOffset: 0 }, (i, j) => j <= i],
  ['window', { window: 1 }, (i, j) => Math.abs(j - 2 - i) <= 1],
  ['window that starts elsewhere', { window: [1, 0], causalOffset: 0 }, (i, j) => j <= i && j >= i - 1],
  ['window and mask', { window: [9, 1], mask: flags(15) }, (i, j) => j <= 3 + i && flags(15)[i * 5 + j] === 1],
  ['mask, causal', { causal: true, mask: flags(15) }, (i, j) => j <= 2 + i && flags(15)[i * 5 + j] === 1],
  ['mask', { mask: flags(15) }, (i, j) => flags(15)[i * 5 + j] === 1],
  ['keyMask', { keyMask: flags(5) }, (_, j) => flags(5)[j] === 1],
  ['bias', { bias: normal(3, 5, 6) }, () => true],
];

forEachTwin(({ tolerance }) => {
  describe('extra keys', () => {
    it.each(cases)('are open to every query, with %s', (_, options, allowed) => {
      const moved = withExtraKeys('f', extra, checkAttention('f', q, k, v, { numHeads: 2, ...options }));
      const expected = explicit(options, allowed);
      stagesOf('f', moved.problem, {}).forEach((w, h) => {
        expectClose(extraKeysLast(w, 2).data, expected.weights[h].data, tolerance);
      });
      expectClose(attendChecked('f', moved, {}, 0).data, expected.out.data, tolerance);
    });

    it('stand in every packed sequence', () => {
      const packed = { cuSeqlens: [0, 1, 3], cuSeqlensK: [0, 2, 5], keyMask: flags(5) };
      const attend = (checked: CheckedAttention) => attendChecked('f', withExtraKeys('f', extra, checked), {}, 0);
      const out = attend(checkAttention('f', q, k, v, { numHeads: 2, ...packed }));
      const alone = (from: number, to: number, fromK: number, toK: number) => {
        const [a, b, c] = [q.sliceRows(from, to), k.sliceRows(fromK, toK), v.sliceRows(fromK, toK)];
        return attend(checkAttention('f', a, b, c, { numHeads: 2, keyMask: flags(5).slice(fromK, toK) }));
      };
      expectClose(out.data, Matrix.concatRows([alone(0, 1, 0, 2), alone(1, 3, 2, 5)]).data, 0);
    });

    it('leave the checks to the shapes that the user gave', () => {
      const layer = new MultiHeadAttention({ dModel: 8, numHeads: 2, addZeroAttention: true, seed: 1 });
      const bad = () => layer.forward(normal(3, 8, 1), { mask: new Uint8Array(7) });
      expect(bad).toThrow('MultiHeadAttention: mask must be (Lq × Lk) = 3×3');
    });

    it('attends to its extra key alone where the context is empty, whatever mask comes with it', () => {
      const x = normal(3, 8, 1);
      const layer = new MultiHeadAttention({ dModel: 8, numHeads: 2, addBiasKeyValue: true, seed: 1 });
      const context = new Matrix(0, 8);
      const plain = layer.forward(x, { context });
      const options = { mask: new Uint8Array(0), keyMask: new Uint8Array(0), bias: new Matrix(3, 0) };
      expectSame(layer.forward(x, { context, ...options }).data, plain.data);
    });
  });
});
