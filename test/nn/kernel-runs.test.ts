import { describe, expect, it, vi } from 'vitest';

vi.mock('../../src/kernels/state.js', async (original) =>
  (await import('../support/recording.js')).recording(original as never),
);

import {
  CausalLM,
  crossEntropy,
  Embedding,
  gelu,
  KVCache,
  layerNorm,
  logSoftmax,
  Matrix,
  type Module,
  MultiHeadAttention,
  noGrad,
  rmsNorm,
  SelfAttention,
  scaledDotProductAttention,
  TransformerBlock,
  valueAndGrad,
} from '../../src/index.js';
import type { AttentionProblem } from '../../src/kernels/attention-problem.js';
import { BACKWARD, countsOf, runsOf } from '../support/recording.js';
import { forEachTwin } from '../support/twins.js';

// What a call costs in products and attentions, whatever the kernels.

const LAYERS = 3;
const SIZES = { dModel: 8, numHeads: 2, seed: 1 };
const x = Matrix.randomNormal(6, 8, { seed: 1 });
const attention = (options = {}) => new MultiHeadAttention({ ...SIZES, ...options });
const block = (options = {}) => new TransformerBlock({ ...SIZES, dHidden: 16, ...options });
const model = () => new CausalLM({ ...SIZES, vocabularySize: 7, numLayers: LAYERS, capacity: 12 });

/** The products and attentions of a call of f, forward and back. */
const costOf = (f: () => unknown) => countsOf(['gemm', 'attention', 'attentionBackward'], f);
const forward = (gemm: number, attention: number) => ({ gemm, attention, attentionBackward: 0 });
/** Back again, a product is two: one for each of its factors. */
const andBack = (gemm: number, attention: number) => ({ gemm: 3 * gemm, attention, attentionBackward: attention });

const EVERYTHING = { numKvHeads: 1, bias: true, rope: true, sinks: true, window: 2, causal: true, dropout: 0.5 };

/** A layer, and the products of its forward: it makes one attention. */
const LAYER_PRODUCTS: [layer: string, products: number, make: () => Module & { forward(x: Matrix): Matrix }][] = [
  ['SelfAttention: Q, K, V', 3, () => new SelfAttention(SIZES)],
  ['MultiHeadAttention: Q, K, V, O', 4, attention],
  ['with shared keys, biases, rope, sinks, a window and dropout', 4, () => attention(EVERYTHING)],
  ['with keys of its own', 4, () => attention({ addZeroAttention: true, addBiasKeyValue: true })],
  ['TransformerBlock: its attention, W_1, W_2', 6, block],
  ['with a gate: W_3 too', 7, () => block({ activation: 'swiglu', norm: 'rms' })],
];

/** All the products of a model: those of its layers, and its head. */
const OF_MODEL = 6 * LAYERS + 1;

forEachTwin(() => {
  describe('a layer is one attention and no product more than it has weights', () => {
    it.each(LAYER_PRODUCTS)('%s', (_, products, make) => {
      const layer = make();
      expect(costOf(() => layer.forward(x))).toEqual(forward(products, 1));
      expect(costOf(() => valueAndGrad(() => layer.forward(x).sum()))).toEqual(andBack(products, 1));
    });
  });

  it('a packed batch is one call, which is given every sequence', () => {
    const layer = attention();
    const cuSeqlens = [0, 1, 3, 6];
    const call = () => layer.forward(x, { cuSeqlens });
    expect(costOf(call)).toEqual(forward(4, 1));
    expect(costOf(() => valueAndGrad(() => call().sum()))).toEqual(andBack(4, 1));
    const [{ args }] = runsOf(call).filter(({ name }) => name === 'attention');
    expect([...(args[0] as AttentionProblem).cuSeqlens]).toEqual(cuSeqlens);
    const lm = model();
    expect(costOf(() => lm.forward([1, 2, 3, 4, 5, 6], { cuSeqlens }))).toEqual(forward(OF_MODEL, LAYERS));
  });

  it('a model is one attention per layer, and one attentionBackward per layer back', () => {
    const lm = model();
    const loss = () => crossEntropy(lm.forward([1, 2, 3]), [2, 3, 4]);
    expect(costOf(loss)).toEqual(forward(OF_MODEL, LAYERS));
    expect(costOf(() => valueAndGrad(loss))).toEqual(andBack(OF_MODEL, LAYERS));
  });

  it('a prefill is one attention per layer, and so is a step, of a ring too', () => {
    const lm = model();
    for (const caches of [lm.createCaches(), lm.createCaches({ capacity: 3, mode: 'ring' })]) {
      expect(costOf(() => lm.step([1, 2, 3, 4, 5], caches))).toEqual(forward(OF_MODEL, LAYERS));
      expect(costOf(() => lm.step([6], caches))).toEqual(forward(OF_MODEL, LAYERS));
    }
    const cache = new KVCache({ capacity: 6, dK: 8 });
    cache.append(x, x);
    expect(costOf(() => cache.attend(x))).toEqual(forward(0, 1));
  });

  it('sequences that step together share their products; each attends to its own cache', () => {
    const lm = model();
    const caches = [lm.createCaches(), lm.createCaches()];
    expect(costOf(() => lm.step([1, 2, 3, 4], caches))).toEqual(forward(OF_MODEL, 2 * LAYERS));
    expect(costOf(() => lm.step([5, 6], caches))).toEqual(forward(OF_MODEL, 2 * LAYERS));
  });

  it('a hook that watches the scores leaves the one attention, one that changes them does without', () => {
    const scores = (hook: (scores: Matrix) => Matrix | undefined) => {
      const layer = attention();
      layer.addHook('hook_attn_scores', hook);
      return () => layer.forward(x);
    };
    expect(costOf(scores(() => undefined))).toEqual(forward(4, 1));
    expect(
      countsOf(
        ['attention'],
        scores((z) => z.scale(2)),
      ),
    ).toEqual({ attention: 0 });
  });

  it('outside valueAndGrad nothing of the backward is run; in it, all of it can be', () => {
    const row = Matrix.randomNormal(1, 8, { seed: 3 });
    const loss = () => {
      const every = [
        layerNorm(x, row, row),
        rmsNorm(x, row),
        gelu(x),
        x.softmax(),
        logSoftmax(x),
        x.add(row),
        x.maximum(row),
      ];
      const attended = every.map((m) => scaledDotProductAttention(m, x, x).sum());
      return attended.reduce((sum, one) => sum.add(one), crossEntropy(model().forward([1, 2]), [3, 4]));
    };
    const backwardOf = (f: () => unknown) => new Set(runsOf(f).map(({ name }) => name as (typeof BACKWARD)[0]));
    const table = Matrix.randomNormal(6, 8, { seed: 4 });
    const padded = Matrix.from([[Number.NaN], [1]]); // row 0 has no gradient: what the product gave back is looked at again
    const others = () => {
      const rows = new Embedding(6, 8, { seed: 1 }).forward([5, 0]).add(table.sliceRows(0, 2));
      return padded.matmul(table.sliceRows(0, 1)).sliceRows(1).sum().add(rows.mean());
    };
    const dense = new Embedding(6, 8, { seed: 1 });
    const tied = () => dense.forward([5, 0]).matmul(dense.table, { transposeB: true }).sum();
    const ran = backwardOf(() => valueAndGrad(() => loss().add(others()).add(tied())));
    expect(BACKWARD.filter((name) => !ran.has(name))).toEqual([]);
    const untaped = [
      ...backwardOf(loss),
      ...backwardOf(() => valueAndGrad(() => [new Matrix(1, 1), noGrad(loss)][0])),
      ...backwardOf(() => model().step([1, 2, 3], model().createCaches())),
    ];
    expect(untaped.filter((name) => BACKWARD.includes(name))).toEqual([]);
  });
});
