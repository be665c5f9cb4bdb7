import { describe, expect, it } from 'vitest';
import { xavierBound } from '../../../src/core/random.js';
import { setSeed } from '../../../src/kernels/state.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { MultiHeadAttention } from '../../../src/nn/attention/multi-head-attention.js';
import { SelfAttention } from '../../../src/nn/attention/self-attention.js';

const x = Matrix.randomNormal(6, 8, { seed: 1 });
const largest = (m: Matrix) => m.data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);

describe('the projections of an attention layer', () => {
  it('have their shapes', () => {
    const { W_Q, W_K, W_V, b_Q, b_K, b_V } = new SelfAttention({
      dModel: 8,
      numHeads: 4,
      numKvHeads: 2,
      dK: 3,
      dV: 5,
      bias: true,
    });
    const shapes = [W_Q, W_K, W_V, b_Q, b_K, b_V].map((p) => [p?.rows, p?.cols]);
    expect(shapes).toEqual([
      [8, 12],
      [8, 6],
      [8, 10],
      [1, 12],
      [1, 6],
      [1, 10],
    ]);
  });

  it('start Xavier uniform each, or stacked as torch draws them', () => {
    const options = { dModel: 64, numHeads: 4, seed: 1 };
    const own = new MultiHeadAttention(options);
    expect(largest(own.W_Q)).toBeLessThan(xavierBound(64, 64));
    expect(largest(own.W_Q)).toBeGreaterThan(0.98 * xavierBound(64, 64));
    const torch = new MultiHeadAttention({ ...options, init: 'torch' });
    expect(largest(torch.W_Q)).toBeLessThan(xavierBound(64, 192));
    expect(largest(torch.W_Q)).toBeGreaterThan(0.98 * xavierBound(64, 192));
    expect(largest(torch.W_O)).toBeLessThan(1 / 8);
    const apart = new MultiHeadAttention({ ...options, kDim: 8, init: 'torch' });
    expect(largest(apart.W_K)).toBeGreaterThan(0.98 * xavierBound(8, 64));
    const extra = new MultiHeadAttention({ dModel: 400, numHeads: 4, addBiasKeyValue: true, seed: 1 });
    for (const bias of [extra.bias_K, extra.bias_V]) {
      // Xavier normal as torch has it: variance 1/400. The square of 400 draws has the standard error √(2/400).
      const share = Array.from(bias?.data ?? []).reduce((sum, value) => sum + value * value, 0);
      expect(Math.abs(share - 1)).toBeLessThanOrEqual(5 * Math.sqrt(2 / 400));
    }
  });

  it('draw from the seed, or from the stream: two layers differ', () => {
    const first = (seed?: number) => new SelfAttention({ dModel: 8, seed }).W_Q.data[0];
    expect(first(1)).toBe(first(1));
    setSeed(1);
    const [a, b] = [first(), first()];
    expect(a).not.toBe(b);
    setSeed(1);
    expect(first()).toBe(a);
  });

  it('drop in training mode only, other weights in every call, again from a counter', () => {
    for (const layer of [
      new SelfAttention({ dModel: 8, dropout: 0.5, seed: 3 }),
      new MultiHeadAttention({ dModel: 8, numHeads: 2, dropout: 0.5, seed: 3 }),
    ]) {
      const call = () => [...layer.forward(x).data];
      const [first, second] = [call(), call()];
      expect(first).not.toEqual(second);
      expect(layer.dropoutCalls).toBe(2);
      layer.dropoutCalls = 0;
      expect(call()).toEqual(first);
      layer.eval();
      const quiet = call();
      expect(call()).toEqual(quiet);
      expect(layer.dropoutCalls).toBe(1);
      expect(quiet).not.toEqual(first);
    }
  });

  it('drop other weights in a layer of another seed', () => {
    const layers = [3, 4].map((seed) => new SelfAttention({ dModel: 8, dropout: 0.5, seed }));
    layers[1].loadStateDict(layers[0].stateDict());
    expect([...layers[0].eval().forward(x).data]).toEqual([...layers[1].eval().forward(x).data]);
    expect([...layers[0].train().forward(x).data]).not.toEqual([...layers[1].train().forward(x).data]);
  });

  it('count no call that throws', () => {
    const layer = new MultiHeadAttention({ dModel: 8, numHeads: 2, dropout: 0.5, seed: 3 });
    expect(() => layer.forward(x, { mask: new Uint8Array(1) })).toThrow();
    expect(layer.dropoutCalls).toBe(0);
  });
});

it('draws W_O of torch within 1/√(numHeads·dV)', () => {
  const { data } = new MultiHeadAttention({ dModel: 64, numHeads: 4, dV: 4, init: 'torch', seed: 1 }).W_O;
  const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(largest).toBeLessThan(1 / 4);
  expect(largest).toBeGreaterThan(0.98 / 4);
});
