import { describe, expect, it } from 'vitest';
import {
  AdamW,
  CausalLM,
  KVCache,
  LayerNorm,
  Linear,
  Matrix,
  Module,
  MultiHeadAttention,
  Parameter,
  readSafetensors,
  SelfAttention,
  valueAndGrad,
  writeSafetensors,
} from '../../src/index.js';

const x = new Matrix(2, 3);
const objects = {
  Matrix: x,
  Parameter: new Parameter(2, 3),
  Linear: new Linear(2, 3),
  LayerNorm: new LayerNorm(3),
  SelfAttention: new SelfAttention({ dModel: 4 }),
  MultiHeadAttention: new MultiHeadAttention({ dModel: 4, numHeads: 2 }),
  CausalLM: new CausalLM({ vocabularySize: 4, dModel: 4, numLayers: 1, numHeads: 1, dHidden: 4 }),
  AdamW: new AdamW([new Parameter(1, 1)], { learningRate: 1 }),
  KVCache: new KVCache({ capacity: 2, dK: 2 }),
  Gradients: valueAndGrad(() => x.sum()).gradients,
};

describe.each(Object.entries(objects))('a property that a %s does not have', (name, object) => {
  it('cannot be set, and nothing has changed then', () => {
    const keys = Reflect.ownKeys(object);
    expect(() => Object.assign(object, { thing: 1 })).toThrow(
      `${name}: a property that is set must exist: unknown property "thing"`,
    );
    expect(Reflect.ownKeys(object)).toEqual(keys);
    expect('thing' in object).toBe(false);
  });

  it('can be one of symbols, and defined on purpose', () => {
    const mark = Symbol('mark');
    expect(Reflect.set(object, mark, 1)).toBe(true);
    expect(Object.getOwnPropertyDescriptor(object, mark)?.value).toBe(1);
    expect(Reflect.deleteProperty(object, mark)).toBe(true);
  });
});

describe('what is told of a property that does not exist', () => {
  it.each([
    [
      objects.AdamW,
      'lr',
      'AdamW: a property that is set must exist: unknown property "lr" (did you mean learningRate?)',
    ],
    [objects.LayerNorm, 'eps', '(did you mean epsilon?)'],
    [objects.Linear, 'weight', '(did you mean W?)'],
    [objects.MultiHeadAttention, 'W_q', '(did you mean W_Q?)'],
  ])('of %o.%s', (object, name, message) => {
    const set = () => Reflect.set(object, name, 1);
    expect(set).toThrow(message);
    expect(set).toThrow(TypeError);
  });

  it('takes what exists', () => {
    objects.AdamW.learningRate = 0.5;
    expect(objects.AdamW.learningRate).toBe(0.5);
    objects.Parameter.name = 'W';
    expect(objects.Parameter.name).toBe('W');
    objects.Linear.training = false;
    expect(objects.Linear.training).toBe(false);
  });
});

describe('what has only a getter', () => {
  it.each<[string, object, string]>([
    ['Matrix.shape', x, 'shape'],
    ['Matrix.T', x, 'T'],
    ['MultiHeadAttention.numHeads', objects.MultiHeadAttention, 'numHeads'],
    ['MultiHeadAttention.causal', objects.MultiHeadAttention, 'causal'],
    ['CausalLM.parameterCount', objects.CausalLM, 'parameterCount'],
    ['KVCache.length', objects.KVCache, 'length'],
    ['AdamW.groups', objects.AdamW, 'groups'],
  ])('says that it cannot be set: %s', (called, object, name) => {
    const before = Reflect.get(object, name);
    const [type] = called.split('.');
    expect(() => Object.assign(object, { [name]: 1 })).toThrow(
      `${type}: ${name} must stay as it is: it was set (make another one)`,
    );
    expect(Reflect.get(object, name)).toEqual(before);
  });

  it("of a user stays the user's, and is none of the names that can be set", () => {
    class Mine extends Linear {
      get twice(): number {
        return 2;
      }
    }
    expect(Object.getOwnPropertyDescriptor(Object.getPrototypeOf(new Mine(1, 1)), 'twice')?.set).toBeUndefined();
    expect(() => Object.assign(objects.KVCache, { nothing: 1 })).not.toThrow('length');
  });
});

describe('JSON', () => {
  it.each(Object.entries(objects).filter(([name]) => name !== 'Matrix' && name !== 'Parameter'))(
    'of a %s is refused: its numbers would be lost',
    (name, object) => {
      expect(() => JSON.stringify({ object })).toThrow(
        `${name}.toJSON: numbers must not become JSON: they would be lost (`,
      );
      expect(() => JSON.stringify({ object })).toThrow(TypeError);
    },
  );

  it('of a state dict is refused, which is a Map as before', () => {
    const { Linear: linear, AdamW: adam } = objects;
    const mha = objects.MultiHeadAttention;
    const states = [
      linear.stateDict(),
      mha.dropoutState(),
      adam.stateDict(),
      mha.toTorch(),
      readSafetensors(writeSafetensors(linear.stateDict())),
    ];
    for (const state of states) {
      expect(() => JSON.stringify(state)).toThrow(
        'stateDict.toJSON: numbers must not become JSON: they would be lost (writeSafetensors',
      );
      expect(Object.keys(state).filter((key) => key !== 'metadata')).toEqual([]);
      expect(structuredClone(new Map(state))).toEqual(new Map(state));
    }
  });
});

describe('classes of users', () => {
  it('set fields of their own, wherever they derive from', () => {
    class Net extends Module {
      constructor() {
        super();
        Object.assign(this, { inner: new Linear(2, 3) });
      }
    }
    class Tuned extends Linear {}
    const plain = Object.assign(new Module(), { inner: new Linear(2, 3) });
    expect([...plain.namedParameters().keys()]).toEqual(['inner.W']);
    const net = new Net();
    const tuned = new Tuned(2, 3);
    Object.assign(tuned, { note: 'mine' });
    expect([...net.namedParameters().keys()]).toEqual(['inner.W']);
    expect(tuned).toHaveProperty('note', 'mine');
  });

  it('are instances of Object as before', () => {
    for (const object of Object.values(objects)) expect(object).toBeInstanceOf(Object);
  });
});
