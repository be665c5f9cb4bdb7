import { describe, expect, it, vi } from 'vitest';

vi.mock('../../src/kernels/state.js', async (original) =>
  (await import('../support/sealed.js')).sealing(original as never),
);

import {
  attentionLogSumExp,
  attentionWeights,
  CausalLM,
  type CausalLMOptions,
  crossEntropy,
  customGradient,
  dropout,
  Embedding,
  Gradients,
  KVCache,
  layerNorm,
  logSoftmax,
  Matrix,
  type Module,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  meanSquaredError,
  noGrad,
  rmsNorm,
  rotary,
  SelfAttention,
  type SparseGradient,
  scaledDotProductAttention,
  sinusoidalPositions,
  TransformerBlock,
  unpack,
  valueAndGrad,
} from '../../src/index.js';
import type { Floats } from '../../src/kernels/contract.js';
import { elementwise } from '../../src/kernels/families.js';
import { table } from '../../src/kernels/state.js';
import { readersOf, sealed, unsealed } from '../support/sealed.js';
import { forEachTwin } from '../support/twins.js';

// Between kernels nobody reads a number: the same code must run where numbers live on another device.

/** The value of the loss is read where the scope ends. */
const EDGE = ['autograd/value-and-grad.ts'];

const sealedMatrix = ({ rows, cols, data }: Matrix) => new Matrix(rows, cols, sealed(data));
const sizes = { dModel: 8, numHeads: 2, seed: 1 };
const random = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const attention = (options: Partial<MultiHeadAttentionOptions> = {}) =>
  new MultiHeadAttention({ ...sizes, ...options });
const model = (options: Partial<CausalLMOptions> = {}) =>
  new CausalLM({ ...sizes, vocabularySize: 7, numLayers: 2, capacity: 12, dropout: 0.2, ...options });

interface Step {
  modules?: Module[];
  loss(x: Matrix): Matrix;
}
const ofLayer = (layer: Module & { forward(x: Matrix): Matrix }): Step => ({
  modules: [layer],
  loss: (x) => layer.forward(x).tanh().sum(),
});
const ofModel = (lm: CausalLM, ids = [1, 2, 3, 2], options = {}): Step => ({
  modules: [lm],
  loss: () => crossEntropy(lm.forward(ids, options), [2, 3, -100, 4], { labelSmoothing: 0.1 }),
});
const ofMatrix = (f: (x: Matrix) => Matrix): Step => ({ loss: (x) => f(x).mean() });
const hooked = (options: Partial<MultiHeadAttentionOptions>) => {
  const layer = attention(options);
  layer.addHook('hook_attn_scores', (scores) => scores.scale(0.5));
  layer.addHook('hook_pattern', (pattern) => pattern.scale(2), { heads: [1] });
  return layer;
};

const STEPS: Record<string, () => Step> = {
  SelfAttention: () => ofLayer(new SelfAttention({ ...sizes, bias: true, causal: true })),
  'MultiHeadAttention, RoPE, shared keys': () =>
    ofLayer(attention({ rope: true, numKvHeads: 1, bias: true, window: 2 })),
  'MultiHeadAttention, ALiBi, sinks, dropout': () =>
    ofLayer(attention({ alibi: true, sinks: true, dropout: 0.3, causal: true })),
  'MultiHeadAttention, extra keys': () =>
    ofLayer(attention({ addBiasKeyValue: true, addZeroAttention: true, causal: true })),
  'MultiHeadAttention, packed, its own mask and bias': () => {
    const [layer, bias] = [attention({ softcap: 3 }), random(5, 3, 9)];
    const options = { mask: new Uint8Array(15).fill(1, 2), bias, cuSeqlens: [0, 2, 5] };
    return { modules: [layer], loss: (x) => layer.forward(x, options).sum() };
  },
  'MultiHeadAttention, another context': () => {
    const [layer, context] = [attention(), random(3, 8, 9)];
    return { modules: [layer], loss: (x) => layer.forward(x, { context: sealedMatrix(context) }).sum() };
  },
  'MultiHeadAttention, hooks that change scores': () =>
    ofLayer(hooked({ softcap: 2, sinks: true, dropout: 0.3, numKvHeads: 1 })),
  'MultiHeadAttention, hooks and extra keys': () =>
    ofLayer(hooked({ addZeroAttention: true, causal: true, alibi: true })),
  'TransformerBlock, swiglu': () =>
    ofLayer(new TransformerBlock({ ...sizes, dHidden: 12, activation: 'swiglu', norm: 'rms', dropout: 0.1 })),
  'TransformerBlock, gelu': () =>
    ofLayer(new TransformerBlock({ ...sizes, dHidden: 12, activation: 'gelu', normPlacement: 'post' })),
  CausalLM: () => ofModel(model()),
  'CausalLM, tied, learned positions': () => ofModel(model({ positions: 'learned', tieEmbeddings: true })),
  'CausalLM, sinusoidal, packed': () =>
    ofModel(model({ positions: 'sinusoidal' }), [1, 2, 3, 2], { cuSeqlens: [0, 1, 4] }),
  'Embedding, twice': () => {
    const table = new Embedding(6, 8, { seed: 1, paddingIndex: 2 });
    return {
      modules: [table],
      loss: (x) =>
        table
          .forward([5, 2, 5])
          .add(table.forward([0, 1, 5]))
          .multiply(x.sliceRows(0, 3))
          .sum(),
    };
  },
  'slices and concatenations': () =>
    ofMatrix((x) =>
      Matrix.concatColumns([
        Matrix.concatRows([x.sliceRows(1, 3), x.sliceRows(0)]),
        Matrix.concatRows([x, x.sliceRows(3)]).sliceColumns(2, 5),
      ]),
    ),
  algebra: () =>
    ofMatrix((x) =>
      x
        .clone()
        .transpose()
        .matmul(x, { transposeB: false })
        .divide(random(8, 8, 2).exp())
        .subtract(random(1, 8, 3))
        .softmax(),
    ),
  'functions of entries': () => ofMatrix((x) => x.multiply(x).sqrt().add(x.exp().log()).scale(-1)),
  norms: () => ofMatrix((x) => layerNorm(x, random(1, 8, 4), random(1, 8, 5)).add(rmsNorm(x, random(1, 8, 6)))),
  losses: () => ofMatrix((x) => meanSquaredError(logSoftmax(x), dropout(x, 0.5, { seed: 1 }))),
  positions: () => ofMatrix((x) => rotary(x, { numHeads: 2 }).add(sinusoidalPositions(5, 8))),
  'log-sum-exp': () => ofMatrix((x) => attentionLogSumExp(x, x, { numHeads: 2, causal: true, sinks: random(1, 2, 7) })),
  'attention of packed sequences, unpacked': () =>
    ofMatrix((x) => Matrix.concatRows(unpack(scaledDotProductAttention(x, x, x, { cuSeqlens: [0, 2, 5] }), [0, 2, 5]))),
  'an operation of its own': () =>
    ofMatrix(
      customGradient(
        (x: Matrix) => x.scale(2),
        (dOut, [x]) => [dOut.multiply(x)],
      ),
    ),
  'rows of NaN without a gradient': () =>
    ofMatrix((x) => {
      const poisoned = Matrix.concatRows([x, x.scale(Number.NaN)]);
      const [gain, first] = [random(1, 8, 1), (m: Matrix) => m.sliceRows(0, 5)];
      const every = [
        poisoned.matmul(random(8, 8, 2)),
        layerNorm(poisoned, gain),
        rmsNorm(poisoned, gain),
        poisoned.multiply(poisoned),
      ];
      every.push(scaledDotProductAttention(poisoned, poisoned, poisoned, { causal: true, dropout: 0.1, seed: 2 }));
      return every.map(first).reduce((a, b) => a.add(b));
    }),
};

/** Every number that was found. */
function numbersIn(gradients: Gradients): number[][] {
  return [...gradients.entries()].map(([, found]) => {
    const { values, rows = [] } = 'values' in found ? found : { values: found };
    return [...rows, ...unsealed(values.data)];
  });
}

forEachTwin(({ name }) => {
  describe('a step of training', () => {
    it.each(Object.keys(STEPS))('%s: the loss alone is read, and the numbers are as ever', (title) => {
      const [open, closed] = [STEPS[title](), STEPS[title]()];
      const x = random(5, 8, 8);
      const expected = valueAndGrad(() => open.loss(x));
      let found = { value: Number.NaN, gradients: new Gradients(new Map()) };
      const readers = readersOf(closed.modules ?? [], () => {
        found = valueAndGrad(() => closed.loss(sealedMatrix(x)));
      });
      expect(readers).toEqual(EDGE);
      expect(found.value).toBe(expected.value);
      expect(numbersIn(found.gradients)).toEqual(numbersIn(expected.gradients));
    });
  });

  it('gradients are summed and scaled where they are, dense and by rows', () => {
    const lm = model({ tieEmbeddings: true });
    const step = (ids: number[]) => valueAndGrad(() => crossEntropy(lm.forward(ids), [1, 2])).gradients;
    const rows = (ids: number[]) => valueAndGrad(() => lm.embedding.forward(ids).sum()).gradients;
    const readers = readersOf([lm], () =>
      step([1, 2])
        .add(step([3, 4]))
        .add(rows([1, 5]).add(rows([5, 6])))
        .scale(0.5),
    );
    expect(readers).toEqual([...EDGE, ...EDGE, ...EDGE, ...EDGE]);
  });

  it.runIf(name !== 'float64')('a cache is filled and read, full, turned over, forked and put back', () => {
    const layer = attention({ rope: true, alibi: true });
    const readers = readersOf([layer], () => {
      for (const options of [{}, { mode: 'ring' }, { mode: 'ring', sinkTokens: 1 }] as const) {
        const cache = layer.createCache({ capacity: 6, ...options });
        for (const rows of [4, 1, 1, options.mode === 'ring' ? 3 : 0])
          layer.step(sealedMatrix(random(rows, 8, rows)), cache);
        const fork = cache.fork();
        expect(() =>
          valueAndGrad(() => layer.step(sealedMatrix(random(2, 8, 3)), fork, { mask: 1 } as never)),
        ).toThrow();
        expect(fork.length).toBe(cache.length);
        noGrad(() => layer.step(sealedMatrix(random(options.mode ? 1 : 0, 8, 5)), fork));
        // Thrown once the rows are appended: a full ring puts back those that they took the places of.
        const remove = layer.addHook('hook_z', () => {
          throw new Error('after the append');
        });
        if (options.mode === 'ring') {
          expect(() => layer.step(sealedMatrix(random(2, 8, 6)), fork)).toThrow('after the append');
        }
        remove();
      }
      const cache = new KVCache({ capacity: 3, dK: 8, mode: 'ring' });
      cache.append(sealedMatrix(random(5, 8, 1)), sealedMatrix(random(5, 8, 2)));
      cache.attend(sealedMatrix(random(2, 8, 3)));
    });
    expect(readers).toEqual([]);
  });

  it('weights and the largest entries are looked for by kernels', () => {
    const x = random(5, 8, 1);
    const readers = readersOf([], () => {
      attentionWeights(sealedMatrix(x), sealedMatrix(x), { numHeads: 2, rows: [0, 3], causal: true });
      expect(sealedMatrix(x).argmax()).toEqual(x.argmax());
    });
    expect(readers).toEqual([]);
  });

  it('a number that is read is noticed', () => {
    const peeking = (x: Matrix) => (x.data[0] > 0 ? x : x.scale(2)).sum();
    expect(readersOf([], () => valueAndGrad(() => peeking(sealedMatrix(random(2, 2, 1)))))).toEqual([
      'a test',
      ...EDGE,
    ]);
    const first = customGradient(
      (x: Matrix) => x.sum(),
      (dOut) => [Matrix.zeros(dOut.data[0] + 1, 2)],
    );
    expect(readersOf([], () => valueAndGrad(() => first(sealedMatrix(random(2, 2, 1)))))).toEqual(['a test', ...EDGE]);
    const dense = (found?: Matrix | SparseGradient) => (found as Matrix).data.slice();
    const x = sealedMatrix(random(2, 2, 1));
    expect(readersOf([], () => dense(valueAndGrad(() => x.sum()).gradients.get(x)))).toEqual([...EDGE, 'a test']);
  });

  it('a table is filled by the host until a kernel has it, and read by kernels alone', () => {
    const { scale } = elementwise();
    const made = (change: (filled: Floats) => unknown) => () => {
      const filled = table(3).fill(1);
      filled.subarray(1).fill(2);
      filled[2] = 3;
      change(filled);
    };
    expect(
      readersOf(
        [],
        made((filled) => [filled.length, scale(filled, 2)]),
      ),
    ).toEqual([]);
    expect(
      readersOf(
        [],
        made((filled) => filled[0]),
      ),
    ).toEqual(['a test']);
    expect(
      readersOf(
        [],
        made((filled) => filled.slice()),
      ),
    ).toEqual(['a test']);
    expect(
      readersOf(
        [],
        made((filled) => {
          scale(filled, 2);
          filled[0] = 4;
          filled.subarray(1).fill(4);
        }),
      ),
    ).toEqual(['a test', 'a test']);
  });
});
