import { describe, expect, test } from 'vitest';
import {
  attentionLogSumExp,
  CausalLM,
  crossEntropy,
  gelu,
  LayerNorm,
  Linear,
  layerNorm,
  logSoftmax,
  Matrix,
  MultiHeadAttention,
  type MultiHeadAttentionForwardOptions,
  type MultiHeadAttentionOptions,
  RMSNorm,
  relu,
  rmsNorm,
  SelfAttention,
  scaledDotProductAttention,
  silu,
  TransformerBlock,
  type TransformerBlockOptions,
  valueAndGrad,
} from '../../src/index.js';
import { expectClose } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

// A row that nobody attends to and no loss counts may hold anything: every gradient is what it is with numbers there, to
// the bit, and that of the row itself is exactly 0.

const { NaN: nan, POSITIVE_INFINITY, NEGATIVE_INFINITY } = Number;
const POISONS = [nan, POSITIVE_INFINITY, NEGATIVE_INFINITY];
const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const weighted = (m: Matrix) => m.multiply(normal(m.rows, m.cols, 99)).sum();

interface Case {
  /** Fresh matrices in whose rows `hidden` there is poison. */
  inputs: () => Matrix[];
  hidden: readonly number[];
  modules?: { parameters(): Matrix[] }[];
  loss: (...inputs: Matrix[]) => Matrix;
}

/** Where in a hidden row the poison is. */
type Place = 'everywhere' | 'in one entry';

function gradientsOf({ inputs, hidden, modules = [], loss }: Case, poison: number, place: Place): [Matrix[], Matrix[]] {
  const given = inputs();
  for (const x of given) {
    for (const r of hidden) x.row(r).fill(poison, place === 'everywhere' ? 0 : x.cols - 1); // the last: not the first
  }
  const { value, gradients } = valueAndGrad(() => loss(...given));
  expect(Number.isFinite(value), `the loss is ${value}`).toBe(true);
  const dense = (x: Matrix) => {
    const found = gradients.get(x);
    if (found === undefined) throw new Error('no gradient');
    return found instanceof Matrix ? found : found.values;
  };
  return [given.map(dense), modules.flatMap((module) => module.parameters()).map(dense)];
}

/** Built anew for each run: the calls of a layer with dropout drop other weights. */
function check(build: () => Case, poison: number, place: Place): void {
  const one = build();
  const [cleanX, cleanW] = gradientsOf(build(), 0.5, place);
  const [gotX, gotW] = gradientsOf(one, poison, place);
  gotX.forEach((found, i) => {
    expectClose(found.data, cleanX[i].data, 0, `input ${i}`);
    for (const r of one.hidden) expectClose(found.row(r), new Float32Array(found.cols), 0, `row ${r} of input ${i}`);
  });
  gotW.forEach((found, i) => {
    expect(found.data.every(Number.isFinite)).toBe(true);
    expectClose(found.data, cleanW[i].data, 0, `parameter ${i}`); // to the bit, but for the sign of 0
  });
}

const WIDE = { dModel: 8, numHeads: 2, seed: 3 };
const x = normal(3, 8, 1);
const keyMask = Uint8Array.of(1, 0, 1, 1, 0);
const HIDDEN = [1, 4];

function cross(
  options: Partial<MultiHeadAttentionOptions>,
  call: MultiHeadAttentionForwardOptions = { keyMask },
  hidden: readonly number[] = HIDDEN,
): () => Case {
  return () => {
    const layer = new MultiHeadAttention({ ...WIDE, ...options });
    const loss = (context: Matrix) => weighted(layer.forward(x, { ...call, context }));
    return { inputs: () => [normal(5, 8, 2)], hidden, modules: [layer], loss };
  };
}

function block(options: Partial<TransformerBlockOptions>): () => Case {
  return () => {
    const layer = new TransformerBlock({ ...WIDE, dHidden: 6, ...options });
    const counted = (y: Matrix) => Matrix.concatRows([y.sliceRows(0, 1), y.sliceRows(2, 4)]);
    const loss = (z: Matrix) => weighted(counted(layer.forward(z, { keyMask })));
    return { inputs: () => [normal(5, 8, 2)], hidden: HIDDEN, modules: [layer], loss };
  };
}

const ofRows = (f: (z: Matrix) => Matrix): (() => Case) => {
  const loss = (z: Matrix) => weighted(f(z).sliceRows(0, 3));
  return () => ({ inputs: () => [normal(5, 4, 2)], hidden: [3, 4], loss });
};

/** The same with matrices whose gradients count, too. */
const withOthers = (others: Matrix[], f: (z: Matrix, ...others: Matrix[]) => Matrix): (() => Case) => {
  return () => ({ ...ofRows((z) => f(z, ...others))(), modules: [{ parameters: () => others }] });
};

const unseen = Uint8Array.from({ length: 15 }, (_, i) => keyMask[i % 5]);
const CASES: Record<string, () => Case> = {
  'a context behind keyMask': cross({}),
  'a context behind keyMask, with biases and rope': cross({ bias: true, rope: true }),
  'a context behind keyMask, grouped heads, softcap and sinks': cross({ numKvHeads: 1, softcap: 2, sinks: true }),
  'a context behind keyMask, extra keys': cross({ addBiasKeyValue: true, addZeroAttention: true }),
  'a context behind a mask': cross({}, { mask: unseen }),
  'a context behind a bias of −∞': cross(
    {},
    {
      bias: Matrix.from(Array.from({ length: 3 }, () => Array.from(keyMask, (flag) => (flag ? 0 : NEGATIVE_INFINITY)))),
    },
  ),
  'a context beyond top-left causal': cross({ causal: 'top-left' }, {}, [3, 4]),
  'a context beyond a window': cross({ window: [0, 0] }, {}, [0, 1]),
  'a context behind keyMask, dropout': cross({ dropout: 0.5 }),
  'a context of keys and values of other widths': () => {
    const layer = new MultiHeadAttention({ ...WIDE, kDim: 3, vDim: 5 });
    const loss = (key: Matrix, value: Matrix) => weighted(layer.forward(x, { context: { key, value }, keyMask }));
    return { inputs: () => [normal(5, 3, 1), normal(5, 5, 2)], hidden: HIDDEN, modules: [layer], loss };
  },
  'a context behind keyMask, a pattern that a hook replaced': () => {
    const layer = new MultiHeadAttention({ ...WIDE, numHeads: 4, numKvHeads: 2, rope: true });
    layer.addHook('hook_pattern', (pattern) => pattern.scale(2), { heads: [0, 1] });
    layer.addHook('hook_attn_scores', (scores) => scores.add(scores.scale(0.5)), { heads: [2] });
    layer.addHook('hook_k', (k) => k.scale(0.5), { heads: [0] });
    const loss = (context: Matrix) => weighted(layer.forward(x, { context, keyMask }));
    return { inputs: () => [normal(5, 8, 2)], hidden: HIDDEN, modules: [layer], loss };
  },
  'a context that an encoder made, behind keyMask': () => {
    const modules = [
      new Linear(4, 8, { bias: true, seed: 1 }),
      new LayerNorm(8),
      new Linear(8, 8, { seed: 2 }),
      new RMSNorm(8),
      new MultiHeadAttention(WIDE),
    ] as const;
    const [up, norm, down, rms, layer] = modules;
    const loss = (z: Matrix) => {
      const context = rms.forward(down.forward(gelu(norm.forward(up.forward(z)))));
      return weighted(layer.forward(x, { context, keyMask }));
    };
    return { inputs: () => [normal(5, 4, 2)], hidden: HIDDEN, modules: [...modules], loss };
  },
  'another sequence of a batch': () => {
    const layer = new MultiHeadAttention({ ...WIDE, rope: true, bias: true });
    const loss = (z: Matrix) => weighted(layer.forward(z, { cuSeqlens: [0, 3, 5] }).sliceRows(0, 3));
    return { inputs: () => [normal(5, 8, 2)], hidden: [3, 4], modules: [layer], loss };
  },
  'rows of x that are padding, whose results do not count': () => {
    const layer = new SelfAttention({ ...WIDE, bias: true, alibi: true, dropout: 0.3 });
    const loss = (z: Matrix) => weighted(layer.forward(z, { keyMask, seed: 5 }).sliceRows(2, 4));
    return { inputs: () => [normal(5, 8, 2)], hidden: HIDDEN, modules: [layer], loss };
  },
  'rows of x that are padding and attend to themselves': () => {
    const layer = new MultiHeadAttention({ ...WIDE, bias: true, sinks: true });
    const mask = Uint8Array.from({ length: 50 }, (_, at) => {
      const [i, j] = [Math.floor(at / 5) % 5, at % 5];
      return Number(i === j || (keyMask[i] === 1 && keyMask[j] === 1));
    });
    const bias = new Matrix(5, 5);
    for (const j of HIDDEN) bias.row(j).fill(nan);
    const loss = (z: Matrix) => weighted(layer.forward(z, { mask, bias }).sliceRows(2, 4));
    return { inputs: () => [normal(5, 8, 2)], hidden: HIDDEN, modules: [layer], loss };
  },
  'padding at the end of a causal sequence': () => {
    const layer = new MultiHeadAttention({ ...WIDE, causal: true, rope: true });
    layer.addHook('hook_pattern', (pattern) => pattern.scale(2), { heads: [1] });
    const loss = (z: Matrix) => weighted(layer.forward(z).sliceRows(0, 3));
    return { inputs: () => [normal(5, 8, 2)], hidden: [3, 4], modules: [layer], loss };
  },
  'a block: pre, layer norm, gelu': block({ activation: 'gelu', bias: true }),
  'a block: post, layer norm, relu': block({ activation: 'relu', normPlacement: 'post' }),
  'a block: pre, rms norm, swiglu': block({ activation: 'swiglu', norm: 'rms', rope: true }),
  'a block: post, rms norm, silu, dropout': block({
    activation: 'silu',
    norm: 'rms',
    normPlacement: 'post',
    dropout: 0.3,
  }),
  'tokens of a model that the targets leave out': () => {
    const model = new CausalLM({
      vocabularySize: 6,
      dModel: 8,
      numLayers: 2,
      numHeads: 2,
      positions: 'sinusoidal',
      seed: 1,
    });
    const { table } = model.embedding;
    const loss = (pad: Matrix) => {
      table.row(5).set(pad.data);
      const value = crossEntropy(model.forward([1, 3, 2, 5, 5]), [3, 2, 5, -100, -100]);
      return value.add(pad.sliceRows(1).sum()); // so that pad has a gradient
    };
    return { inputs: () => [normal(1, 8, 3)], hidden: [0], modules: [model], loss };
  },
  // Operations by themselves.
  matmul: withOthers([normal(4, 3, 1)], (z, w) => z.matmul(w)),
  'matmul, transposeA': withOthers([normal(4, 3, 1)], (z, w) => z.transpose().matmul(w, { transposeA: true })),
  'matmul, transposeB': withOthers([normal(3, 4, 1)], (z, w) => z.matmul(w, { transposeB: true })),
  'matmul, both': withOthers([normal(3, 4, 1)], (z, w) =>
    z.transpose().matmul(w, { transposeA: true, transposeB: true }),
  ),
  // z as the columns of the product, of which the last two do not count.
  'matmul, columns': withOthers([normal(3, 4, 1)], (z, w) => w.matmul(z.transpose()).transpose()),
  'matmul, columns, transposeA': withOthers([normal(4, 3, 1)], (z, w) =>
    w.matmul(z.transpose(), { transposeA: true }).transpose(),
  ),
  'matmul, columns, transposeB': withOthers([normal(3, 4, 1)], (z, w) => w.matmul(z, { transposeB: true }).transpose()),
  'matmul, columns, both': withOthers([normal(4, 3, 1)], (z, w) =>
    w.matmul(z, { transposeA: true, transposeB: true }).transpose(),
  ),
  softmax: ofRows((z) => z.softmax()),
  logSoftmax: ofRows((z) => logSoftmax(z)),
  layerNorm: ofRows((z) => layerNorm(z)),
  'layerNorm with gain and bias': withOthers([normal(1, 4, 1), normal(1, 4, 3)], (z, g, b) => layerNorm(z, g, b)),
  'layerNorm without epsilon': withOthers([normal(1, 4, 1)], (z, g) => layerNorm(z, g, undefined, { epsilon: 0 })),
  rmsNorm: ofRows((z) => rmsNorm(z)),
  'rmsNorm with gain': withOthers([normal(1, 4, 1)], (z, g) => rmsNorm(z, g)),
  multiply: ofRows((z) => z.multiply(z)),
  'multiply by a row': withOthers([normal(1, 4, 1)], (z, w) => z.multiply(w)),
  divide: withOthers([normal(5, 4, 1)], (z, w) => w.divide(z)),
  'divide by a row': withOthers([normal(1, 4, 1)], (z, w) => z.divide(w)),
  exp: ofRows((z) => z.exp()),
  log: ofRows((z) => z.multiply(z).log()),
  sqrt: ofRows((z) => z.multiply(z).sqrt()),
  tanh: ofRows((z) => z.tanh()),
  relu: ofRows((z) => relu(z)),
  gelu: ofRows((z) => gelu(z)),
  'gelu, tanh': ofRows((z) => gelu(z, { approximate: 'tanh' })),
  silu: ofRows((z) => silu(z)),
  attention: ofRows((z) => scaledDotProductAttention(z, z, z, { numHeads: 2, causal: true })),
  'attention, a mask a head': withOthers([normal(10, 5, 1), normal(1, 2, 3)], (z, bias, sinks) => {
    const mask = Uint8Array.from({ length: 50 }, (_, at) => Number(at % 5 < 3 || at % 25 >= 15));
    return scaledDotProductAttention(z, z, z, { numHeads: 2, mask, bias, sinks });
  }),
  // Scores that are finite whatever q and k hold.
  'attention, softcap': ofRows((z) => scaledDotProductAttention(z, z, z, { numHeads: 2, causal: true, softcap: 2 })),
  'attention, softcap, queries': withOthers([normal(5, 4, 1)], (z, k) =>
    scaledDotProductAttention(z, k, k, { softcap: 2 }),
  ),
  'attention, softcap, keys': withOthers([normal(5, 4, 1)], (z, q) =>
    scaledDotProductAttention(q, z, z, { causal: true, softcap: 2 }),
  ),
  'attentionLogSumExp, softcap': ofRows((z) => attentionLogSumExp(z, z, { numHeads: 2, causal: true, softcap: 2 })),
  attentionLogSumExp: ofRows((z) => attentionLogSumExp(z, z, { numHeads: 2, causal: true })),
};

forEachTwin(() => {
  describe('gradients do not see what hidden rows hold:', () => {
    test.each(Object.keys(CASES).flatMap((title) => POISONS.map((poison) => [title, poison] as const)))(
      '%s, %s',
      (title, poison) => {
        check(CASES[title], poison, 'everywhere');
        check(CASES[title], poison, 'in one entry');
      },
    );

    test.each([false, true])('nor what one entry of a hidden row holds, transposeB %s', (transposeB) => {
      for (let c = 0; c < 4; c++) {
        const [z, w] = [normal(5, 4, 1), transposeB ? normal(2, 4, 2) : normal(4, 2, 2)];
        z.set(4, c, nan);
        const { gradients } = valueAndGrad(() => weighted(z.matmul(w, { transposeB }).sliceRows(0, 3)));
        expect((gradients.get(w) as Matrix).data.every(Number.isFinite), `column ${c}`).toBe(true);
      }
    });

    test('an affine layer with one row of NaN that counts has NaN in its gradient', () => {
      const layer = new Linear(4, 2, { seed: 1 });
      const z = normal(3, 4, 1);
      z.row(1).fill(nan);
      const { gradients } = valueAndGrad(() => weighted(layer.forward(z)));
      expect((gradients.get(layer.W) as Matrix).data.every(Number.isNaN)).toBe(true);
    });
  });
});
