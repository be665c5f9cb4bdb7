import { describe, expect, it } from 'vitest';
import { activations } from '../../../src/kernels/reference/activations.js';
import {
  argmax,
  binary,
  broadcast,
  elementary,
  mapped,
  scale,
  sum,
  sumRows,
  unaryBackward,
} from '../../../src/kernels/reference/elementwise.js';
import { UNARY, type UnaryOperation } from '../../../src/kernels/unary.js';
import { expectDerivative, float64, wave } from './derivatives.js';

const functions = { ...elementary, ...activations };
const allocate = (length: number) => new Float64Array(length);
const a = Float64Array.of(1, 2, 3, 4);

describe('elementwise kernels', () => {
  it.each([
    ['add', [11, 22, 13, 24]],
    ['subtract', [-9, -18, -7, -16]],
    ['multiply', [10, 40, 30, 80]],
    ['divide', [0.1, 0.1, 0.3, 0.2]],
  ] as const)('%s entry by entry, a row repeated', (operation, expected) => {
    expect([...binary(allocate, operation, a, Float64Array.of(10, 20))]).toEqual(expected);
    expect([...binary(allocate, operation, a, Float64Array.of(10, 20, 10, 20))]).toEqual(expected);
  });

  it.each([
    ['exp', Math.exp],
    ['log', Math.log],
    ['sqrt', Math.sqrt],
    ['tanh', Math.tanh],
  ] as const)('%s', (operation, f) => {
    expect([...mapped(allocate, elementary[operation], a)]).toEqual([...a].map(f));
  });

  it('scale and sum', () => {
    expect([...scale(allocate, a, -2)]).toEqual([-2, -4, -6, -8]);
    expect([...sum(allocate, a)]).toEqual([10]);
    expect([...sum(allocate, new Float64Array(0))]).toEqual([0]);
  });

  it('take empty operands', () => {
    const empty = new Float64Array(0);
    expect(binary(allocate, 'add', empty, empty).length).toBe(0);
    expect(mapped(allocate, Math.exp, empty).length).toBe(0);
  });
});

describe('unaryBackward', () => {
  it.each(Object.keys(UNARY) as UnaryOperation[])('is the derivative of %s', (name) => {
    const signed = wave(40, 1, 4);
    const x = name === 'log' || name === 'sqrt' ? signed.map(Math.abs) : signed;
    const dY = wave(40, 2);
    const f = (at: Float64Array) => mapped(float64, functions[name], at);
    expectDerivative(f, x, dY, unaryBackward(float64, name, x, f(x), dY));
  });

  it.each<[UnaryOperation, number]>([
    ['relu', 0],
    ['sqrt', Infinity],
    ['log', Infinity],
  ])('%s has slope %d at 0', (name, slope) => {
    const zero = new Float64Array(1);
    expect([...unaryBackward(float64, name, zero, mapped(float64, functions[name], zero), Float64Array.of(1))]).toEqual(
      [slope],
    );
  });
});

describe('argmax', () => {
  const { NaN: nan, NEGATIVE_INFINITY: low } = Number;
  it.each([
    [[1, 3, 2], 1],
    [[2, 5, 5], 1],
    [[low, low, low], 0],
    [[-0, 0, 0], 0],
    [[1, nan, 9], 1],
    [[nan, nan, 9], 0],
    [[7], 0],
  ])('of %j is %i', (row, expected) => {
    expect([...argmax(Float32Array.from([...row, ...row]), 2, row.length)]).toEqual([expected, expected]);
  });

  it('of no rows is empty', () => {
    expect(argmax(new Float32Array(0), 0, 3)).toEqual(new Int32Array(0));
  });
});

describe('broadcast', () => {
  it('repeats the product in full, rounded once', () => {
    expect([...broadcast((length) => new Float32Array(length), Float32Array.of(3), 3, 1 / 3)]).toEqual([1, 1, 1]);
    const third = broadcast(float64, Float64Array.of(-0), 2, 1 / 3);
    expect([...third]).toEqual([-0, -0]);
    expect(broadcast(float64, Float64Array.of(Number.NaN), 0, 1).length).toBe(0);
  });
});

describe('sumRows', () => {
  it('sums every column', () => {
    expect([...sumRows(float64, a, 2, 2)]).toEqual([4, 6]);
    expect([...sumRows(float64, new Float64Array(0), 0, 2)]).toEqual([0, 0]);
  });
});
