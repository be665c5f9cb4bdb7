import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../src/core/errors.js';
import type { StoredTensor } from '../../src/core/stored-tensor.js';
import { Matrix } from '../../src/matrix.js';
import {
  buffer,
  layoutOf,
  linear,
  matrix,
  readTensors,
  tensorsUnder,
  vector,
  within,
  writeTensors,
  writtenAs,
} from '../../src/nn/torch-tensors.js';
import { pictures } from '../support/stored.js';

const f32 = (shape: number[], ...numbers: number[]): StoredTensor => {
  return { dtype: 'F32', shape, data: Float32Array.from(numbers) };
};

/** Two maps of two inputs stored as one, beside one stored as it is, with biases or without. */
const LAYOUT = [
  linear('ab.weight', 'A B', 'in', 'out'),
  matrix('c.weight', 'C', 'out', 'in'),
  vector('ab.bias', 'a b', 'out', 'bias'),
  vector('c.bias', 'c', 'in', 'bias', true),
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
const parameters = () =>
  new Map([...ours()].map(([name, { shape, data }]) => [name, new Matrix(shape[0], shape[1], data as Float32Array)]));

describe('readTensors and writeTensors', () => {
  it('split, transpose and name', () => {
    const { state, sizes } = readTensors('f', LAYOUT, stored());
    expect(pictures(state)).toEqual(pictures(ours()));
    expect([...sizes]).toEqual([
      ['in', 2],
      ['out', 3],
    ]);
    expect(pictures(writeTensors('f', 'torch', LAYOUT, parameters()))).toEqual(pictures(stored()));
  });

  it('a group is there or not, an optional tensor of it is zeros, a buffer is nothing', () => {
    expect([...readTensors('f', LAYOUT, without('ab.bias', 'c.bias')).state.keys()]).toEqual(['A', 'B', 'C']);
    const zeros = readTensors('f', LAYOUT, without('c.bias')).state.get('c');
    expect(zeros).toEqual(f32([1, 2], 0, 0));
    const more = stored().set('steps', { dtype: 'I64', shape: [1], data: BigInt64Array.of(4n) });
    expect(pictures(readTensors('f', LAYOUT, more).state)).toEqual(pictures(ours()));
    const some = parameters();
    some.delete('c');
    expect(writeTensors('f', 'torch', LAYOUT, some).get('c.bias')).toEqual(f32([2], 0, 0));
    for (const name of ['a', 'b']) some.delete(name);
    expect([...writeTensors('f', 'torch', LAYOUT, some).keys()]).toEqual(['ab.weight', 'c.weight']);
  });

  it.each([
    [without('c.weight'), 'missing c.weight; unknown none'],
    [without('ab.bias'), 'missing ab.bias; unknown none'],
    [stored().set('d "e', f32([1], 1)), String.raw`missing none; unknown "d \"e"`],
    [stored().set('c.weight', f32([2, 3], 1, 2, 3, 4, 5, 6)), 'c.weight must have shape [3, 2]: got [2, 3]'],
    [stored().set('ab.weight', f32([5, 2])), 'ab.weight must have shape [2·out, in]: got [5, 2]'],
    [stored().set('ab.weight', f32([6], 1)), 'ab.weight must have shape [2·out, in]: got [6]'],
    [stored().set('ab.weight', f32([6, 2], 1)), 'ab.weight must hold 12 numbers: got 1'],
    [stored().set('c.bias', { dtype: 'U8', shape: [2], data: new Uint8Array(2) }), 'c.bias must be { dtype, shape'],
    [new Map(Array.from({ length: 20 }, (_, i) => [`n${i}`, f32([0])])), 'n7 and 12 more'],
  ])('refuses %o', (state, text) => {
    expect(() => readTensors('f', LAYOUT, state)).toThrow(text);
  });

  it.each([
    ['A', undefined, "f: the parameters must be those of layout 'torch': missing A; without a place there none"],
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

describe('names', () => {
  it('within puts both names behind those of the whole', () => {
    const [ab, , , , steps] = within('layer.', 'part.', LAYOUT);
    expect([ab.name, ab.parts, steps.name, steps.parts]).toEqual([
      'layer.ab.weight',
      ['part.A', 'part.B'],
      'layer.steps',
      [],
    ]);
  });

  it('tensorsUnder takes those of a prefix', () => {
    const state = new Map([...stored()].map(([name, tensor]) => [`x.${name}`, tensor]));
    expect([...tensorsUnder('f', state, 'x.c.').keys()]).toEqual(['weight', 'bias']);
    expect(tensorsUnder('f', state).size).toBe(4);
    expect(() => tensorsUnder('f', new Map([[1, 2]]))).toThrow('f: names must be strings: got 1');
    expect(() => tensorsUnder('f', { a: 1 })).toThrow('f: the state must be a Map of tensors: got an object');
    expect(() => tensorsUnder('f', state, 3)).toThrow('f: prefix must be a string: got 3');
  });

  const SIGNS = { torch: 'a.weight', llama: 'out.a.weight' } as const;
  it('layoutOf takes the layout whose sign is there', () => {
    expect(layoutOf('f', SIGNS, ['b', 'a.weight'])).toBe('torch');
    expect(layoutOf('f', SIGNS, ['out.a.weight'])).toBe('llama');
  });
  const rule = 'f: the state must hold one of a.weight, out.a.weight';
  it.each([
    [[], `${rule}: its names are none (is prefix right?)`],
    [['b'], `${rule}: its names are b (is prefix right?)`],
    [['l.0.out.a.weight'], `${rule}: its names are l.0.out.a.weight (did you mean prefix: 'l.0.'?)`],
    [['l.0.a.weight'], `${rule}: its names are l.0.a.weight (did you mean prefix: 'l.0.'?)`],
    [Object.values(SIGNS), `${rule}: it holds those of torch and llama`],
  ])('layoutOf refuses %s', (names, text) => {
    expect(() => layoutOf('f', SIGNS, names)).toThrow(new ShapeError(text));
  });

  it('writtenAs gives what is asked for, or the usual', () => {
    expect(writtenAs('f', {}, SIGNS, 'llama')).toEqual({ layout: 'llama', prefix: '' });
    expect(writtenAs('f', { layout: 'torch', prefix: 'p' }, SIGNS, 'llama')).toEqual({ layout: 'torch', prefix: 'p' });
    expect(() => writtenAs('f', { layout: 'gpt2' }, SIGNS, 'llama')).toThrow(
      "f: layout must be 'torch' or 'llama': got \"gpt2\"",
    );
    expect(() => writtenAs('f', { prefix: 3 }, SIGNS, 'llama')).toThrow('f: prefix must be a string: got 3');
  });
});
