import { describe, expect, it } from 'vitest';
import type { StoredTensor } from '../../src/index.js';
import { invoke } from '../calls/callable.js';
import { PLACES } from '../calls/places.js';
import { GOOD_CALLS } from '../calls/registry.js';
import { grammarFault } from './grammar.js';
import { picture } from './state.js';

/** Everything that takes a Map of tensors, which is its first argument. */
const DOORS = PLACES.filter(({ index, path, kinds }) => index === 0 && path.length === 0 && kinds.includes('Map'));

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

/** What is wrong with the answer of the working call to another state. */
function faultOf(name: string, state: unknown): string | undefined {
  const { args, ...good } = GOOD_CALLS[name]();
  try {
    invoke(name, { ...good, args: [state, ...args.slice(1)] });
  } catch (error) {
    return grammarFault(error);
  }
  return 'nothing was thrown';
}

describe.each(DOORS.map(({ name }) => name))('%s', (door) => {
  const good = GOOD_CALLS[door]().args[0] as Map<unknown, unknown>;

  it.each(Object.keys(MISTAKES))('refuses %s in its own words', (mistake) => {
    for (const [name, tensor] of good) {
      const bad = MISTAKES[mistake](tensor as never);
      if (isUnchanged(tensor, bad)) continue; // of a number the shape is [] in any case
      expect(faultOf(door, new Map(good).set(name, bad)), String(name)).toBeUndefined();
    }
  });

  it('refuses names that are none, and what is no Map', () => {
    for (const name of [5, Symbol('name'), {}, null, undefined]) {
      const [tensor] = good.values();
      expect(faultOf(door, new Map(good).set(name, tensor)), picture(name)).toBeUndefined();
    }
    for (const state of [null, {}, [], new Set()]) expect(faultOf(door, state), picture(state)).toBeUndefined();
  });
});

it('every door is found', () => {
  const loaders = Object.keys(GOOD_CALLS).filter((name) => /\.(load\w+|fromTorch)$|^writeSafetensors$/.test(name));
  expect(DOORS.map(({ name }) => name).sort()).toEqual(loaders.sort());
});
