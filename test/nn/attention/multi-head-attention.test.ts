import { describe, expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { MultiHeadAttention } from '../../../src/nn/attention/multi-head-attention.js';
import { attentionWeights, scaledDotProductAttention } from '../../../src/ops/attention/attention.js';
import { pack } from '../../../src/ops/packing.js';
import { rotary } from '../../../src/ops/rotary.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const x = normal(6, 16, 1);

forEachTwin(({ tolerance }) => {
  describe('MultiHeadAttention', () => {
    it.each([2, 4])('is heads of attention side by side, times W_O, plus b_O, %i of K and V', (numKvHeads) => {
      const layer = new MultiHeadAttention({
        dModel: 16,
        numHeads: 4,
        numKvHeads,
        bias: true,
        causal: true,
        sinks: true,
        seed: 1,
      });
      layer.sinks?.data.set([0.5, -1, 2, 0]);
      [layer.b_Q, layer.b_K, layer.b_V, layer.b_O].forEach((b, s) => {
        b?.data.set(normal(1, b.cols, 20 + s).data);
      });
      const project = (w: Matrix, b?: Matrix) => (b ? x.matmul(w).add(b) : x.matmul(w));
      const [q, k, v] = [project(layer.W_Q, layer.b_Q), project(layer.W_K, layer.b_K), project(layer.W_V, layer.b_V)];
      const z = scaledDotProductAttention(q, k, v, { numHeads: 4, numKvHeads, causal: true, sinks: layer.sinks });
      expectSame(layer.forward(x).data, z.matmul(layer.W_O).add(layer.b_O ?? x).data);
    });

    it('equals single heads computed one at a time', () => {
      const layer = new MultiHeadAttention({ dModel: 16, numHeads: 2, seed: 1 });
      const heads = [0, 1].map((h) => {
        const of = (w: Matrix) => x.matmul(w.sliceColumns(8 * h, 8 * h + 8));
        return scaledDotProductAttention(of(layer.W_Q), of(layer.W_K), of(layer.W_V));
      });
      expectClose(layer.forward(x).data, Matrix.concatColumns(heads).matmul(layer.W_O).data, tolerance);
    });

    it('attends to a context: one matrix, or one for keys and one for values', () => {
      const layer = new MultiHeadAttention({ dModel: 16, numHeads: 2, kDim: 5, vDim: 7, seed: 1 });
      const [key, value] = [normal(9, 5, 2), normal(9, 7, 3)];
      const z = scaledDotProductAttention(x.matmul(layer.W_Q), key.matmul(layer.W_K), value.matmul(layer.W_V), {
        numHeads: 2,
      });
      expectSame(layer.forward(x, { context: { key, value } }).data, z.matmul(layer.W_O).data);
      const same = new MultiHeadAttention({ dModel: 16, numHeads: 2, seed: 1 });
      const context = normal(9, 16, 4);
      expectSame(
        same.forward(x, { context }).data,
        same.forward(x, { context: { key: context, value: context } }).data,
      );
      expectSame(same.forward(x, { context: x }).data, same.forward(x).data);
      expect(() => layer.forward(x)).toThrow('context must be { key, value } where kDim and vDim differ');
    });

    it('rotates queries and keys by their positions, from 0 in every packed sequence', () => {
      const layer = new MultiHeadAttention({ dModel: 16, numHeads: 2, rope: { base: 100, dim: 4 }, seed: 1 });
      const turn = (m: Matrix, positions?: number[]) => rotary(m, { numHeads: 2, base: 100, dim: 4, positions });
      const byHand = (positions?: number[]) => {
        const [q, k] = [turn(x.matmul(layer.W_Q), positions), turn(x.matmul(layer.W_K), positions)];
        return scaledDotProductAttention(q, k, x.matmul(layer.W_V), { numHeads: 2 }).matmul(layer.W_O);
      };
      expectSame(layer.forward(x).data, byHand().data);
      const positions = [3, 1, 4, 1, 5, 9];
      expectSame(layer.forward(x, { positions }).data, byHand(positions).data);
      expectClose(layer.forward(x, { positions: [7, 8, 9, 10, 11, 12] }).data, layer.forward(x).data, 10 * tolerance);
      const { packed, cuSeqlens } = pack([x.sliceRows(0, 2), x.sliceRows(2)]);
      const alone = [layer.forward(x.sliceRows(0, 2)), layer.forward(x.sliceRows(2))];
      expectSame(layer.forward(packed, { cuSeqlens }).data, Matrix.concatRows(alone).data);
      const cut = { cuSeqlens: [0, 3, 6], cuSeqlensK: [0, 1, 6] };
      expectSame(layer.forward(x, cut).data, layer.forward(x, { ...cut, context: x }).data);
    });

    it('passes every option of the layer and of the call to the attention', () => {
      const layer = new MultiHeadAttention({
        dModel: 16,
        numHeads: 4,
        numKvHeads: 2,
        dV: 3,
        kDim: 6,
        vDim: 6,
        alibi: true,
        softcap: 2,
        window: [2, 1],
        rope: { interleaved: true },
        seed: 1,
      });
      const context = { key: normal(9, 6, 2), value: normal(9, 6, 3) };
      const flags = (length: number, every: number) => Uint8Array.from({ length }, (_, at) => (at % every ? 1 : 0));
      const call = {
        mask: flags(4 * 6 * 5, 7),
        keyMask: flags(9, 5),
        bias: normal(6, 5, 4),
        cuSeqlens: [0, 2, 6],
        cuSeqlensK: [0, 4, 9],
      };
      const turn = (m: Matrix, numHeads: number, positions: number[]) =>
        rotary(m, { numHeads, interleaved: true, positions });
      const q = turn(x.matmul(layer.W_Q), 4, [0, 1, 0, 1, 2, 3]);
      const k = turn(context.key.matmul(layer.W_K), 2, [0, 1, 2, 3, 0, 1, 2, 3, 4]);
      const heads = { numHeads: 4, numKvHeads: 2, alibi: true, softcap: 2, window: [2, 1] as const };
      const z = scaledDotProductAttention(q, k, context.value.matmul(layer.W_V), { ...heads, ...call });
      expectSame(layer.forward(x, { context, ...call }).data, z.matmul(layer.W_O).data);
      layer.attentionWeights(x, { context, ...call }).forEach((w, at) => {
        expectSame(w.data, attentionWeights(q, k, { ...heads, ...call })[at].data);
      });
    });

    it('rotates the keys of a context by their own positions, where the rows are as many too', () => {
      const layer = new MultiHeadAttention({ dModel: 16, numHeads: 2, rope: true, seed: 1 });
      const context = normal(6, 16, 4);
      const positions = [5, 3, 8, 0, 1, 2];
      const q = rotary(x.matmul(layer.W_Q), { numHeads: 2, positions });
      const k = rotary(context.matmul(layer.W_K), { numHeads: 2 });
      const z = scaledDotProductAttention(q, k, context.matmul(layer.W_V), { numHeads: 2 });
      expectSame(layer.forward(x, { context, positions }).data, z.matmul(layer.W_O).data);
    });

    it('attends to its learned key and value, and to a key and value of zeros', () => {
      const layer = new MultiHeadAttention({
        dModel: 16,
        numHeads: 2,
        addBiasKeyValue: true,
        addZeroAttention: true,
        seed: 1,
      });
      const nothing = new Matrix(1, 16);
      const k = Matrix.concatRows([x.matmul(layer.W_K), layer.bias_K ?? nothing, nothing]);
      const v = Matrix.concatRows([x.matmul(layer.W_V), layer.bias_V ?? nothing, nothing]);
      const z = scaledDotProductAttention(x.matmul(layer.W_Q), k, v, { numHeads: 2 });
      expectClose(layer.forward(x).data, z.matmul(layer.W_O).data, tolerance);
    });

    it('rotates the keys of a packed context from 0 in its own sequences, where the rows are as many too', () => {
      const x = normal(6, 16, 1);
      const layer = new MultiHeadAttention({ dModel: 16, numHeads: 2, rope: true, seed: 1 });
      const context = normal(6, 16, 4);
      const call = { cuSeqlens: [0, 2, 6], cuSeqlensK: [0, 4, 6] };
      const q = rotary(x.matmul(layer.W_Q), { numHeads: 2, positions: [0, 1, 0, 1, 2, 3] });
      const k = rotary(context.matmul(layer.W_K), { numHeads: 2, positions: [0, 1, 2, 3, 0, 1] });
      const z = scaledDotProductAttention(q, k, context.matmul(layer.W_V), { numHeads: 2, ...call });
      expectSame(layer.forward(x, { context, ...call }).data, z.matmul(layer.W_O).data);
    });

    it('composes causal of the layer with the mask of a call', () => {
      const layer = new MultiHeadAttention({ dModel: 16, numHeads: 2, causal: true, seed: 1 });
      const mask = Uint8Array.from({ length: 36 }, (_, at) => (at % 5 === 1 ? 0 : 1));
      const both = mask.map((flag, at) => (at % 6 <= Math.floor(at / 6) ? flag : 0));
      const open = new MultiHeadAttention({ dModel: 16, numHeads: 2, seed: 1 });
      expectSame(layer.forward(x, { mask }).data, open.forward(x, { mask: both }).data);
    });

    it('shows its weights: rows sum to 1, extra keys last, stages and heads as asked', () => {
      const layer = new MultiHeadAttention({
        dModel: 16,
        numHeads: 4,
        addBiasKeyValue: true,
        addZeroAttention: true,
        causal: true,
        seed: 1,
      });
      const weights = layer.attentionWeights(x);
      expect(weights.map((w) => [w.rows, w.cols])).toEqual(new Array(4).fill([6, 8]));
      for (const w of weights) {
        for (let i = 0; i < 6; i++) expectClose([w.row(i).reduce((s, p) => s + p, 0)], [1], tolerance);
        expect(w.get(0, 1)).toBe(0);
        expect(w.get(0, 6)).toBeGreaterThan(0);
      }
      expectSame(layer.attentionWeights(x, { heads: [2] })[0].data, weights[2].data);
      const scores = layer.attentionWeights(x, { stage: 'scaledScores' })[1];
      expectSame(scores.sliceColumns(7).data, new Float32Array(6)); // against the key of zeros
    });
  });
});

describe('MultiHeadAttention', () => {
  it('names its parameters', () => {
    const layer = new MultiHeadAttention({ dModel: 4, numHeads: 2, bias: true, sinks: true, addBiasKeyValue: true });
    const names = ['W_Q', 'W_K', 'W_V', 'b_Q', 'b_K', 'b_V', 'W_O', 'b_O', 'bias_K', 'bias_V', 'sinks'];
    expect([...layer.namedParameters().keys()].sort()).toEqual(names.sort());
  });
});
