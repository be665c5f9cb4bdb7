import { describe, expect, test } from 'vitest';
import * as reference from '../../../../src/kernels/reference/activations.js';
import { unaryBackward } from '../../../../src/kernels/reference/elementwise.js';
import type { UnaryEntry, UnaryOperation } from '../../../../src/kernels/unary.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectOneHash, expectWithin, float64, grid, mapped, ulps } from './support.js';

type Scalar = (x: number) => number;
const POINTS = 60_000;
const RANGES = [
  [-100, 100],
  [-15, 0],
  [-9, -5],
  [0, 9],
  [-1, 1],
  [-1e-3, 1e-3],
  [-1e-30, 1e-30],
  [-1e-38, 1e-38],
];

/** Of each entry: its reference, how its error is measured, and the bound it states. */
const kinds: Record<
  Exclude<UnaryEntry, 'exp'>, // see exp.test.ts
  { exact: Scalar; error: (got: number, exact: number) => number; bound: (x: number, exact: number) => number }
> = {
  relu: { exact: reference.relu, error: ulps, bound: () => 0 },
  abs: { exact: Math.abs, error: (got, exact) => Number(!Object.is(got, Math.fround(exact))), bound: () => 0 },
  sqrt: { exact: Math.sqrt, error: (got, exact) => Number(!Object.is(got, Math.fround(exact))), bound: () => 0 },
  tanh: { exact: Math.tanh, error: ulps, bound: () => 3.5 },
  // From where e^−x overflows: −0.
  silu: { exact: reference.silu, error: ulps, bound: (x, exact) => (x > -88.72 ? 2.5 : ulps(0, exact)) },
  // Below 6.7e-39 = 0.4·2^−125.5 the factor e^(−x²/2) counts as 0.
  gelu: {
    exact: reference.gelu,
    error: ulps,
    bound: (x, exact) => (x >= 0 ? 4 : exact < -6.7e-39 ? 9 : ulps(0, exact)),
  },
  // (3 + 2.5·|2u|)·2^−23 of the result; the reference itself cancels: 2^−53 of x; underflow below 1.3e-36; a denormal is
  // off by its last place.
  geluTanh: {
    exact: reference.geluTanh,
    error: (got, exact) => Math.abs(got - exact),
    bound: (x, exact) => {
      const u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
      const relative = (3 + 2.5 * Math.min(Math.abs(2 * u), 1000)) * 2 ** -23;
      return relative * (x > 20 ? 2 ** -23 / relative : 1) * Math.abs(exact) + 2 ** -53 * Math.abs(x) + 1.3e-36;
    },
  },
};

describe.each(Object.entries(kinds))('%s', (name, { exact, error, bound }) => {
  const entry = entries[name];
  test('stays within its bound', () => {
    for (const [low, high] of RANGES) {
      const x = grid(low, high, POINTS);
      expectWithin(x, mapped(entry, x), exact, error, bound);
    }
  });
  test('NaN, ±∞, ±0 and the largest numbers as the reference', () => {
    const { NEGATIVE_INFINITY, POSITIVE_INFINITY, NaN: nan } = Number;
    const x = [NEGATIVE_INFINITY, POSITIVE_INFINITY, nan, 0, -0, 3e38, -3e38, 1e20, -1e20, 1e13, -1e13, 200, -200];
    const got = mapped(entry, x);
    x.forEach((value, i) => expect(got[i], `${name}(${value})`).toBe(Math.fround(exact(Math.fround(value)))));
    const nans = new Float32Array(Uint32Array.of(0x7fffffff, 0xffffffff, 0xffc00001, 0x7f800001).buffer);
    expect(mapped(entry, nans).every(Number.isNaN)).toBe(true);
  });
  test('any range of any length, between NaNs', () => {
    fc.assert(
      fc.property(
        fc.float32Array({ maxLength: 70, min: -50, max: 50, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (x, share) => {
          const arena = new Arena();
          const [from, to] = [arena.input(x), arena.output(x.length)];
          arena.run(x.length, Math.floor(share * x.length), (a, b) => entry(from, to, a, b));
          expectWithin(x, arena.read(to), exact, error, bound);
        },
      ),
    );
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const [from, to] = [arena.input(grid(-20, 20, 70)), arena.output(70)];
    expectOneHash(arena, () => entry(from, to, 0, 70));
  });
});

const UNIT = 2 ** -24;
/** e^x counts as 0 below: a slope loses that much, times the factors beside it. */
const UNDERFLOW = 2 ** -125.5;
/** What a result below the normal numbers loses. */
const DENORMAL = 2 ** -149;

const sigma = (z: number) => 1 / (1 + Math.exp(-z));
const cube = (x: number, factor: number) => 2 * Math.sqrt(2 / Math.PI) * (x + factor * 0.044715 * x ** 3);

/** The bound of each on |slope − exact|, where the operand is x or y. */
const bounds: Record<UnaryOperation, (x: number, slope: number) => number> = {
  exp: () => 0,
  log: () => 0,
  sqrt: () => 0,
  relu: () => 0,
  abs: () => 0,
  tanh: (_, slope) => 2 * UNIT * Math.abs(slope),
  silu: (x) => 5 * UNIT * sigma(x) * (1 + Math.abs(x) * sigma(-x)) + 100 * UNDERFLOW,
  // The reference cancels: 2^−53 of what it subtracts.
  geluTanh: (x) => {
    const at = Math.max(-12, Math.min(x, 12));
    const [z, d] = [Math.abs(cube(at, 1)), Math.abs(cube(at, 3))];
    const terms = 5 * sigma(cube(at, 1)) * (1 + d * sigma(-cube(at, 1))) + 3 * z * sigma(-z) * (1 + d);
    return UNIT * terms + 400 * UNDERFLOW + 2 ** -53 * (1 + d);
  },
  gelu: (x) => {
    const a = Math.min(Math.abs(x), 40);
    const terms = 0.5 * reference.erfc(-x * Math.SQRT1_2) + (a * Math.exp(-a * a * 0.5)) / Math.sqrt(2 * Math.PI);
    return 5 * UNIT * terms + 15 * UNDERFLOW;
  },
};
const operations = Object.keys(bounds) as UnaryOperation[];

/** entry(operand, dY, dX, 0, length). */
function backward(operation: UnaryOperation, operand: ArrayLike<number>, dY: ArrayLike<number>, cut = 0) {
  const arena = new Arena();
  const at = { x: arena.input(operand), dY: arena.input(dY), dX: arena.output(dY.length) };
  arena.run(dY.length, cut, (a, b) => entries[`${operation}_backward`](at.x, at.dY, at.dX, a, b));
  return arena.read(at.dX);
}

/** The reference on the operand, which is x or y as the operation has it. */
const exactOf = (operation: UnaryOperation, operand: Float32Array, dY: Float32Array) =>
  unaryBackward(float64, operation, Float64Array.from(operand), Float64Array.from(operand), Float64Array.from(dY));

/** dX is off by dY times the bound, and by its own rounding. */
function expectLaw(operation: UnaryOperation, operand: Float32Array, dY: Float32Array, cut = 0): void {
  const got = backward(operation, operand, dY, cut);
  const slopes = exactOf(operation, operand, new Float32Array(dY.length).fill(1));
  const exact = exactOf(operation, operand, dY);
  const wrong: string[] = [];
  for (let i = 0; i < got.length; i++) {
    const bound = bounds[operation](operand[i], slopes[i]) * Math.abs(dY[i]) + UNIT * Math.abs(exact[i]) + DENORMAL;
    // A result beyond the largest float32 is infinite.
    const rounded = Math.fround(exact[i]);
    const fine = Number.isFinite(rounded) ? Math.abs(got[i] - exact[i]) <= bound : Object.is(got[i], rounded);
    if (!fine) wrong.push(`at ${operand[i]}, ${dY[i]}: ${got[i]}, exactly ${exact[i]}, bound ${bound}`);
  }
  expect(wrong.slice(0, 3)).toEqual([]);
}

/** Operands of each: tanh has results of size 1 at most, log and sqrt none below 0. */
const rangesOf = (operation: UnaryOperation) => {
  if (operation === 'tanh')
    return [
      [-1, 1],
      [0.99, 1],
      [-1e-3, 1e-3],
    ];
  if (operation === 'log' || operation === 'sqrt')
    return [
      [1e-3, 100],
      [1e-38, 1e-36],
    ];
  return [
    [-100, 100],
    [-15, 0],
    [-9, -5],
    [0, 9],
    [-1, 1],
    [-1e-3, 1e-3],
    [-1e-38, 1e-38],
  ]; // prettier-ignore
};

describe.each(operations)('%s_backward', (operation) => {
  test('stays within its bound', () => {
    for (const [low, high] of rangesOf(operation)) {
      const x = grid(low, high, 40_000);
      expectLaw(operation, x, new Float32Array(40_000).fill(1));
      expectLaw(operation, x, grid(-3, 5, 40_000));
    }
  });
  test('NaN, ±∞, ±0 and the largest numbers as the reference', () => {
    const { NEGATIVE_INFINITY, POSITIVE_INFINITY, NaN: nan } = Number;
    const all = [NEGATIVE_INFINITY, POSITIVE_INFINITY, nan, 0, -0, 1, -1, 3e38, -3e38, 1e30, -1e30, 200, -200, 1e-45];
    const results: Partial<Record<UnaryOperation, number[]>> = {
      tanh: [1, -1, nan, 0, -0, 1e-45],
      sqrt: [POSITIVE_INFINITY, nan, 0, 1, 1e19, 1e-22],
    };
    const x = results[operation] ?? all;

    for (const upstream of [0, 1, -2, POSITIVE_INFINITY, NEGATIVE_INFINITY, nan, 1e-45]) {
      const [operand, dY] = [Float32Array.from(x), new Float32Array(x.length).fill(upstream)];
      const [got, exact] = [backward(operation, operand, dY), exactOf(operation, operand, dY)];
      const slopes = exactOf(operation, operand, new Float32Array(x.length).fill(1));
      operand.forEach((value, i) => {
        const expected = Math.fround(exact[i]);
        const label = `${value}, ${upstream}`;
        // Where the slope is 0 or underflows its sign is nobody's, and ∞ times it may be NaN.
        if (Number.isFinite(expected)) expect(Math.abs(got[i] - expected), label).toBeLessThan(1e-7);
        else if (slopes[i] !== 0 && Math.abs(slopes[i]) < 1e-35) expect(Number.isFinite(got[i]), label).toBe(false);
        else expect(got[i], label).toBe(expected);
      });
    }
  });
  test('any range of any length, between NaNs', () => {
    const values = fc.float({
      min: operation === 'log' || operation === 'sqrt' ? Math.fround(0.01) : -1,
      max: 1,
      noNaN: true,
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(values, fc.float({ min: -50, max: 50, noNaN: true })), { maxLength: 70 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (pairs, share) => {
          const [x, dY] = [0, 1].map((side) => Float32Array.from(pairs, (pair) => pair[side]));
          expectLaw(operation, x, dY, Math.floor(share * pairs.length));
        },
      ),
    );
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const at = { x: arena.input(grid(-1, 1, 70)), dY: arena.input(grid(-2, 2, 70)), dX: arena.output(70) };
    expectOneHash(arena, () => entries[`${operation}_backward`](at.x, at.dY, at.dX, 0, 70));
  });
});

test('the slope of relu at 0 is 0', () => {
  expect([...backward('relu', [0, -0, 1e-45], [2, 2, 2])]).toEqual([0, 0, 2]);
});
