import {
  Embedding,
  type EmbeddingOptions,
  type GeluOptions,
  gelu,
  LayerNorm,
  type LayerNormOptions,
  Linear,
  type LinearOptions,
  layerNorm,
  Module,
  type NormOptions,
  RMSNorm,
  type RotaryOptions,
  rmsNorm,
  rotary,
  type SinusoidalOptions,
  sinusoidalPositions,
} from '../../src/index.js';
import type { Table } from '../support/tensor.js';
import { type OptionCase, place } from './case.js';
import { plainAffine, plainNorm, plainRotary, sample, table } from './plain.js';

const x = sample(3, 4, 1);
const gain = sample(1, 4, 2);
const bias = sample(1, 4, 3);

class Pair extends Module {
  inner = new Linear(1, 1);
}

/** Entry c of row p: sine and cosine of p / 10000^(2·pair/6), in pairs or as two halves. */
function sinusoids(offset: number, isHalves: boolean): Table {
  return table(3, 6, (r, c) => {
    const [pair, isCosine] = isHalves ? [c % 3, c >= 3] : [Math.floor(c / 2), c % 2 === 1];
    const angle = (offset + r) / 10000 ** ((2 * pair) / 6);
    return isCosine ? Math.cos(angle) : Math.sin(angle);
  });
}

const layers: OptionCase[] = [
  ...place<EmbeddingOptions>('new Embedding', { seed: 1 }, (o) => new Embedding(3, 2, o).forward([0, 1, 2]), {
    paddingIndex: [
      {
        value: 1,
        expected: () => {
          const drawn = new Embedding(3, 2, { seed: 1 }).table;
          return table(3, 2, (r, c) => (r === 1 ? 0 : drawn.get(r, c)));
        },
      },
      { value: 0 },
    ],
    seed: [{ value: 2 }],
  }),
  ...place<LinearOptions>(
    'new Linear',
    { seed: 1 },
    (o) => {
      const linear = new Linear(4, 2, o);
      linear.b?.data.fill(0.5); // it starts at 0
      return linear.forward(x);
    },
    {
      bias: [
        {
          value: true,
          expected: () =>
            plainAffine(
              x,
              new Linear(4, 2, { seed: 1 }).W,
              table(1, 2, () => 0.5),
            ),
        },
      ],
      init: [{ value: 'torch' }],
      seed: [{ value: 2 }],
    },
  ),
  ...place<{ on?: boolean }>(
    'Module.train',
    {},
    ({ on }) => {
      const pair = new Pair().eval();
      pair.train(on);
      return [pair.training, pair.inner.training];
    },
    { on: [{ value: false, expected: () => [false, false] }] },
  ),
  ...place<NormOptions>('new LayerNorm', {}, (o) => new LayerNorm(4, o).forward(x), {
    epsilon: [{ value: 0.5, expected: () => plainNorm(x, { isCentred: true, epsilon: 0.5 }) }],
  }),
  ...place<LayerNormOptions>(
    'new LayerNorm',
    {},
    (o) => {
      const norm = new LayerNorm(4, o);
      norm.bias?.data.fill(0.5); // it starts at 0
      return norm.forward(x);
    },
    { bias: [{ value: false, expected: () => plainNorm(x, { isCentred: true }) }] },
  ),
  ...place<NormOptions>('new RMSNorm', {}, (o) => new RMSNorm(4, o).forward(x), {
    epsilon: [{ value: 0.5, expected: () => plainNorm(x, { isCentred: false, epsilon: 0.5 }) }],
  }),
];

type NormArguments = NormOptions & { gain?: typeof gain; bias?: typeof bias };

const functions: OptionCase[] = [
  ...place<NormArguments>('layerNorm', {}, ({ gain, bias, ...o }) => layerNorm(x, gain, bias, o), {
    gain: [{ value: gain, expected: () => plainNorm(x, { isCentred: true, gain }) }],
    bias: [{ value: bias, expected: () => plainNorm(x, { isCentred: true, bias }) }],
    epsilon: [{ value: 0.5, expected: () => plainNorm(x, { isCentred: true, epsilon: 0.5 }) }],
  }),
  ...place<Omit<NormArguments, 'bias'>>('rmsNorm', {}, ({ gain, ...o }) => rmsNorm(x, gain, o), {
    gain: [{ value: gain, expected: () => plainNorm(x, { isCentred: false, gain }) }],
    epsilon: [{ value: 0.5, expected: () => plainNorm(x, { isCentred: false, epsilon: 0.5 }) }],
  }),
  ...place<GeluOptions>('gelu', {}, (o) => gelu(x, o), {
    approximate: [
      {
        value: 'tanh',
        expected: () =>
          table(3, 4, (r, c) => {
            const z = x.get(r, c);
            return 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
          }),
      },
    ],
  }),
  ...place<SinusoidalOptions>('sinusoidalPositions', {}, (o) => sinusoidalPositions(3, 6, o), {
    offset: [{ value: 5, expected: () => sinusoids(5, false) }],
    layout: [
      { value: 'halves', expected: () => sinusoids(0, true) },
      { value: 'interleaved', base: { layout: 'halves' }, expected: () => sinusoids(0, false) },
    ],
  }),
  ...place<RotaryOptions>('rotary', { numHeads: 1 }, (o) => rotary(x, o), {
    numHeads: [
      {
        value: 2,
        base: { numHeads: undefined as unknown as number },
        needed: true,
        expected: () => plainRotary(x, { numHeads: 2 }),
      },
    ],
    positions: [{ value: [4, 0.5, 9], expected: (o) => plainRotary(x, o) }],
    base: [{ value: 100, expected: (o) => plainRotary(x, o) }],
    dim: [{ value: 2, expected: (o) => plainRotary(x, o) }],
    interleaved: [{ value: true, expected: (o) => plainRotary(x, o) }],
  }),
];

export const layerCases: OptionCase[] = [...layers, ...functions];
