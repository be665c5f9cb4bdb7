import { describe, expect, it } from 'vitest';
import {
  CausalLM,
  Linear,
  MultiHeadAttention,
  type StoredTensor,
  TransformerBlock,
  writeSafetensors,
} from '../../src/index.js';
import { GOOD_CALLS } from '../calls/registry.js';
import { grammarFault } from './grammar.js';
import { picture } from './state.js';

type State = Map<unknown, unknown>;

const SIZES = { dModel: 4, numHeads: 2 };
const block = () => new TransformerBlock({ ...SIZES, dHidden: 6 });
const llama = () => new CausalLM({ ...SIZES, vocabularySize: 6, numLayers: 1, norm: 'rms', activation: 'swiglu' });

/** Everything that takes a Map of tensors: a good one, and what it is given to. */
const DOORS: Record<string, () => [State, (state: never) => unknown]> = {
  'Module.loadStateDict': () => [new Linear(2, 3).stateDict(), (state) => new Linear(2, 3).loadStateDict(state)],
  'Module.loadDropoutState': () => fromCall('Module.loadDropoutState'),
  'SGD.loadStateDict': () => fromCall('SGD.loadStateDict'),
  'Adam.loadStateDict': () => fromCall('Adam.loadStateDict'),
  'MultiHeadAttention.fromTorch': () => [
    new MultiHeadAttention(SIZES).toTorch(),
    (state) => MultiHeadAttention.fromTorch(state, { numHeads: 2 }),
  ],
  'TransformerBlock.fromTorch': () => [
    block().toTorch(),
    (state) => TransformerBlock.fromTorch(state, { numHeads: 2 }),
  ],
  'CausalLM.fromTorch': () => [llama().toTorch(), (state) => CausalLM.fromTorch(state, { numHeads: 2 })],
  writeSafetensors: () => [new Linear(2, 3).stateDict(), (state) => writeSafetensors(state)],
};

function fromCall(name: string): [State, (state: never) => unknown] {
  const { self, args } = GOOD_CALLS[name]();
  const method = name.slice(name.indexOf('.') + 1);
  return [args[0] as State, (state) => (self as Record<string, (state: unknown) => unknown>)[method](state)];
}

class Odd {
  dtype = 'F32';
}

/** A tensor made wrong. */
const MISTAKES: Record<string, (tensor: { dtype: string; shape: number[]; data: Float32Array }) => unknown> = {
  null: () => null,
  undefined: () => undefined,
  'a number': () => 5,
  'a bigint': () => 5n,
  'a string': () => 'tensor',
  'a symbol': () => Symbol('tensor'),
  'a function': () => () => 1,
  'an array': ({ data }) => [...data],
  'a typed array': ({ data }) => data,
  'a Map': (tensor) => new Map(Object.entries(tensor)),
  'an empty object': () => ({}),
  'an instance': () => new Odd(),
  'no dtype': ({ dtype, ...rest }) => rest,
  'no shape': ({ shape, ...rest }) => rest,
  'no data': ({ data, ...rest }) => rest,
  'dtype null': (tensor) => ({ ...tensor, dtype: null }),
  'an unknown dtype': (tensor) => ({ ...tensor, dtype: 'F31' }),
  "the dtype 'constructor'": (tensor) => ({ ...tensor, dtype: 'constructor' }),
  'a dtype that is an object': (tensor) => ({ ...tensor, dtype: { toString: null } }),
  'shape null': (tensor) => ({ ...tensor, shape: null }),
  'shape a number': (tensor) => ({ ...tensor, shape: 6 }),
  'shape a string': (tensor) => ({ ...tensor, shape: '23' }),
  'a shape of strings': (tensor) => ({ ...tensor, shape: tensor.shape.map(String) }),
  'a shape with holes': (tensor) => ({ ...tensor, shape: new Array(tensor.shape.length) }),
  'a shape with one hole': (tensor) => ({ ...tensor, shape: tensor.shape.slice(0, -1).concat(new Array(1)) }),
  'a shape of NaN': (tensor) => ({ ...tensor, shape: tensor.shape.map(() => Number.NaN) }),
  'a negative shape': (tensor) => ({ ...tensor, shape: tensor.shape.map((extent) => -extent) }),
  'a fractional shape': (tensor) => ({ ...tensor, shape: tensor.shape.map((extent) => extent + 0.5) }),
  'an endless shape': (tensor) => ({ ...tensor, shape: tensor.shape.map(() => Number.POSITIVE_INFINITY) }),
  'a shape of objects': (tensor) => ({ ...tensor, shape: tensor.shape.map(() => ({})) }),
  'a shape of symbols': (tensor) => ({ ...tensor, shape: tensor.shape.map(() => Symbol('extent')) }),
  'a shape of bigints': (tensor) => ({ ...tensor, shape: tensor.shape.map(BigInt) }),
  'a shape with more': (tensor) => ({ ...tensor, shape: [...tensor.shape, 2] }),
  'data null': (tensor) => ({ ...tensor, data: null }),
  'data an array': (tensor) => ({ ...tensor, data: [...tensor.data] }),
  'data of another kind': (tensor) => ({ ...tensor, data: new Int8Array(tensor.data.length) }),
  'data a buffer': (tensor) => ({ ...tensor, data: tensor.data.buffer }),
  'data a DataView': (tensor) => ({ ...tensor, data: new DataView(tensor.data.buffer) }),
  'data too short': (tensor) => ({ ...tensor, data: tensor.data.slice(1) }),
  'data moved away': (tensor) => {
    const data = tensor.data.slice();
    structuredClone(data.buffer, { transfer: [data.buffer] });
    return { ...tensor, data };
  },
};

function isUnchanged(good: unknown, bad: unknown): boolean {
  const [a, b] = [good, bad ?? {}] as Partial<StoredTensor>[];
  return a.data === b.data && a.dtype === b.dtype && a.shape?.length === 0 && b.shape?.length === 0;
}

describe.each(Object.keys(DOORS))('%s', (door) => {
  it.each(Object.keys(MISTAKES))('refuses %s in its own words', (mistake) => {
    const [good, call] = DOORS[door]();
    for (const name of good.keys()) {
      const state: State = new Map(good);
      state.set(name, MISTAKES[mistake](good.get(name) as never));
      if (isUnchanged(good.get(name), state.get(name))) continue; // of a number the shape is [] in any case
      let thrown: unknown = 'nothing';
      try {
        call(state as never);
      } catch (error) {
        thrown = error;
      }
      expect(grammarFault(thrown), `${name}: ${thrown}`).toBeUndefined();
    }
  });

  it('refuses names that are none, and what is no Map', () => {
    const [good, call] = DOORS[door]();
    for (const name of [5, Symbol('name'), {}, null, undefined]) {
      let thrown: unknown = 'nothing';
      try {
        call(new Map<unknown, unknown>([...good, [name, [...good.values()][0]]]) as never);
      } catch (error) {
        thrown = error;
      }
      expect(grammarFault(thrown), `${picture(name)}: ${thrown}`).toBeUndefined();
    }
    for (const state of [null, {}, [], new Set()]) {
      let thrown: unknown = 'nothing';
      try {
        call(state as never);
      } catch (error) {
        thrown = error;
      }
      expect(grammarFault(thrown), `${picture(state)}: ${thrown}`).toBeUndefined();
    }
  });
});
