import { describe, expect, it } from 'vitest';
import type { StoredTensor } from '../../../src/core/stored-tensor.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { readTensors, writeTensors } from '../../../src/nn/weights/copy.js';
import { requireTensors } from '../../../src/nn/weights/names.js';
import { bias, buffer, linear, matrix, vector } from '../../../src/nn/weights/tensors.js';
import { pictures } from '../../support/stored.js';

const f32 = (shape: number[], ...numbers: number[]): StoredTensor => {
  return { dtype: 'F32', shape, data: Float32Array.from(numbers) };
};

/** Two maps of two inputs stored as one, beside one stored as it is, with biases or without. */
const LAYOUT = [
  linear('ab.weight', 'A B', 'in', 'out'),
  matrix('c.weight', 'C', 'out', 'in'),
  bias('ab.bias', 'a b', 'out'),
  vector('c.bias', 'c', 'in', 'c'),
  buffer('steps'),
];
const stored = () =>
  new Map([
    ['ab.weight', f32([6, 2], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)],
    ['c.weight', f32([3, 2], 1, 2, 3, 4, 5, 6)],
    ['ab.bias', f32([6], 1, 2, 3, 4, 5, 6)],
    ['c.bias', f32([2], 7, 8)],
  ]);
const without = (...names: string[]) => new Map([...stored()].filter(([name]) => !names.includes(name)));
const ours = () =>
  new Map([
    ['A', f32([2, 3], 1, 3, 5, 2, 4, 6)],
    ['B', f32([2, 3], 7, 9, 11, 8, 10, 12)],
    ['C', f32([3, 2], 1, 2, 3, 4, 5, 6)],
    ['a', f32([1, 3], 1, 2, 3)],
    ['b', f32([1, 3], 4, 5, 6)],
    ['c', f32([1, 2], 7, 8)],
  ]);
const read = (state: Map<string, StoredTensor>) => readTensors('f', requireTensors('f', LAYOUT, state), state);
const parameters = () =>
  new Map([...ours()].map(([name, { shape, data }]) => [name, new Matrix(shape[0], shape[1], data as Float32Array)]));

describe('readTensors and writeTensors', () => {
  it('split, transpose and name', () => {
    const { state, sizes } = read(stored());
    expect(pictures(state)).toEqual(pictures(ours()));
    expect([...sizes]).toEqual([
      ['in', 2],
      ['out', 3],
    ]);
    expect(pictures(writeTensors('f', 'torch', LAYOUT, parameters()))).toEqual(pictures(stored()));
  });

  it('split what is stored beside one another in rows', () => {
    const layout = [matrix('ab.weight', 'A B', 'in', 'out')];
    const state = new Map([['ab.weight', f32([2, 6], 1, 2, 3, 7, 8, 9, 4, 5, 6, 10, 11, 12)]]);
    const got = readTensors('f', requireTensors('f', layout, state), state).state;
    const split = { A: f32([2, 3], 1, 2, 3, 4, 5, 6), B: f32([2, 3], 7, 8, 9, 10, 11, 12) };
    expect(pictures(got)).toEqual(pictures(new Map(Object.entries(split))));
    const both = new Map(
      Object.entries(split).map(([name, { data }]) => [name, new Matrix(2, 3, data as Float32Array)]),
    );
    expect(pictures(writeTensors('f', 'torch', layout, both))).toEqual(pictures(state));
  });

  it('read and write views of larger arrays, bit for bit', () => {
    const bits = Uint32Array.of(0, 0x7fa00001, 0xffc12345, 0x80000000, 1, 0x7f800001, 0);
    const view = new Float32Array(bits.buffer, 4, 4); // two NaNs, one of them signaling, with what they carry; −0; 2^-149
    const state = new Map([['c.weight', { dtype: 'F32', shape: [2, 2], data: view } as StoredTensor]]);
    for (const [form, order] of [
      [matrix, [1, 2, 3, 4]],
      [linear, [1, 3, 2, 4]],
    ] as const) {
      const layout = [form('c.weight', 'C', 'in', 'out')];
      const { data } = readTensors('f', requireTensors('f', layout, state), state).state.get('C') as StoredTensor;
      expect([...new Uint32Array(data.buffer)]).toEqual(order.map((i) => bits[i]));
      const written = writeTensors('f', 'torch', layout, new Map([['C', new Matrix(2, 2, view)]]));
      expect([...new Uint32Array(written.get('c.weight')?.data.buffer as ArrayBuffer)]).toEqual(
        order.map((i) => bits[i]),
      );
    }
  });

  it('nothing is moved for an axis of 2^50 beside one of 0', () => {
    const empty = new Map([
      ['ab.weight', f32([2 ** 51, 0])],
      ['c.weight', f32([2 ** 50, 0])],
    ]);
    expect(read(empty).sizes).toEqual(
      new Map([
        ['in', 0],
        ['out', 2 ** 50],
      ]),
    );
  });

  it('what is not there is no parameter, and a buffer is none', () => {
    expect([...read(without('ab.bias', 'c.bias')).state.keys()]).toEqual(['A', 'B', 'C']);
    expect([...read(without('ab.bias')).state.keys()]).toEqual(['A', 'B', 'C', 'c']);
    const more = stored().set('steps', { dtype: 'I64', shape: [1], data: BigInt64Array.of(4n) });
    expect(pictures(read(more).state)).toEqual(pictures(ours()));
    const some = parameters();
    some.delete('c');
    expect([...writeTensors('f', 'torch', LAYOUT, some).keys()]).toEqual(['ab.weight', 'c.weight', 'ab.bias']);
    for (const name of ['a', 'b']) some.delete(name);
    expect([...writeTensors('f', 'torch', LAYOUT, some).keys()]).toEqual(['ab.weight', 'c.weight']);
  });

  it.each([
    [without('c.weight'), 'missing c.weight; unknown none'],
    [stored().set('d "e', f32([1], 1)), String.raw`missing none; unknown "d \"e"`],
    [stored().set('c.weight', f32([2, 3], 1, 2, 3, 4, 5, 6)), 'c.weight must have shape [3, 2]: got [2, 3]'],
    [stored().set('ab.weight', f32([5, 2])), 'ab.weight must have shape [2·out, in]: got [5, 2]'],
    [stored().set('ab.weight', f32([6], 1)), 'ab.weight must have shape [2·out, in]: got [6]'],
    [stored().set('ab.weight', f32([6, 2], 1)), 'ab.weight must hold 12 numbers: got 1'],
    [stored().set('c.bias', { dtype: 'U8', shape: [2], data: new Uint8Array(2) }), 'c.bias must be { dtype, shape'],
    [new Map(Array.from({ length: 20 }, (_, i) => [`n${i}`, f32([0])])), 'n7 and 12 more'],
  ])('refuses %o', (state, text) => {
    expect(() => read(state)).toThrow(text);
  });

  it.each([
    ['A', undefined, "f: the parameters must be those of layout 'torch': missing A; without a place there none"],
    ['a', undefined, 'missing a; without a place there none'],
    ['D', new Matrix(1, 1), 'missing none; without a place there D'],
    ['B', new Matrix(3, 3), "f: B must be (in × out) = 2×3 in layout 'torch': got 3×3"],
    ['b', new Matrix(1, 4), "f: b must be (1 × out) = 1×3 in layout 'torch': got 1×4"],
  ])('refuses to write with another %s', (name, given, text) => {
    const changed = parameters();
    if (given) changed.set(name, given);
    else changed.delete(name);
    expect(() => writeTensors('f', 'torch', LAYOUT, changed)).toThrow(text);
  });
});
