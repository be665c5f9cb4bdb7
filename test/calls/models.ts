import {
  type Activation,
  type AttentionOptions,
  CausalLM,
  type CausalLMForwardOptions,
  type CausalLMOptions,
  FeedForward,
  type FeedForwardOptions,
  LearnedPositions,
  type LearnedPositionsOptions,
  Matrix,
  sinusoidalPositions,
  TransformerBlock,
  type TransformerBlockForwardOptions,
  type TransformerBlockOptions,
} from '../../src/index.js';
import { attentionUses } from './attention-uses.js';
import { biasUses, type Callables, missing, optioned, type Use, type Uses, uses } from './callable.js';
import { batch, dropping, MODEL_SIZES } from './fixtures.js';
import { plainAffine, plainNorm, rowsOf, sample, table } from './plain.js';
import {
  type PlainBlockOptions,
  plainBlock,
  plainCausalLM,
  plainFeedForward,
  plainProjections,
} from './plain-model.js';

const ALL_BIASES = ['b_Q', 'b_K', 'b_V', 'b_O', 'b_1', 'b_2', 'b_3'];
const x = sample(5, 4, 4);

// FeedForward.

const FEED: FeedForwardOptions = { dModel: 4, dHidden: 6, seed: 5 };

/** A part whose biases, where it has any, show: they start at 0. */
function feedForward(options: FeedForwardOptions): FeedForward {
  return withBias(new FeedForward(options));
}

function withBias<T extends FeedForward | TransformerBlock['attention']>(part: T): T {
  for (const [name, parameter] of part.namedParameters()) if (/^b_/.test(name)) parameter.data.fill(0.5);
  return part;
}

function withNormBias<M extends TransformerBlock | CausalLM>(module: M): M {
  for (const [name, parameter] of module.namedParameters()) if (/norm\d?\.bias$/.test(name)) parameter.data.fill(0.5);
  return module;
}

/** Every activation, each against another. */
function activationUses<O extends { activation?: Activation }>(expected: (o: O) => unknown): Use<Activation, O>[] {
  return (['relu', 'gelu', 'gelu-tanh', 'silu', 'swiglu'] as const).map((value) => ({
    value,
    base: { activation: value === 'relu' ? 'silu' : undefined } as O,
    expected,
  }));
}

const feedOf = (o: FeedForwardOptions) => plainFeedForward(feedForward(o), x, o.activation);

// TransformerBlock.

const BLOCK: TransformerBlockOptions = { dModel: 4, numHeads: 2, numKvHeads: 1, dK: 2, dV: 2, dHidden: 6, seed: 5 };
const TURNED: TransformerBlockOptions = { ...BLOCK, dK: 4, rope: {} };

function block(options: TransformerBlockOptions = BLOCK): TransformerBlock {
  const built = new TransformerBlock(options);
  withBias(built.attention);
  withBias(built.feedForward);
  return built;
}

/** What is said of a layer in words, and does not show in its parameters. */
function inWords(o: Partial<TransformerBlockOptions | CausalLMOptions>): PlainBlockOptions {
  const { activation, epsilon, normPlacement, rope } = o;
  return { activation, epsilon, normPlacement, rope: rope === true ? {} : rope || undefined };
}

const blockOf = (o: TransformerBlockOptions, said: PlainBlockOptions = {}) =>
  plainBlock(block(o), x, { ...inWords(o), ...said });

/** The uses of AttentionOptions, as far as a block has them. */
const attention = (() => {
  const built = block();
  const projections = plainProjections(built, plainNorm(x, { isCentred: true }));
  return attentionUses(projections, ({ output }) => {
    const added = plainAffine(output, built.attention.W_O);
    const y = table(5, 4, (r, c) => x.get(r, c) + added.data[4 * r + c]);
    const fed = plainFeedForward(built.feedForward, plainNorm(y, { isCentred: true }));
    return table(5, 4, (r, c) => y.data[4 * r + c] + fed.data[4 * r + c]);
  });
})();

function ofEveryCall({ causal, window, alibi, softcap }: Partial<Uses<AttentionOptions>>) {
  const known = window?.filter(({ base }) => base?.causalOffset === undefined); // a block has no causalOffset
  return { causal, window: known, alibi, softcap } as Partial<Uses<TransformerBlockOptions>>;
}

function ofOneCall({ mask, bias, keyMask, cuSeqlens }: Partial<Uses<AttentionOptions>>) {
  return { mask, bias, keyMask, cuSeqlens } as Partial<Uses<TransformerBlockForwardOptions>>;
}

// CausalLM.

const ids = [3, 0, 5, 3, 1];
const MODEL: CausalLMOptions = { ...BLOCK, rope: undefined, vocabularySize: 6, numLayers: 2 };
const WIDE: CausalLMOptions = { ...MODEL, dK: 4, rope: {} };

function model(options: CausalLMOptions = MODEL): CausalLM {
  const built = new CausalLM(options);
  for (const { attention, feedForward } of built.layers) {
    withBias(attention);
    withBias(feedForward);
  }
  return built;
}

const logitsOf = (o: CausalLMOptions, said: PlainBlockOptions = {}) =>
  plainCausalLM(model(o), ids, { ...inWords(o), rope: o.rope ?? {}, ...said });

const LEARNED: CausalLMOptions = { ...MODEL, positions: 'learned', capacity: 8 };

function learnedOf(o: CausalLMOptions) {
  const built = model(o);
  return plainCausalLM(built, ids, {}, built.learnedPositions?.table.sliceRows(0, 5));
}

export const models: Callables = {
  'new FeedForward': {
    works: () => ({ args: [{ dModel: 4, dHidden: 6 }] }),
    options: uses(FEED, (o) => feedForward(o).forward(x), {
      dModel: [{ value: 4, base: { ...FEED, dModel: missing }, needed: true, expected: feedOf }],
      dHidden: [{ value: 6, base: { ...FEED, dHidden: missing }, needed: true, expected: feedOf }],
      activation: activationUses(feedOf),
      ...biasUses(['b_1', 'b_2', 'b_3'], { ...FEED, activation: 'swiglu' }, feedOf),
      dropout: [{ value: 0.5 }, { value: 1, expected: () => new Matrix(5, 4) }],
      init: [{ value: 'torch' }],
      seed: [{ value: 6 }],
    }),
  },
  'FeedForward.forward': () => ({ self: dropping.feedForward(), args: [batch()] }),
  'new LearnedPositions': optioned<LearnedPositionsOptions, LearnedPositions>(
    () => ({ args: [4, 3, { seed: 1 }] }),
    { seed: [{ value: 2 }] },
    (made) => made.table,
  ),
  'LearnedPositions.forward': () => ({ self: new LearnedPositions(6, 4), args: [[0, 5, 2]] }),
  'new TransformerBlock': {
    works: () => ({ args: [{ dModel: 4, numHeads: 2, dHidden: 6 }] }),
    options: [
      uses(BLOCK, (o) => block(o).forward(x), {
        ...ofEveryCall(attention),
        dModel: [{ value: 4, base: { ...BLOCK, dModel: missing }, needed: true, expected: blockOf }],
        numHeads: [{ value: 2, base: { ...BLOCK, numHeads: missing }, needed: true, expected: blockOf }],
        numKvHeads: [{ value: 1, base: { ...BLOCK, numKvHeads: undefined }, expected: blockOf }],
        dK: [{ value: 3, base: { ...BLOCK, dK: undefined }, expected: blockOf }],
        dV: [{ value: 3, base: { ...BLOCK, dV: undefined }, expected: blockOf }],
        dHidden: [{ value: 6, base: { ...BLOCK, dHidden: missing }, needed: true, expected: blockOf }],
        activation: activationUses((o) => blockOf(o as TransformerBlockOptions)),
        norm: [{ value: 'rms', expected: blockOf }],
        normPlacement: [{ value: 'post', expected: blockOf }],
        epsilon: [
          { value: 0.5, expected: blockOf },
          { value: 0.5, base: { ...BLOCK, norm: 'rms' }, expected: blockOf },
        ],
        ...biasUses(ALL_BIASES, { ...BLOCK, activation: 'swiglu' }, blockOf),
        rope: [
          { value: true, expected: blockOf },
          { value: { base: 100 }, expected: blockOf },
        ],
        'rope.base': [{ value: 100, base: TURNED, expected: blockOf }],
        'rope.dim': [{ value: 2, base: TURNED, expected: blockOf }],
        'rope.interleaved': [{ value: true, base: TURNED, expected: blockOf }],
        sinks: [{ value: true, expected: (o) => blockOf(o, { sinks: [0, 0] }) }],
        dropout: [{ value: 0.5 }, { value: 1, expected: () => x }],
        init: [{ value: 'torch' }],
        seed: [{ value: 6 }],
      }),
      uses(BLOCK, (o) => withNormBias(block(o)).forward(x), {
        normBias: [{ value: false, expected: blockOf }],
      }),
    ],
  },
  'TransformerBlock.forward': {
    works: () => ({ self: dropping.block(), args: [batch(), {}] }),
    options: [
      uses<TransformerBlockForwardOptions>({}, (o) => block().forward(x, o), {
        ...ofOneCall(attention),
      }),
      uses<TransformerBlockForwardOptions>({}, (o) => block(TURNED).forward(x, o), {
        positions: [{ value: [3, 0.5, 7, 1, 2], expected: ({ positions }) => blockOf(TURNED, { positions }) }],
      }),
    ],
  },
  'new CausalLM': {
    works: () => ({ args: [MODEL_SIZES] }),
    options: [
      uses(MODEL, (o) => model(o).forward(ids), {
        vocabularySize: [{ value: 6, base: { ...MODEL, vocabularySize: missing }, needed: true, expected: logitsOf }],
        dModel: [{ value: 4, base: { ...MODEL, dModel: missing }, needed: true, expected: logitsOf }],
        numLayers: [{ value: 3, base: { ...MODEL, numLayers: missing }, needed: true, expected: logitsOf }],
        numHeads: [{ value: 2, base: { ...MODEL, numHeads: missing }, needed: true, expected: logitsOf }],
        numKvHeads: [{ value: 1, base: { ...MODEL, numKvHeads: undefined }, expected: logitsOf }],
        dK: [{ value: 4, base: { ...MODEL, dK: undefined }, expected: logitsOf }],
        dV: [{ value: 3, base: { ...MODEL, dV: undefined }, expected: logitsOf }],
        dHidden: [{ value: 6, base: { ...MODEL, dHidden: undefined }, expected: logitsOf }],
        positions: [
          { value: 'learned', base: { ...MODEL, capacity: 8 }, expected: learnedOf },
          { value: 'sinusoidal', expected: (o) => plainCausalLM(model(o), ids, {}, sinusoidalPositions(5, 4)) },
          { value: 'rope', base: LEARNED, expected: logitsOf },
        ],
        rope: [{ value: { base: 2 }, base: { ...MODEL, dK: 4 }, expected: logitsOf }],
        'rope.base': [{ value: 2, base: WIDE, expected: logitsOf }],
        'rope.dim': [{ value: 2, base: WIDE, expected: logitsOf }],
        'rope.interleaved': [{ value: true, base: WIDE, expected: logitsOf }],
        capacity: [
          { value: 8, base: { ...LEARNED, capacity: undefined }, needed: true, expected: learnedOf },
          { value: 5, unchanged: 'a sequence of five tokens keeps the limit', wrong: 4 },
        ],
        tieEmbeddings: [{ value: true, expected: logitsOf }],
        activation: activationUses((o) => logitsOf(o as CausalLMOptions)),
        norm: [{ value: 'rms', expected: logitsOf }],
        normPlacement: [{ value: 'post', expected: logitsOf }],
        epsilon: [{ value: 0.5, expected: logitsOf }],
        ...biasUses(ALL_BIASES, { ...MODEL, activation: 'swiglu' }, logitsOf),
        window: [{ value: 1, expected: (o) => logitsOf(o, { mayAttend: (_, i, j) => i - 1 <= j && j <= i }) }],
        softcap: [{ value: 0.25, expected: (o) => logitsOf(o, { softcap: 0.25 }) }],
        sinks: [{ value: true, expected: (o) => logitsOf(o, { sinks: [0, 0] }) }],
        dropout: [{ value: 0.5 }, { value: 1, expected: () => new Matrix(5, 6) }],
        init: [{ value: 'torch' }],
        seed: [{ value: 6 }],
      }),
      uses(MODEL, (o) => withNormBias(model(o)).forward(ids), {
        normBias: [{ value: false, expected: logitsOf }],
      }),
    ],
  },
  'CausalLM.forward': {
    works: () => ({ self: new CausalLM({ ...MODEL_SIZES, dropout: 0.5, capacity: 8 }), args: [[0, 5, 2], {}] }),
    options: uses<CausalLMForwardOptions>({}, (o) => model().forward(ids, o), {
      cuSeqlens: [{ value: [0, 2, 5], expected: () => logitsOf(MODEL, { starts: [0, 2, 5] }) }],
      logits: [
        { value: 'last', expected: () => rowsOf(logitsOf(MODEL), 4, 5) },
        { value: 'all', base: { logits: 'last' }, expected: () => logitsOf(MODEL) },
      ],
    }),
  },
};
