import {
  type AttentionHookOptions,
  type CacheOptions,
  CausalLM,
  type GenerateOptions,
  KVCache,
  type KVCacheOptions,
  Matrix,
  MultiHeadAttention,
  type PermuteRotaryOptions,
  permuteRotary,
  type StepOptions,
  TransformerBlock,
} from '../../src/index.js';
import { plainPacked } from './attention-uses.js';
import { type OptionCase, place, type Uses } from './case.js';
import { sample } from './plain.js';

// Caches, steps and what is generated. That steps are right is shown by the tests of their name: here every option counts.

const x = sample(5, 4, 4);
const missing = undefined as unknown as number;

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

const generated = async (options: GenerateOptions) => {
  const ids: number[] = [];
  for await (const id of model().generate([1, 2], options)) ids.push(id);
  return ids;
};

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

const halves = { numHeads: 1, from: 'interleaved', to: 'half-split' } as const;

export const decodingCases: OptionCase[] = [
  ...place<PermuteRotaryOptions>('permuteRotary', halves, (o) => permuteRotary(x, o), {
    numHeads: [{ value: 1, base: { ...halves, numHeads: missing }, needed: true }],
    from: [{ value: 'half-split', base: { ...halves, to: 'interleaved' } }],
    to: [{ value: 'half-split', base: { ...halves, to: 'interleaved' } }],
    dim: [{ value: 2 }],
  }),
  ...place<AttentionHookOptions>('MultiHeadAttention.addHook', {}, hooked, { heads: [{ value: [1] }] }),
  ...place<KVCacheOptions>('new KVCache', { capacity: 3, dK: 4 }, direct, {
    mode: [{ value: 'ring', needed: true, expected: seen(rows(2, 3, 4)) }],
    sinkTokens: [{ value: 1, base: { ...ring, dK: 4 }, expected: seen(rows(0, 3, 4)) }],
  }),
  ...place<CacheOptions>(
    'MultiHeadAttention.createCache',
    { capacity: 7 },
    (o) => stepped(attention(), attention().createCache(o)),
    ofCache,
  ),
  ...place<StepOptions>(
    'MultiHeadAttention.step',
    {},
    (o) =>
      attention().step(
        x,
        pair(() => attention().createCache({ capacity: 5 })),
        o,
      ),
    steps,
  ),
  ...place<CacheOptions>(
    'TransformerBlock.createCache',
    { capacity: 7 },
    (o) => stepped(block(), block().createCache(o)),
    ofCache,
  ),
  ...place<StepOptions>(
    'TransformerBlock.step',
    {},
    (o) =>
      block().step(
        x,
        pair(() => block().createCache({ capacity: 5 })),
        o,
      ),
    steps,
  ),
  ...place<Partial<CacheOptions>>(
    'CausalLM.createCaches',
    {},
    (o) => {
      const lm = model();
      const caches = lm.createCaches(o);
      return [caches[1].capacity, lm.step([1, 2, 3, 4, 5], caches), lm.step([6], caches)];
    },
    { capacity: [{ value: 7 }], mode: ofCache.mode, sinkTokens: ofCache.sinkTokens } as Uses<Partial<CacheOptions>>,
  ),
  ...place<StepOptions>(
    'CausalLM.step',
    {},
    (o) => {
      const lm = model();
      return lm.step([1, 2, 3, 4, 5], [lm.createCaches(), lm.createCaches()], o);
    },
    steps,
  ),
  ...place<GenerateOptions>('CausalLM.generate', { maxTokens: 10, seed: 3 }, generated, {
    maxTokens: [
      { value: 4 },
      { value: 11, base: { maxTokens: undefined }, unchanged: 'the capacity leaves as many', wrong: 12 },
    ],
    temperature: [{ value: 0 }, { value: 20 }],
    topK: [{ value: 1 }],
    topP: [{ value: 0.1 }],
    seed: [{ value: 4 }],
    stop: [{ value: [0, 1, 2, 3, 4, 5, 6], expected: () => [] }],
  }),
  ...place<GenerateOptions>('CausalLM.generate', { maxTokens: 3, temperature: 0 }, rowsOfLayers, {
    // The prompt of 2, then one row a token; or 2, 3, 4 rows.
    cached: [
      { value: false, expected: () => 2 + 3 + 4 },
      { value: false, base: { cached: true } },
    ],
  }),
];
