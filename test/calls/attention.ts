import {
  attentionLogSumExp,
  attentionWeights,
  Matrix,
  SelfAttention,
  type SelfAttentionOptions,
  scaledDotProductAttention,
} from '../../src/index.js';
import { attentionUses, HEADS, plainPacked } from './attention-uses.js';
import { biasUses, type Callables, missing, type Uses, uses } from './callable.js';
import { batch, dropping } from './fixtures.js';
import { type PlainAttention, type PlainOptions, pickRows, plainAffine, sample, stack } from './plain.js';

const q = sample(3, 4, 1);
const k = sample(5, 2, 2);
const v = sample(5, 2, 3);

/** What only the drawing of weights to drop sees, where nothing is dropped. */
const BEFORE_DROPOUT = {
  dropout: [{ value: 0.5, base: { seed: 3 }, unchanged: 'taken before dropout', wrong: 1.5 }],
  seed: [{ value: 3, base: { dropout: 0.5 }, unchanged: 'taken before dropout', wrong: -1 }],
};

const WEIGHTS_OPTIONS = (weightsOf: (plain?: PlainOptions) => PlainAttention) => ({
  stage: [
    { value: 'scaledScores' as const, expected: () => weightsOf().scaledScores },
    { value: 'softcapped' as const, base: { softcap: 0.5 }, expected: () => weightsOf({ softcap: 0.5 }).softcapped },
    {
      value: 'masked' as const,
      base: { causal: 'top-left' as const },
      expected: () => weightsOf({ mayAttend: (_, i, j) => j <= i }).masked,
    },
  ],
  heads: [
    { value: [1], expected: () => [weightsOf().weights[1]] },
    { value: [1, 0, 1], expected: () => [1, 0, 1].map((h) => weightsOf().weights[h]) },
  ],
  rows: [{ value: [2, 0], expected: () => weightsOf().weights.map((w) => pickRows(w, [2, 0])) }],
});

const x = sample(5, 4, 4);
const LAYER: SelfAttentionOptions = { dModel: 4, numHeads: 2, numKvHeads: 1, dK: 2, dV: 2, seed: 5 };

/** A layer whose biases, where it has any, show: they start at 0. */
function layer(options: SelfAttentionOptions = LAYER): SelfAttention {
  const built = new SelfAttention(options);
  for (const bias of [built.b_Q, built.b_K, built.b_V]) bias?.data.fill(0.5);
  return built;
}

/** Q, K and V of a layer, in float64. */
function projected({ W_Q, W_K, W_V, b_Q, b_K, b_V }: SelfAttention) {
  return [plainAffine(x, W_Q, b_Q), plainAffine(x, W_K, b_K), plainAffine(x, W_V, b_V)] as const;
}

const ofLayer = projected(layer());

/** The trace keeps the steps of all heads below one another. */
function traced({ q, k, v, output, ...steps }: PlainAttention) {
  const [scores, scaledScores, weights] = [steps.scores, steps.scaledScores, steps.weights].map(stack);
  return { q, k, v, scores, scaledScores, weights, output };
}

const REFUSED = 'trace shows one sequence';

/** What forward gives for a layer of other sizes than LAYER. */
function forwardOf(options: SelfAttentionOptions, plain: PlainOptions = {}) {
  return plainPacked(...projected(layer(options)), plain).output;
}

const SIZES: Partial<Uses<SelfAttentionOptions>> = {
  dModel: [{ value: 4, base: { dModel: missing }, needed: true }],
  numHeads: [
    {
      value: 2,
      base: { dModel: 4, numHeads: undefined, numKvHeads: undefined },
      expected: (options) => forwardOf(options, { numHeads: 2, numKvHeads: 2 }),
    },
  ],
  numKvHeads: [{ value: 1, base: { dModel: 4, numKvHeads: undefined }, expected: (options) => forwardOf(options) }],
  dK: [{ value: 3, base: { dModel: 4, dK: undefined }, expected: (options) => forwardOf(options) }],
  dV: [{ value: 3, base: { dModel: 4, dV: undefined }, expected: (options) => forwardOf(options) }],
  ...biasUses(['b_Q', 'b_K', 'b_V'], LAYER, (options) => forwardOf(options)),
  dropout: [{ value: 0.5 }, { value: 1, expected: () => new Matrix(5, 4) }],
  init: [{ value: 'torch' }],
  seed: [{ value: 6 }],
};

const { scale, causal, causalOffset, window, mask, keyMask, softcap, alibi, sinks, cuSeqlens, cuSeqlensK } =
  attentionUses(ofLayer, (steps) => steps.output) as Partial<Uses<SelfAttentionOptions>>;

export const attention: Callables = {
  'new SelfAttention': {
    works: () => ({ args: [{ dModel: 4 }] }),
    options: uses(LAYER, (options) => layer(options).forward(x), {
      ...SIZES,
      ...{ scale, causal, causalOffset, window, mask, keyMask, softcap, alibi, sinks, cuSeqlens, cuSeqlensK },
    }),
  },
  'SelfAttention.forward': {
    works: () => ({ self: dropping.selfAttention(), args: [batch(), {}] }),
    options: uses(
      {},
      (options) => layer().forward(x, options),
      attentionUses(ofLayer, (steps) => steps.output),
    ),
  },
  'SelfAttention.attentionWeights': {
    works: () => ({ self: dropping.selfAttention(), args: [batch(), {}] }),
    options: uses({}, (options) => layer().attentionWeights(x, options), {
      ...attentionUses(ofLayer, (steps) => steps.weights, BEFORE_DROPOUT),
      ...WEIGHTS_OPTIONS((plain) => plainPacked(...ofLayer, plain)),
    }),
  },
  'SelfAttention.trace': {
    works: () => ({ self: dropping.selfAttention(), args: [batch(), {}] }),
    options: uses(
      {},
      (options) => layer().trace(x, options),
      attentionUses(ofLayer, traced, {
        ...BEFORE_DROPOUT,
        cuSeqlens: [{ value: [0, 2, 5], refused: REFUSED }],
        cuSeqlensK: [{ value: [0, 2, 5], refused: REFUSED }],
      }),
    ),
  },
  attentionLogSumExp: {
    works: () => ({ args: [batch(), batch(), {}] }),
    options: uses(
      HEADS,
      (options) => attentionLogSumExp(q, k, options),
      attentionUses([q, k, v], (steps) => steps.logSumExp, BEFORE_DROPOUT),
    ),
  },
  attentionWeights: {
    works: () => ({ args: [batch(), batch(), {}] }),
    options: uses(HEADS, (options) => attentionWeights(q, k, options), {
      ...attentionUses([q, k, v], (steps) => steps.weights, BEFORE_DROPOUT),
      ...WEIGHTS_OPTIONS((plain) => plainPacked(q, k, v, plain)),
    }),
  },
  scaledDotProductAttention: {
    works: () => ({ args: [batch(), batch(), batch(), { dropout: 0.5 }] }),
    options: uses(
      HEADS,
      (options) => scaledDotProductAttention(q, k, v, options),
      attentionUses([q, k, v], (steps) => steps.output, {
        dropout: [
          { value: 0.5, base: { seed: 3 } },
          { value: 1, expected: () => new Matrix(3, 4) },
        ],
      }),
    ),
  },
  // Packed batches.
  cuSeqlensFromLengths: () => ({ args: [[2, 3]] }),
  pack: () => ({ args: [[batch(), batch()]] }),
  unpack: () => ({ args: [Matrix.concatRows([batch(), batch()]), Int32Array.of(0, 5, 10)] }),
};
