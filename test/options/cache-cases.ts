import { capabilities, KVCache, type KVCacheAttendOptions, type KVCacheOptions } from '../../src/index.js';
import { attentionUses, plainPacked } from './attention-uses.js';
import { type OptionCase, place, type Uses } from './case.js';
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

const attend = place<KVCacheAttendOptions>(
  'KVCache.attend',
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
);

const built =
  (values = v) =>
  (options: KVCacheOptions) => {
    const cache = filled(options, values);
    return [cache.capacity, numbers(cache), cache.attend(q, { numHeads: 2, causal: false })];
  };
const wide = sample(5, 3, 4);

export const cacheCases: OptionCase[] = [
  ...attend,
  ...place<KVCacheOptions>('new KVCache', { capacity: 5, dK: 2 }, built(), {
    capacity: [
      { value: 5, base: { capacity: undefined as unknown as number, dK: 2 }, needed: true },
      { value: 8, expected: () => [8, 8 * 2 * 2, plainPacked(q, k, v).output] },
    ],
    dK: [{ value: 2, base: { capacity: 5, dK: undefined as unknown as number, dV: 2 }, needed: true }],
  }),
  ...place<KVCacheOptions>('new KVCache', { capacity: 5, dK: 2 }, built(wide), {
    dV: [{ value: 3, needed: true, expected: () => [5, 5 * (2 + 3), plainPacked(q, k, wide).output] }],
  }),
  ...place<KVCacheOptions>(
    'new KVCache',
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
];
