import {
  CausalLM,
  type CausalLMFromTorchOptions,
  type CausalLMToTorchOptions,
  MultiHeadAttention,
  type MultiHeadAttentionFromTorchOptions,
  type StoredTensor,
  type ToTorchOptions,
  TransformerBlock,
  type TransformerBlockFromTorchOptions,
} from '../../src/index.js';
import { type Callables, missing, type Uses, uses } from './callable.js';
import { dropping } from './fixtures.js';
import { sample } from './plain.js';

// Options of the converters: what the weights do not say. That weights arrive is shown by the tests of their name.

const x = sample(5, 8, 4);
const under = (prefix: string, state: ReadonlyMap<string, StoredTensor>) =>
  new Map([...state].map(([name, tensor]) => [prefix + name, tensor]));

const SIZES = { dModel: 8, numHeads: 2, seed: 1 } as const;
const attention = new MultiHeadAttention(SIZES).toTorch();

/** As for the layer that they build: there is what they do, here only that they arrive. */
const ofLayer = {
  numHeads: [{ value: 2, base: { numHeads: missing }, needed: true as const }],
  window: [{ value: 1 }],
  softcap: [{ value: 0.1 }],
  dropout: [{ value: 0.5 }],
  seed: [{ value: 9, base: { numHeads: 2, dropout: 0.5 } }],
};
const rope = (base: { numHeads: number }) => [
  { value: true, base },
  { value: { base: 3 }, base: { ...base, rope: true } },
];
const ropeInside = (base: { numHeads: number; rope: object }) => ({
  'rope.base': [{ value: 3, base }],
  'rope.dim': [{ value: 0, base }],
});

const attentions = (state: ReadonlyMap<string, StoredTensor>) => (o: MultiHeadAttentionFromTorchOptions) => {
  const layer = MultiHeadAttention.fromTorch(state, o);
  return [layer.forward(x), layer.forward(x)];
};

const blockState = new TransformerBlock({ ...SIZES, dHidden: 6, normPlacement: 'post' }).toTorch();
const blocks = (state: ReadonlyMap<string, StoredTensor>) => (o: TransformerBlockFromTorchOptions) => {
  const block = TransformerBlock.fromTorch(state, o);
  return [block.forward(x), block.forward(x)];
};

const lm = new CausalLM({
  ...SIZES,
  vocabularySize: 7,
  numLayers: 1,
  numKvHeads: 1,
  dHidden: 6,
  dK: 4,
  activation: 'swiglu',
  norm: 'rms',
});
const lmState = lm.toTorch();
const ties = (state: ReadonlyMap<string, StoredTensor>) => (o: CausalLMFromTorchOptions) =>
  CausalLM.fromTorch(state, o).head === undefined;
const savedTwice = new Map(lmState);
savedTwice.set('lm_head.weight', lmState.get('model.embed_tokens.weight') as StoredTensor);

const gpt2 = new CausalLM({
  ...SIZES,
  vocabularySize: 7,
  numLayers: 1,
  dHidden: 6,
  positions: 'learned',
  capacity: 8,
  activation: 'gelu-tanh',
});
const gpt2State = gpt2.toTorch();
const models = (state: ReadonlyMap<string, StoredTensor>) => (o: CausalLMFromTorchOptions) => {
  const model = CausalLM.fromTorch(state, o);
  return [model.capacity, model.forward([1, 2, 3, 4, 5]), model.forward([1, 2, 3, 4, 5])];
};

const written: Uses<ToTorchOptions> = { layout: [{ value: 'gpt2' }], prefix: [{ value: 'encoder.' }] };
const base = { numHeads: 2 };
const INTERLEAVED = 'weights are moved so that the layer gives the same';

export const torch: Callables = {
  'MultiHeadAttention.fromTorch': {
    works: () => ({ args: [dropping.multiHead().toTorch(), { numHeads: 2 }] }),
    options: [
      uses<MultiHeadAttentionFromTorchOptions>(base, attentions(attention), {
        ...ofLayer,
        causal: [{ value: true }, { value: 'top-left' }],
        alibi: [{ value: true }],
        rope: rope(base),
        ...ropeInside({ ...base, rope: {} }),
        'rope.interleaved': [{ value: true, base: { ...base, rope: { dim: 2 } }, unchanged: INTERLEAVED, wrong: 1 }],
        addZeroAttention: [{ value: true }],
      }),
      uses<MultiHeadAttentionFromTorchOptions>(base, attentions(under('a.', attention)), {
        prefix: [{ value: 'a.', needed: true }],
      }),
    ],
  },
  'MultiHeadAttention.toTorch': {
    works: () => ({ self: dropping.multiHead(), args: [{}] }),
    options: uses<ToTorchOptions>({}, (o) => new MultiHeadAttention(SIZES).toTorch(o), written),
  },
  maskFromTorchMHA: () => ({ args: [new Uint8Array(4)] }),
  'TransformerBlock.fromTorch': {
    works: () => ({ args: [dropping.block().toTorch(), { numHeads: 2 }] }),
    options: [
      uses<TransformerBlockFromTorchOptions>(base, blocks(blockState), {
        ...ofLayer,
        causal: [{ value: true }],
        alibi: [{ value: true }],
        rope: rope(base),
        ...ropeInside({ ...base, rope: {} }),
        'rope.interleaved': [{ value: true, base: { ...base, rope: { dim: 2 } }, unchanged: INTERLEAVED, wrong: 1 }],
        activation: [{ value: 'gelu' }, { value: 'gelu-tanh' }, { value: 'silu' }],
        normPlacement: [{ value: 'pre' }],
        epsilon: [{ value: 0.5 }],
      }),
      uses<TransformerBlockFromTorchOptions>(base, blocks(under('b.', blockState)), {
        prefix: [{ value: 'b.', needed: true }],
      }),
    ],
  },
  'TransformerBlock.toTorch': {
    works: () => ({ self: dropping.block(), args: [{}] }),
    options: uses<ToTorchOptions>({}, (o) => gpt2.layers[0].toTorch(o), written),
  },
  'CausalLM.fromTorch': {
    works: () => ({ args: [dropping.llama().toTorch(), { numHeads: 2 }] }),
    options: [
      uses<CausalLMFromTorchOptions>(base, models(lmState), {
        ...ofLayer,
        rope: [{ value: { base: 3 } }],
        ...ropeInside({ ...base, rope: {} }),
        'rope.interleaved': [{ value: true, base: { ...base, rope: { dim: 2 } }, unchanged: INTERLEAVED, wrong: 1 }],
        capacity: [{ value: 6 }],
        epsilon: [{ value: 0.5 }],
      }),
      uses<CausalLMFromTorchOptions>(base, ties(lmState), {
        tieEmbeddings: [{ value: false, unchanged: 'the state has a matrix of its own', wrong: true }],
      }),
      uses<CausalLMFromTorchOptions>(base, ties(savedTwice), {
        tieEmbeddings: [
          { value: false, expected: () => false },
          { value: true, unchanged: 'the state holds its table twice', wrong: 1 },
        ],
      }),
      uses<CausalLMFromTorchOptions>(base, models(gpt2State), {
        activation: [{ value: 'relu' }, { value: 'gelu' }, { value: 'silu' }],
      }),
      uses<CausalLMFromTorchOptions>(base, models(under('m.', lmState)), {
        prefix: [{ value: 'm.', needed: true }],
      }),
    ],
  },
  'CausalLM.toTorch': {
    works: () => ({ self: dropping.llama(), args: [{}] }),
    options: uses<CausalLMToTorchOptions>({}, (o) => lm.toTorch(o), {
      layout: [{ value: 'meta' }],
      prefix: [{ value: 'lm.' }],
    }),
  },
};
