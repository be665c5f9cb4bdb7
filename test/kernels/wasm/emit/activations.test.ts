import { describe, expect, test } from 'vitest';
import * as reference from '../../../../src/kernels/reference/activations.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectOneHash, expectWithin, grid, mapped, ulps } from './support.js';

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
  string,
  { exact: Scalar; error: (got: number, exact: number) => number; bound: (x: number, exact: number) => number }
> = {
  relu: { exact: reference.relu, error: ulps, bound: () => 0 },
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
  gelu_tanh: {
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
