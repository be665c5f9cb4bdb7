import {
  type AttentionOptions,
  Matrix,
  MultiHeadAttention,
  type MultiHeadAttentionForwardOptions,
  type MultiHeadAttentionOptions,
  type MultiHeadAttentionWeightsOptions,
} from '../../src/index.js';
import type { Table } from '../support/tensor.js';
import { attentionUses, plainPacked } from './attention-uses.js';
import { biasUses, type Callables, missing, type Uses, uses } from './callable.js';
import { batch, dropping } from './fixtures.js';
import { type PlainOptions, pickRows, plainAffine, plainRotary, sample, stack, table } from './plain.js';

const LAYER: MultiHeadAttentionOptions = { dModel: 4, numHeads: 2, numKvHeads: 1, dK: 2, dV: 2, seed: 5 };
const x = sample(5, 4, 4);
const context = sample(4, 4, 6);
const other = sample(4, 4, 7);

/** A layer whose biases, where it has any, show: they start at 0. */
function layer(options: MultiHeadAttentionOptions = LAYER): MultiHeadAttention {
  const built = new MultiHeadAttention(options);
  for (const bias of [built.b_Q, built.b_K, built.b_V, built.b_O]) bias?.data.fill(0.5);
  return built;
}

/** Q, K and V in float64. */
function projected({ W_Q, W_K, W_V, b_Q, b_K, b_V }: MultiHeadAttention, key: Table = x, value: Table = key) {
  return [plainAffine(x, W_Q, b_Q), plainAffine(key, W_K, b_K), plainAffine(value, W_V, b_V)] as const;
}

/** What forward gives for any layer: attention of its q, k, v, times W_O. */
function forwardOf(options: MultiHeadAttentionOptions, plain: PlainOptions = {}, key: Table = x, value: Table = key) {
  const built = layer(options);
  return plainAffine(plainPacked(...projected(built, key, value), plain).output, built.W_O, built.b_O);
}

/** The same with RoPE. */
function turnedOf(options: MultiHeadAttentionOptions, positions?: ArrayLike<number>) {
  const built = layer(options);
  const [q, k, v] = projected(built);
  const rope = { ...(typeof options.rope === 'object' ? options.rope : {}), positions };
  const turned = [plainRotary(q, { ...rope, numHeads: 2 }), plainRotary(k, { ...rope, numHeads: 1 }), v] as const;
  const steps = plainPacked(...turned);
  return { weights: steps.weights, output: plainAffine(steps.output, built.W_O, built.b_O) };
}

/** The same with one more key that every query may attend to. */
function withExtraKey(options: MultiHeadAttentionOptions, key: Table, value: Table) {
  const built = layer(options);
  const [q, k, v] = projected(built);
  return plainAffine(plainPacked(q, stack([k, key]), stack([v, value])).output, built.W_O);
}

const zeros = table(1, 2, () => 0);
const { W_O } = layer();
const fromUses = attentionUses(projected(layer()), (steps) => plainAffine(steps.output, W_O));
const weightUses = attentionUses(projected(layer()), (steps) => steps.weights);

function ofEveryCall({ causal, window, alibi, softcap }: Partial<Uses<AttentionOptions>>) {
  const known = window?.filter(({ base }) => base?.causalOffset === undefined); // the layer has no causalOffset
  return { causal, window: known, alibi, softcap } as Partial<Uses<MultiHeadAttentionOptions>>;
}

function ofOneCall({ mask, bias, keyMask, cuSeqlens, cuSeqlensK }: Partial<Uses<AttentionOptions>>) {
  return { mask, bias, keyMask, cuSeqlens, cuSeqlensK } as Partial<Uses<MultiHeadAttentionForwardOptions>>;
}

const TURNED: MultiHeadAttentionOptions = { ...LAYER, dK: 4, rope: {} };

const narrow = { key: sample(5, 3, 8), value: sample(5, 3, 9) };

const positions = [3, 0.5, 7, 1, 2];
const pair = { context: { key: context, value: context } };

const weightsOf = (key: Table) => plainPacked(...projected(layer(), key)).weights;
const visible = (i: number, j: number) => j <= i;
const mask = Uint8Array.from({ length: 25 }, (_, at) => Number(visible(Math.floor(at / 5), at % 5)));

const inContext = () => ({ context: { key: batch(), value: batch() } });

export const multiHead: Callables = {
  'new MultiHeadAttention': {
    works: () => ({ args: [{ dModel: 4, numHeads: 2 }] }),
    options: [
      uses(LAYER, (options) => layer(options).forward(x), {
        ...ofEveryCall(fromUses),
        dModel: [{ value: 4, base: { ...LAYER, dModel: missing }, needed: true }],
        numHeads: [
          {
            value: 2,
            base: { ...LAYER, numHeads: missing },
            needed: true,
            expected: forwardOf,
          },
        ],
        numKvHeads: [{ value: 1, base: { ...LAYER, numKvHeads: undefined }, expected: forwardOf }],
        dK: [{ value: 3, base: { ...LAYER, dK: undefined }, expected: forwardOf }],
        dV: [{ value: 3, base: { ...LAYER, dV: undefined }, expected: forwardOf }],
        ...biasUses(['b_Q', 'b_K', 'b_V', 'b_O'], LAYER, forwardOf),
        dropout: [{ value: 0.5 }, { value: 1, expected: () => new Matrix(5, 4) }],
        init: [{ value: 'torch' }],
        seed: [{ value: 6 }],
        rope: [
          { value: true, expected: (o) => turnedOf(o).output },
          { value: {}, expected: (o) => turnedOf(o).output },
        ],
        'rope.base': [{ value: 100, base: TURNED, expected: (o) => turnedOf(o).output }],
        'rope.dim': [{ value: 2, base: TURNED, expected: (o) => turnedOf(o).output }],
        'rope.interleaved': [{ value: true, base: TURNED, expected: (o) => turnedOf(o).output }],
        sinks: [{ value: true, expected: (o) => forwardOf(o, { sinks: [0, 0] }) }],
        addZeroAttention: [{ value: true, expected: (o) => withExtraKey(o, zeros, zeros) }],
        addBiasKeyValue: [
          {
            value: true,
            expected: (o) => {
              const { bias_K = zeros, bias_V = zeros } = layer(o);
              return withExtraKey(o, bias_K, bias_V);
            },
          },
        ],
      }),
      uses(LAYER, (o) => layer(o).forward(x, { context: { key: narrow.key, value: x } }), {
        kDim: [{ value: 3, needed: true, expected: (o) => forwardOf(o, {}, narrow.key, x) }],
      }),
      uses(LAYER, (o) => layer(o).forward(x, { context: { key: x, value: narrow.value } }), {
        vDim: [{ value: 3, needed: true, expected: (o) => forwardOf(o, {}, x, narrow.value) }],
      }),
    ],
  },
  'MultiHeadAttention.forward': {
    works: () => ({ self: dropping.multiHead(), args: [batch(), inContext()] }),
    options: [
      uses<MultiHeadAttentionForwardOptions>({}, (options) => layer().forward(x, options), {
        ...ofOneCall(fromUses),
        context: [{ value: context, expected: () => forwardOf(LAYER, {}, context) }],
        'context.key': [{ value: other, base: pair, expected: () => forwardOf(LAYER, {}, other, context) }],
        'context.value': [{ value: other, base: pair, expected: () => forwardOf(LAYER, {}, context, other) }],
      }),
      uses<MultiHeadAttentionForwardOptions>({}, (options) => layer(TURNED).forward(x, options), {
        positions: [{ value: positions, expected: () => turnedOf(TURNED, positions).output }],
      }),
    ],
  },
  'MultiHeadAttention.attentionWeights': {
    works: () => ({ self: dropping.multiHead(), args: [batch(), inContext()] }),
    options: [
      uses<MultiHeadAttentionWeightsOptions>({}, (options) => layer().attentionWeights(x, options), {
        ...ofOneCall(weightUses),
        context: [{ value: context, expected: () => weightsOf(context) }],
        'context.key': [{ value: other, base: pair, expected: () => weightsOf(other) }],
        'context.value': [
          { value: other, base: pair, unchanged: 'weights come from queries and keys', wrong: sample(4, 3, 1) },
        ],
        stage: [
          { value: 'scaledScores', expected: () => plainPacked(...projected(layer())).scaledScores },
          {
            value: 'masked',
            base: { mask },
            expected: () => plainPacked(...projected(layer()), { mayAttend: (_, i, j) => visible(i, j) }).masked,
          },
        ],
        heads: [{ value: [1, 0, 1], expected: () => [1, 0, 1].map((h) => weightsOf(x)[h]) }],
        rows: [{ value: [2, 0], expected: () => weightsOf(x).map((w) => pickRows(w, [2, 0])) }],
      }),
      uses<MultiHeadAttentionWeightsOptions>({}, (options) => layer(TURNED).attentionWeights(x, options), {
        positions: [{ value: positions, expected: () => turnedOf(TURNED, positions).weights }],
      }),
    ],
  },
};
