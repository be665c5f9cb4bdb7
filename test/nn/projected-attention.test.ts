import { describe, expect, it } from 'vitest';
import { xavierBound } from '../../src/core/random.js';
import { setSeed } from '../../src/kernels/state.js';
import { Matrix } from '../../src/matrix.js';
import { MultiHeadAttention } from '../../src/nn/multi-head-attention.js';
import { SelfAttention } from '../../src/nn/self-attention.js';

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
});
