import { describe, expect, it } from 'vitest';
import * as qkv from '../../src/index.js';
import {
  CausalLM,
  Embedding,
  FeedForward,
  LayerNorm,
  LearnedPositions,
  Linear,
  Module,
  MultiHeadAttention,
  RMSNorm,
  SelfAttention,
  TransformerBlock,
} from '../../src/index.js';
import { listedCallables } from '../calls/listed.js';

const ATTENTION = { dModel: 12, numHeads: 4, numKvHeads: 2, dK: 6, dV: 5, dropout: 0.25, window: 7, softcap: 3 };
const BLOCK = { ...ATTENTION, dHidden: 9, activation: 'gelu', epsilon: 1e-3, normPlacement: 'post' } as const;
const SLOPES = Float32Array.of(0.5, 0.25, 0.125, 0.0625);

/** A module of each class, and what its constructor was told. */
const MADE: Record<string, [made: Module, told: object]> = {
  Linear: [new Linear(3, 4), { inputs: 3, outputs: 4 }],
  Embedding: [new Embedding(5, 6, { paddingIndex: 2 }), { numEmbeddings: 5, dModel: 6, paddingIndex: 2 }],
  LearnedPositions: [new LearnedPositions(5, 6), { capacity: 5, dModel: 6 }],
  LayerNorm: [new LayerNorm(6, { epsilon: 0.5 }), { dModel: 6, epsilon: 0.5 }],
  RMSNorm: [new RMSNorm(6, { epsilon: 0.5 }), { dModel: 6, epsilon: 0.5 }],
  FeedForward: told(FeedForward, { dModel: 6, dHidden: 7, activation: 'swiglu', dropout: 0.5 } as const),
  SelfAttention: told(SelfAttention, { ...ATTENTION, causal: true, alibi: SLOPES, scale: 0.3, causalOffset: 2 }),
  MultiHeadAttention: told(MultiHeadAttention, {
    ...ATTENTION,
    ...{ causal: true, alibi: true, kDim: 8, vDim: 10, addZeroAttention: true },
    rope: { base: 50, dim: 4, interleaved: true },
  }),
  TransformerBlock: told(TransformerBlock, {
    ...BLOCK,
    ...{ causal: 'top-left', alibi: SLOPES },
    rope: { base: 50, dim: 4, interleaved: true },
  }),
  CausalLM: told(CausalLM, {
    ...BLOCK,
    ...{ vocabularySize: 11, numLayers: 3, positions: 'rope', capacity: 20, tieEmbeddings: true },
    rope: { base: 50, dim: 4, interleaved: true },
  }),
};

function told<Options extends object>(made: new (options: Options) => Module, options: Options): [Module, Options] {
  return [new made(options), options];
}

/** What no property of that name says. */
const ELSEWHERE: Record<string, string> = {
  init: 'of the first numbers only',
  seed: 'of the first numbers; where dropout stands is in dropoutState',
  bias: 'the parameters that are there tell',
  norm: 'the class of the norms tells; a model has its last norm under that name',
  normBias: 'the norms tell',
  sinks: 'the parameter is there or not',
  addBiasKeyValue: 'bias_K and bias_V are there or not',
  options: 'is the bag itself',
};
/** Matrices and lists that SelfAttention adds to every call. */
const DATA = ['mask', 'keyMask', 'cuSeqlens', 'cuSeqlensK'];

describe('the settings of a module', () => {
  it.each(Object.entries(MADE))('%s', (_, [made, options]) => {
    const read = Object.fromEntries(Object.keys(options).map((name) => [name, made[name as keyof Module]]));
    expect(read).toEqual(options);
  });

  it('are all options of its constructor', () => {
    const missing = listedCallables().flatMap(({ name, parameters }) => {
      const built = (qkv as unknown as Record<string, unknown>)[name.replace('new ', '')];
      if (!name.startsWith('new ') || !(built instanceof Function) || !(built.prototype instanceof Module)) return [];
      const [, options] = MADE[name.replace('new ', '')];
      const names = parameters.flatMap((one) => (one.options.length > 0 ? one.options : [one]).map((o) => o.name));
      const told = (option: string) => option in options || option in ELSEWHERE || DATA.includes(option);
      return names.filter((option) => !option.includes('.') && !told(option)).map((option) => `${name}.${option}`);
    });
    expect(missing).toEqual([]);
  });

  it('are the defaults where nothing was told', () => {
    const sizes = { dModel: 8, numHeads: 2 };
    const attention = new MultiHeadAttention(sizes);
    const ofAttention = { numKvHeads: 2, dK: 4, dV: 4, causal: false, softcap: 0, window: undefined, rope: undefined };
    expect(attention).toMatchObject({ ...ofAttention, alibi: false, kDim: 8, vDim: 8, dropout: 0 });
    expect(new SelfAttention({ dModel: 8 })).toMatchObject({
      numHeads: 1,
      dK: 8,
      scale: 1 / Math.sqrt(8),
      causal: false,
    });
    const block = new TransformerBlock({ ...sizes, dHidden: 5 });
    expect(block).toMatchObject({ ...ofAttention, alibi: false, activation: 'relu', epsilon: 1e-5, dHidden: 5 });
    const model = new CausalLM({ ...sizes, vocabularySize: 3, numLayers: 1 });
    expect(model).toMatchObject({ dHidden: 32, causal: true, tieEmbeddings: false, normPlacement: 'pre' });
    expect(model).toMatchObject({
      capacity: Number.POSITIVE_INFINITY,
      positions: 'rope',
      rope: { base: 10000, dim: 4 },
    });
  });

  it('cannot be set', () => {
    for (const name of ['numHeads', 'dModel', 'causal', 'numLayers', 'parameterCount']) {
      expect(() => Object.assign(MADE.CausalLM[0], { [name]: 1 }), name).toThrow(TypeError);
    }
    expect(MADE.CausalLM[0]).toMatchObject({ numHeads: 4, dModel: 12, causal: true, numLayers: 3 });
  });
});

describe('parameterCount', () => {
  it('counts the entries of all parameters', () => {
    expect(new Linear(3, 4, { bias: true }).parameterCount).toBe(3 * 4 + 4);
    const model = new CausalLM({ vocabularySize: 11, dModel: 4, numLayers: 2, numHeads: 2, bias: true });
    const ofLayer = 4 * (4 * 4 + 4) + (4 * 16 + 16) + (16 * 4 + 4) + 2 * 2 * 4;
    expect(model.parameterCount).toBe(11 * 4 + 2 * ofLayer + 2 * 4 + 4 * 11);
  });

  it('counts what is shared once, and what other containers hold', () => {
    const sizes = { vocabularySize: 11, dModel: 4, numLayers: 2, numHeads: 2 };
    const [own, tied] = [new CausalLM(sizes), new CausalLM({ ...sizes, tieEmbeddings: true })];
    expect(own.parameterCount - tied.parameterCount).toBe(11 * 4);
    class Two extends Module {
      first = new Linear(2, 3);
      list = [this.first, new Map([['second', new Linear(3, 5)]])];
    }
    expect(new Two().parameterCount).toBe(2 * 3 + 3 * 5);
    expect(new Module().parameterCount).toBe(0);
  });
});
