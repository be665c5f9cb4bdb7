import {
  Embedding,
  type EmbeddingOptions,
  type GeluOptions,
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
} from '../../src/index.js';
import type { Table } from '../support/tensor.js';
import { type Callables, missing, optioned, uses, withOptional } from './callable.js';
import { batch, dropping, row } from './fixtures.js';
import { plainAffine, plainNorm, plainRotary, sample, table } from './plain.js';

const x = sample(3, 4, 1);
const gain = sample(1, 4, 2);
const bias = sample(1, 4, 3);

class Pair extends Module {
  inner = new Linear(1, 1);
}

const ofRotary = (o: RotaryOptions) => plainRotary(x, o);

/** Entry c of row p: sine and cosine of p / 10000^(2·pair/6), in pairs or as two halves. */
function sinusoids(offset: number, isHalves: boolean): Table {
  return table(3, 6, (r, c) => {
    const [pair, isCosine] = isHalves ? [c % 3, c >= 3] : [Math.floor(c / 2), c % 2 === 1];
    const angle = (offset + r) / 10000 ** ((2 * pair) / 6);
    return isCosine ? Math.cos(angle) : Math.sin(angle);
  });
}

type NormArguments = NormOptions & { gain?: typeof gain; bias?: typeof bias };

export const layers: Callables = {
  logSoftmax: () => ({ args: [batch()] }),
  softmax: () => ({ args: [batch()] }),
  'new Embedding': optioned<EmbeddingOptions, Embedding>(
    () => ({ args: [3, 2, { seed: 1 }] }),
    {
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
    },
    (made) => made.forward([0, 1, 2]),
  ),
  'Embedding.forward': () => ({ self: new Embedding(6, 4), args: [[0, 5, 2]] }),
  'new Linear': optioned<LinearOptions, Linear>(
    () => ({ args: [4, 2, { seed: 1 }] }),
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
    (made) => {
      made.b?.data.fill(0.5); // it starts at 0
      return made.forward(x);
    },
  ),
  'Linear.forward': () => ({ self: new Linear(4, 2), args: [batch()] }),
  'Module.loadStateDict': () => {
    const self: Module = new Linear(4, 2, { bias: true });
    return { self, args: [new Linear(4, 2, { bias: true }).stateDict()] };
  },
  'Module.loadDropoutState': () => ({ self: dropping.block() as Module, args: [dropping.block().dropoutState()] }),
  'Module.train': withOptional(
    () => ({ self: new Pair().eval() as Module, args: [true] }),
    'on',
    [{ value: false, expected: () => [false, false] }],
    ({ training, inner }: Pair) => [training, inner.training],
  ),
  'new LayerNorm': {
    works: () => ({ args: [4, {}] }),
    options: [
      uses<NormOptions>({}, (o) => new LayerNorm(4, o).forward(x), {
        epsilon: [{ value: 0.5, expected: () => plainNorm(x, { isCentred: true, epsilon: 0.5 }) }],
      }),
      uses<LayerNormOptions>(
        {},
        (o) => {
          const norm = new LayerNorm(4, o);
          norm.bias?.data.fill(0.5); // it starts at 0
          return norm.forward(x);
        },
        { bias: [{ value: false, expected: () => plainNorm(x, { isCentred: true }) }] },
      ),
    ],
  },
  'LayerNorm.forward': () => ({ self: new LayerNorm(4), args: [batch()] }),
  'new RMSNorm': optioned<NormOptions, RMSNorm>(
    () => ({ args: [4, {}] }),
    { epsilon: [{ value: 0.5, expected: () => plainNorm(x, { isCentred: false, epsilon: 0.5 }) }] },
    (made) => made.forward(x),
  ),
  'RMSNorm.forward': () => ({ self: new RMSNorm(4), args: [batch()] }),
  // Functions of rows and of positions.
  relu: () => ({ args: [batch()] }),
  silu: () => ({ args: [batch()] }),
  gelu: optioned<GeluOptions>(() => ({ args: [sample(3, 4, 1), {}] }), {
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
  layerNorm: {
    works: () => ({ args: [batch(), row(), row(), {}] }),
    options: uses<NormArguments>({}, ({ gain, bias, ...o }) => layerNorm(x, gain, bias, o), {
      gain: [{ value: gain, expected: () => plainNorm(x, { isCentred: true, gain }) }],
      bias: [{ value: bias, expected: () => plainNorm(x, { isCentred: true, bias }) }],
      epsilon: [{ value: 0.5, expected: () => plainNorm(x, { isCentred: true, epsilon: 0.5 }) }],
    }),
  },
  rmsNorm: {
    works: () => ({ args: [batch(), row(), {}] }),
    options: uses<Omit<NormArguments, 'bias'>>({}, ({ gain, ...o }) => rmsNorm(x, gain, o), {
      gain: [{ value: gain, expected: () => plainNorm(x, { isCentred: false, gain }) }],
      epsilon: [{ value: 0.5, expected: () => plainNorm(x, { isCentred: false, epsilon: 0.5 }) }],
    }),
  },
  sinusoidalPositions: optioned<SinusoidalOptions>(() => ({ args: [3, 6, {}] }), {
    offset: [{ value: 5, expected: () => sinusoids(5, false) }],
    layout: [
      { value: 'halves', expected: () => sinusoids(0, true) },
      { value: 'interleaved', base: { layout: 'halves' }, expected: () => sinusoids(0, false) },
    ],
  }),
  rotary: {
    works: () => ({ args: [batch(), { numHeads: 2 }] }),
    options: uses<RotaryOptions>({ numHeads: 1 }, (o) => rotary(x, o), {
      numHeads: [
        {
          value: 2,
          base: { numHeads: missing },
          needed: true,
          expected: () => plainRotary(x, { numHeads: 2 }),
        },
      ],
      positions: [{ value: [4, 0.5, 9], expected: ofRotary }],
      base: [{ value: 100, expected: ofRotary }],
      dim: [{ value: 2, expected: ofRotary }],
      interleaved: [{ value: true, expected: ofRotary }],
    }),
  },
};
