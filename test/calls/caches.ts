import {
  type AttentionHookOptions,
  type CacheOptions,
  CausalLM,
  type CausalLMStepOptions,
  capabilities,
  type GenerateOptions,
  KVCache,
  type KVCacheAttendOptions,
  type KVCacheOptions,
  Matrix,
  MultiHeadAttention,
  type PermuteRotaryOptions,
  permuteRotary,
  type SamplingOptions,
  type StepOptions,
  sampler,
  TransformerBlock,
} from '../../src/index.js';
import { attentionUses, plainPacked } from './attention-uses.js';
import { type Callables, type GoodCall, missing, type Uses, uses } from './callable.js';
import { batch, dropping, onSteps } from './fixtures.js';
import { sample } from './plain.js';

const q = sample(3, 4, 1);
const k = sample(5, 2, 2);
const v = sample(5, 2, 3);

/** The oracle keeps 64 bits. */
const numbers = ({ byteLength }: KVCache) => byteLength / (capabilities().kernels === 'float64' ? 8 : 4);

function filled(options: KVCacheOptions, values = v): KVCache {
  const cache = new KVCache(options);
  cache.append(k, values);
  return cache;
}

const { causal, window, scale, mask, keyMask, bias, softcap, alibi, sinks, dropout, seed } = attentionUses(
  [q, k, v],
  (steps) => steps.output,
);
const ofAttention: Partial<Uses<KVCacheAttendOptions>> = {
  ...{ causal, scale, mask, keyMask, bias, softcap, alibi, sinks, dropout, seed },
  window: window?.filter(({ base }) => base?.causalOffset === undefined), // a cache has no causalOffset
};

const built =
  (values = v) =>
  (options: KVCacheOptions) => {
    const cache = filled(options, values);
    return [cache.capacity, numbers(cache), cache.attend(q, { numHeads: 2, causal: false })];
  };
const wide = sample(5, 3, 4);

// Caches, steps and what is generated. That steps are right is shown by the tests of their name: here every option counts.

const x = sample(5, 4, 4);

const attention = () => new MultiHeadAttention({ dModel: 4, numHeads: 2, seed: 1 }).eval();
const block = () => new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, seed: 1 }).eval();
const model = () =>
  new CausalLM({ vocabularySize: 7, dModel: 4, numLayers: 2, numHeads: 2, capacity: 12, seed: 1 }).eval();

/** Rows that a cache of these options gives, all at once and one after another. */
function stepped(layer: { step(rows: Matrix, cache: KVCache): Matrix }, cache: KVCache): unknown {
  return [cache.capacity, cache.byteLength, layer.step(x, cache), layer.step(x.sliceRows(0, 1), cache)];
}

const ring = { capacity: 3, mode: 'ring' } as const;
const ofCache: Uses<CacheOptions> = {
  capacity: [
    { value: 7, base: { capacity: missing }, needed: true },
    { value: 4, base: ring },
  ],
  mode: [{ value: 'ring', base: { capacity: 3 }, needed: true }],
  sinkTokens: [{ value: 1, base: ring }],
};

const steps: Uses<StepOptions> = { cuSeqlens: [{ value: [0, 4, 5], needed: true }] };
const pair = (make: () => KVCache) => [make(), make()];

/** Without a ring the rows do not fit; with one the last query sees the last rows. */
const direct = (options: KVCacheOptions) => {
  const cache = new KVCache(options);
  cache.append(x, x);
  return cache.attend(x.sliceRows(4, 5));
};
const rows = (...ids: number[]) => Matrix.concatRows(ids.map((r) => x.sliceRows(r, r + 1)));
const seen = (held: Matrix) => () => plainPacked(x.sliceRows(4, 5), held, held, { numHeads: 1, numKvHeads: 1 }).output;

const stepOfTwo = (o: CausalLMStepOptions) => {
  const lm = model();
  return lm.step([1, 2, 3, 4, 5], [lm.createCaches(), lm.createCaches()], o);
};
/** The last rows of four and of one. */
const rows34 = (logits: Matrix) => logits.sliceRows(3, 5);

const generated = async (options: GenerateOptions) => {
  const ids: number[] = [];
  for await (const id of model().generate([1, 2], options)) ids.push(id);
  return ids;
};

/** The tokens, or why there are none. */
const untilAborted = (options: GenerateOptions) => generated(options).catch((reason: unknown) => reason);

/** The rows that go through a layer: what is generated is the same, cached or not. */
const rowsOfLayers = async (options: GenerateOptions) => {
  const lm = model();
  const { feedForward } = lm.layers[0];
  const forward = feedForward.forward.bind(feedForward);
  let rows = 0;
  feedForward.forward = (z) => {
    rows += z.rows;
    return forward(z);
  };
  for await (const _ of lm.generate([1, 2], options));
  return rows;
};

const hooked = (options: AttentionHookOptions) => {
  const layer = attention();
  layer.addHook('hook_z', (z) => z.scale(2), options);
  return layer.forward(x);
};

const halves: PermuteRotaryOptions = { numHeads: 1, from: 'interleaved', to: 'half-split' };

/** A cache of three rows, and what it holds. */
function onCache(...args: unknown[]): GoodCall {
  const self = new KVCache({ capacity: 4, dK: 2, numKvHeads: 2 });
  self.append(Matrix.randomUniform(3, 4, { seed: 3 }), Matrix.randomUniform(3, 4, { seed: 4 }));
  const hidden = () => [self.length, self.attend(Matrix.randomUniform(1, 4, { seed: 6 }))];
  return { self, args, hidden };
}

/** Ten draws for one row of logits. */
const drawn = (options: SamplingOptions) => {
  const draw = sampler({ seed: 3, ...options });
  return Array.from({ length: 10 }, () => draw([1, 1.25, 1.5, -1], [2, 2, 0]));
};

export const caches: Callables = {
  'MultiHeadAttention.createCache': {
    works: () => ({ self: dropping.multiHead(), args: [{ capacity: 4 }] }),
    options: uses<CacheOptions>({ capacity: 7 }, (o) => stepped(attention(), attention().createCache(o)), ofCache),
  },
  'MultiHeadAttention.step': {
    works: () => onSteps(dropping.multiHead(), batch(), dropping.multiHead().createCache({ capacity: 9 })),
    options: uses<StepOptions>(
      {},
      (o) =>
        attention().step(
          x,
          pair(() => attention().createCache({ capacity: 5 })),
          o,
        ),
      steps,
    ),
  },
  permuteRotary: {
    works: () => ({ args: [batch(), { ...halves, numHeads: 2 }] }),
    options: uses<PermuteRotaryOptions>(halves, (o) => permuteRotary(x, o), {
      numHeads: [{ value: 1, base: { ...halves, numHeads: missing }, needed: true }],
      from: [{ value: 'half-split', base: { ...halves, to: 'interleaved' } }],
      to: [{ value: 'half-split', base: { ...halves, to: 'interleaved' } }],
      dim: [{ value: 2 }],
    }),
  },
  'MultiHeadAttention.addHook': {
    works: () => ({ self: dropping.multiHead(), args: ['hook_q', () => undefined, {}] }),
    options: uses<AttentionHookOptions>({}, hooked, { heads: [{ value: [1] }] }),
  },
  'new KVCache': {
    works: () => ({ args: [{ capacity: 4, dK: 2 }] }),
    options: [
      uses<KVCacheOptions>({ capacity: 5, dK: 2 }, built(), {
        capacity: [
          { value: 5, base: { capacity: missing, dK: 2 }, needed: true },
          { value: 8, expected: () => [8, 8 * 2 * 2, plainPacked(q, k, v).output] },
        ],
        dK: [{ value: 2, base: { capacity: 5, dK: missing, dV: 2 }, needed: true }],
      }),
      uses<KVCacheOptions>({ capacity: 5, dK: 2 }, built(wide), {
        dV: [{ value: 3, needed: true, expected: () => [5, 5 * (2 + 3), plainPacked(q, k, wide).output] }],
      }),
      uses<KVCacheOptions>(
        { capacity: 5, dK: 1 },
        (options) => filled(options).attend(sample(3, 2, 1), { causal: false }),
        {
          numKvHeads: [
            {
              value: 2,
              needed: true,
              expected: () => plainPacked(sample(3, 2, 1), k, v, { numHeads: 2, numKvHeads: 2 }).output,
            },
          ],
        },
      ),
      uses<KVCacheOptions>({ capacity: 3, dK: 4 }, direct, {
        mode: [{ value: 'ring', needed: true, expected: seen(rows(2, 3, 4)) }],
        sinkTokens: [{ value: 1, base: { ...ring, dK: 4 }, expected: seen(rows(0, 3, 4)) }],
      }),
    ],
  },
  'KVCache.append': () => onCache(new Matrix(1, 4), new Matrix(1, 4)),
  'KVCache.attend': {
    works: () => onCache(Matrix.randomUniform(2, 4, { seed: 5 }), { dropout: 0.5 }),
    options: uses<KVCacheAttendOptions>(
      { numHeads: 2, causal: false },
      (options) => filled({ capacity: 5, dK: 2 }).attend(q, options),
      {
        ...ofAttention,
        numHeads: [
          {
            value: 2,
            base: { numHeads: undefined },
            needed: true,
            expected: () => plainPacked(q, k, v, { numHeads: 2, numKvHeads: 1 }).output,
          },
        ],
        causal: [
          ...(causal ?? []),
          { value: false, base: { causal: undefined }, expected: () => plainPacked(q, k, v).output },
        ],
      },
    ),
  },
  'KVCache.truncate': () => onCache(2),
  'TransformerBlock.createCache': {
    works: () => ({ self: dropping.block(), args: [{ capacity: 4 }] }),
    options: uses<CacheOptions>({ capacity: 7 }, (o) => stepped(block(), block().createCache(o)), ofCache),
  },
  'TransformerBlock.step': {
    works: () => onSteps(dropping.block(), batch(), dropping.block().createCache({ capacity: 9 })),
    options: uses<StepOptions>(
      {},
      (o) =>
        block().step(
          x,
          pair(() => block().createCache({ capacity: 5 })),
          o,
        ),
      steps,
    ),
  },
  'CausalLM.createCaches': {
    works: () => ({ self: dropping.model(), args: [{ capacity: 4 }] }),
    options: uses<Partial<CacheOptions>>(
      {},
      (o) => {
        const lm = model();
        const caches = lm.createCaches(o);
        return [caches[1].capacity, lm.step([1, 2, 3, 4, 5], caches), lm.step([6], caches)];
      },
      { capacity: [{ value: 7 }], mode: ofCache.mode, sinkTokens: ofCache.sinkTokens } as Uses<Partial<CacheOptions>>,
    ),
  },
  'CausalLM.step': {
    works: () => onSteps(dropping.model(), [0, 5, 2], dropping.model().createCaches({ capacity: 9 })),
    options: uses<CausalLMStepOptions>({}, stepOfTwo, {
      ...steps,
      logits: [
        {
          value: 'last',
          base: { cuSeqlens: [0, 4, 5] },
          expected: ({ cuSeqlens }) => rows34(stepOfTwo({ cuSeqlens })),
        },
        { value: 'all', base: { logits: 'last', cuSeqlens: [0, 4, 5] } },
      ],
    }),
  },
  'CausalLM.generate': {
    works: () => ({ self: dropping.model(), args: [[0, 5, 2], { maxTokens: 2 }] }),
    options: [
      uses<GenerateOptions>({ maxTokens: 10, seed: 3 }, generated, {
        maxTokens: [
          { value: 4 },
          { value: 11, base: { maxTokens: undefined }, unchanged: 'the capacity leaves as many', wrong: 12 },
        ],
        temperature: [{ value: 0 }, { value: 20 }],
        topK: [{ value: 1 }],
        topP: [{ value: 0.1 }],
        seed: [{ value: 4 }],
        stop: [{ value: [0, 1, 2, 3, 4, 5, 6], expected: () => [] }],
        minP: [{ value: 1 }],
        repetitionPenalty: [{ value: 9 }],
        logits: [
          { value: (row) => void row.fill(9, 4, 5), base: { temperature: 0 }, expected: () => Array(10).fill(4) },
        ],
      }),
      uses<GenerateOptions>({ maxTokens: 10, seed: 3 }, untilAborted, {
        signal: [{ value: AbortSignal.abort('enough'), expected: () => 'enough' }],
      }),
      uses<GenerateOptions>({ maxTokens: 3, temperature: 0 }, rowsOfLayers, {
        // The prompt of 2, then one row a token; or 2, 3, 4 rows.
        cached: [
          { value: false, expected: () => 2 + 3 + 4 },
          { value: false, base: { cached: true } },
        ],
      }),
    ],
  },
  sampler: {
    works: () => ({ args: [{ temperature: 0.5 }] }),
    options: uses<SamplingOptions>({}, drawn, {
      temperature: [{ value: 0, expected: () => Array(10).fill(2) }, { value: 20 }],
      topK: [{ value: 1, expected: () => Array(10).fill(2) }],
      topP: [{ value: 0.1, expected: () => Array(10).fill(2) }],
      minP: [{ value: 0.9, expected: () => Array(10).fill(2) }],
      repetitionPenalty: [{ value: 2, base: { temperature: 0 }, expected: () => Array(10).fill(1) }],
      seed: [{ value: 4 }],
    }),
  },
};
