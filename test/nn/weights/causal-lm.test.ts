import { describe, expect, it } from 'vitest';
import type { StoredTensor } from '../../../src/core/stored-tensor.js';
import { CausalLM } from '../../../src/nn/models/causal-lm.js';
import { modelFromTorch, modelToTorch } from '../../../src/nn/weights/causal-lm.js';
import type { CausalLMLayout } from '../../../src/nn/weights/layouts/layouts.js';
import { expectSame } from '../../support/compare.js';
import { filled, pictures, storedBeside, storedLinear, storedVector } from '../../support/stored.js';

const SIZES = { vocabularySize: 9, dModel: 12, numLayers: 2, numHeads: 3, dHidden: 10 } as const;
const LLAMA = { activation: 'swiglu', norm: 'rms' } as const;
const ids = [3, 1, 4, 1, 5];

type Case = [
  name: string,
  layout: CausalLMLayout,
  make: () => CausalLM,
  options: object,
  ends: (model: CausalLM) => Record<string, StoredTensor>,
  layer: string,
];

/** Every layout with a model, what has to be said of it, and what its file holds beside the layers. */
const CASES: Case[] = [
  [
    'gpt2',
    'gpt2',
    () => {
      const gpt2 = {
        positions: 'learned',
        capacity: 7,
        activation: 'gelu-tanh',
        bias: true,
        tieEmbeddings: true,
      } as const;
      return new CausalLM({ ...SIZES, ...gpt2 });
    },
    {},
    ({ embedding, learnedPositions, norm }) => ({
      'transformer.wte.weight': storedBeside(embedding.table),
      'transformer.wpe.weight': storedBeside(learnedPositions?.table),
      'transformer.ln_f.weight': storedVector([norm.gain]),
      'transformer.ln_f.bias': storedVector(['bias' in norm ? norm.bias : undefined]),
    }),
    'transformer.h.',
  ],
  [
    'llama, a matrix to the logits of its own',
    'llama',
    () => new CausalLM({ ...SIZES, ...LLAMA, numKvHeads: 1, rope: { base: 500 }, epsilon: 1e-6 }),
    { rope: { base: 500 }, epsilon: 1e-6 },
    ({ embedding, norm, head }) => ({
      'model.embed_tokens.weight': storedBeside(embedding.table),
      'model.norm.weight': storedVector([norm.gain]),
      'lm_head.weight': storedLinear(head?.W),
    }),
    'model.layers.',
  ],
  [
    'meta, tied',
    'meta',
    () => new CausalLM({ ...SIZES, ...LLAMA, rope: { interleaved: true }, tieEmbeddings: true, capacity: 6 }),
    { capacity: 6 },
    ({ embedding, norm }) => ({
      'tok_embeddings.weight': storedBeside(embedding.table),
      'norm.weight': storedVector([norm.gain]),
    }),
    'layers.',
  ],
];

describe.each(CASES)('a model of layout %s', (_, layout, make, options, ends, layer) => {
  const model = filled(make()).eval();
  const layers = model.layers.flatMap((block, i) => [...block.toTorch({ layout, prefix: `${layer}${i}.` })]);
  const state = new Map([...layers, ...Object.entries(ends(model))]);
  const load = (given: ReadonlyMap<string, StoredTensor>, more = {}) =>
    CausalLM.fromTorch(given, { numHeads: 3, ...options, ...more }).eval();

  it('is recognized and gives the model', () => {
    const got = load(state);
    expect(pictures(got.stateDict())).toEqual(pictures(model.stateDict()));
    expect([got.positions, got.capacity]).toEqual([model.positions, model.capacity]);
    expectSame(got.forward(ids).data, model.forward(ids).data);
  });

  it('is written', () => {
    expect(pictures(model.toTorch({ layout }))).toEqual(pictures(state));
    if (layout !== 'meta') expect(pictures(model.toTorch())).toEqual(pictures(state));
    expect([...model.toTorch({ layout, prefix: 'p/' }).keys()][0]).toMatch(/^p\//);
  });

  it('is found under a prefix', () => {
    const more = new Map([...state].map(([name, tensor]) => [`lm.${name}`, tensor]));
    expect(pictures(load(more, { prefix: 'lm.' }).stateDict())).toEqual(pictures(model.stateDict()));
  });

  it('must have every layer', () => {
    const without = (part: string) => new Map([...state].filter(([name]) => !name.includes(part)));
    expect(() => load(without(`${layer}0.`))).toThrow(/missing (h|layers)\.0\..*; unknown (h|layers)\.1\./);
    expect(() => load(without(layer))).toThrow(/: the state must hold (h|layers)\.0 and so on: it has no layers/);
  });

  it('is left alone', () => {
    const before = pictures(state);
    const got = load(state);
    for (const { data } of got.parameters()) data.fill(0);
    expect(pictures(state)).toEqual(before);
  });
});

describe('names and ties of Hugging Face', () => {
  const gpt2 = filled(
    new CausalLM({
      ...SIZES,
      positions: 'learned',
      capacity: 7,
      activation: 'gelu-tanh',
      bias: true,
      tieEmbeddings: true,
    }),
  );
  const state = gpt2.toTorch();

  it('the bare model has no transformer. before its names', () => {
    const bare = new Map([...state].map(([name, tensor]) => [name.replace('transformer.', ''), tensor]));
    const got = CausalLM.fromTorch(bare, { numHeads: 3 });
    expect(pictures(got.stateDict())).toEqual(pictures(gpt2.stateDict()));
  });

  it('a name with and without transformer. is refused', () => {
    const both = new Map([...state, ['ln_f.bias', storedVector([gpt2.norm.gain])]]);
    const text = 'CausalLM.fromTorch: names must be with or without transformer.: got ln_f.bias both ways';
    expect(() => CausalLM.fromTorch(both, { numHeads: 3 })).toThrow(text);
  });

  it('a matrix to the logits that is the table to the bit is tied; another is not', () => {
    const table = state.get('transformer.wte.weight') as StoredTensor;
    const both = new Map([...state, ['lm_head.weight', { ...table, data: table.data.slice() }]]);
    expect(CausalLM.fromTorch(both, { numHeads: 3 }).head).toBeUndefined();
    const other = { ...table, data: Float32Array.from(table.data as Float32Array) };
    other.data[5] += 1;
    const untied = CausalLM.fromTorch(new Map([...state, ['lm_head.weight', other]]), { numHeads: 3 });
    expect(pictures(new Map([['lm_head.weight', storedLinear(untied.head?.W)]]))).toEqual(
      pictures(new Map([['lm_head.weight', other]])),
    );
  });

  it('to the bit: −0 is not 0, a NaN is itself, and the shape is that of the table', () => {
    const table = state.get('transformer.wte.weight') as StoredTensor;
    const data = Float32Array.from(table.data as Float32Array);
    [data[0], data[1]] = [0, Number.NaN];
    const load = (head: StoredTensor) => {
      const own = new Map([
        ...state,
        ['transformer.wte.weight', { ...table, data }],
        ['lm_head.weight', head],
      ] as const);
      return CausalLM.fromTorch(own, { numHeads: 3 });
    };
    expect(load({ ...table, data: data.slice() }).head).toBeUndefined();
    const negative = data.slice();
    negative[0] = -0;
    expect(load({ ...table, data: negative }).head).toBeDefined();
    const turned = { ...table, shape: [12, 9], data: data.slice() };
    expect(() => load(turned)).toThrow('lm_head.weight must have shape [9, 12]: got [12, 9]');
  });

  it('tables are compared as they are stored, to the bit', () => {
    const table = state.get('transformer.wte.weight') as StoredTensor;
    const loads = (own: StoredTensor, of = table) => {
      const both = new Map([...state, ['transformer.wte.weight', of] as const, ['lm_head.weight', own] as const]);
      return CausalLM.fromTorch(both, { numHeads: 3 }).head;
    };
    const withBits = (bits: number): StoredTensor => {
      const data = Float32Array.from(table.data as Float32Array);
      new Uint32Array(data.buffer)[data.length - 1] = bits;
      return { ...table, data };
    };
    expect(loads(withBits(0x7fc00001), withBits(0x7fc00001))).toBeUndefined();
    expect(loads(withBits(0x7fc00001), withBits(0x7fc00002))).toBeDefined();
    expect(loads(withBits(0x80000000), withBits(0))).toBeDefined();
    const halves = (): StoredTensor => ({
      ...table,
      dtype: 'BF16',
      data: new Uint16Array(table.data.length).fill(16256),
    });
    expect(loads(halves(), halves())).toBeUndefined();
    expect(loads({ ...halves(), dtype: 'F16' }, halves())).toBeDefined();
    expect(() => loads({ ...table, data: (table.data as Float32Array).subarray(1) })).toThrow(
      'CausalLM.fromTorch: lm_head.weight must hold 108 numbers: got 107',
    );
  });

  it('capacity and rope are those of the layout', () => {
    const load = (more: object) => () => CausalLM.fromTorch(state, { numHeads: 3, ...more });
    expect(load({ capacity: 7 })().capacity).toBe(7);
    expect(load({ capacity: 8 })).toThrow(
      'CausalLM.fromTorch: capacity must be absent or that of wpe.weight, 7: got 8',
    );
    expect(load({ rope: {} })).toThrow("rope must come with positions: 'rope'");
    expect(load({ rope: true })).toThrow('CausalLM.fromTorch: rope must be an object: got true');
    expect(load({ activation: 'swiglu' })).toThrow("activation in layout 'gpt2' must be");
  });

  it('meta: the buffer of angles is left aside', () => {
    const model = new CausalLM({ ...SIZES, ...LLAMA });
    const meta = model.toTorch({ layout: 'meta' });
    meta.set('rope.freqs', { dtype: 'F32', shape: [2], data: new Float32Array(2) });
    expect(modelFromTorch('f', meta, { numHeads: 3 }).options.numLayers).toBe(2);
  });

  it('a model of more layers than names are counted for is read whole', () => {
    const state = new CausalLM({ ...SIZES, ...LLAMA, numLayers: 1 }).toTorch();
    const numLayers = 1030; // more than MANY_LAYERS
    const deep = new Map<string, StoredTensor>();
    for (const [name, tensor] of state) {
      const layers = name.startsWith('model.layers.0.') ? numLayers : 1;
      for (let i = 0; i < layers; i++) deep.set(name.replace('.0.', `.${i}.`), tensor);
    }
    expect(modelFromTorch('f', deep, { numHeads: 3 }).options.numLayers).toBe(numLayers);
  });

  it('a layer that does not fit is found behind others that do', () => {
    const [fits, other] = (['rms', 'layer'] as const).map((norm) => new CausalLM({ ...SIZES, ...LLAMA, norm }));
    const { positions } = fits;
    const model = {
      positions,
      layers: [fits.layers[0], other.layers[1]],
      namedParameters: () => fits.namedParameters(),
    };
    const text = "f: norm must be 'rms' in layout 'llama': got 'layer'";
    expect(() => modelToTorch('f', model, { layout: 'llama' })).toThrow(text);
  });

  it.each([
    [{ ...LLAMA, positions: 'sinusoidal' }, 'llama', "f: positions must be 'rope' in layout 'llama': got 'sinusoidal'"],
    [
      LLAMA,
      'gpt2',
      "f: positions must be 'learned' and activation must be 'gelu-tanh' or 'gelu' or 'relu' or 'silu' and norm must be 'layer' in layout 'gpt2': got 'rope' and 'swiglu' and 'rms' (layout: 'llama' has a place for it)",
    ],
    [{ positions: 'learned', capacity: 4 }, 'gpt2', undefined],
    [
      { positions: 'learned', capacity: 4, bias: true, norm: 'rms' },
      'gpt2',
      "f: norm must be 'layer' in layout 'gpt2'",
    ],
  ] as const)('toTorch of %o as %s', (options, layout, text) => {
    const model = new CausalLM({ ...SIZES, activation: 'gelu', ...options });
    const write = () => modelToTorch('f', model, { layout });
    if (text === undefined) expect([...write().keys()].filter((name) => /c_.*bias/.test(name))).toEqual([]);
    else expect(write).toThrow(text);
  });
});
