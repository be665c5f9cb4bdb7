import { describe, expect, test } from 'vitest';
import { exp2Vector, expMinusOneVector, horizontalMax, horizontalSum } from '../../../../src/kernels/wasm/emit/exp.js';
import { define, signature } from '../../../../src/kernels/wasm/emit/language/builder.js';
import { defineMap } from '../../../../src/kernels/wasm/emit/language/map.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, entriesOf, expectOneHash, expectWithin, grid, mapped, ulps } from './support.js';

const helpers = entriesOf((m) => {
  defineMap(m, 'exp2', (f, x) => {
    const v = f.vectorVariable('v');
    exp2Vector(f, v, x);
    return v;
  });
  defineMap(m, 'exp_minus_one', (f, x) => {
    const [v, e] = [f.vectorVariable('v', x), f.vectorVariable('e')];
    expMinusOneVector(f, e, v);
    return e;
  });
  for (const [name, horizontal] of [
    ['max', horizontalMax],
    ['sum', horizontalSum],
  ] as const) {
    define(m, signature(name, { x: 'int', out: 'int' }), (f, { x, out }) => out.store(horizontal(f, x.vector())), true);
  }
});

/** Where e^x falls below 2^−125.5 and is 0. */
const FLUSH = -125.5 * Math.LN2;
/** NaNs whose bits, added to or shifted, would make numbers of them. */
const NANS = new Float32Array(Uint32Array.of(0x7fc00000, 0x7fffffff, 0xffffffff, 0xffc00001, 0x7f800001).buffer);
const POINTS = 120_000;

describe('exp', () => {
  test('at most 1.2 ulp from e^x', () => {
    for (const [low, high] of [
      [FLUSH + 1e-4, 88.72],
      [-10, 0],
      [-1, 1],
      [-1e-3, 1e-3],
    ]) {
      const x = grid(low, high, POINTS);
      expectWithin(x, mapped(entries.exp, x), Math.exp, ulps, () => 1.2);
    }
  });
  test('0 below 2^−125.5', () => {
    const x = grid(-110, FLUSH - 1e-4, 1001);
    expect(mapped(entries.exp, x).every((e) => Object.is(e, 0))).toBe(true);
  });
  test('special values', () => {
    const x = [Number.NEGATIVE_INFINITY, -3e38, -0, 0, 1e-45, 88.73, 89.5, 3e38, Number.POSITIVE_INFINITY];
    const inf = Number.POSITIVE_INFINITY;
    expect([...mapped(entries.exp, x)]).toEqual([0, 0, 1, 1, 1, inf, inf, inf, inf]);
    expect(mapped(entries.exp, NANS).every(Number.isNaN)).toBe(true);
  });
  test('any range of any length, between NaNs', () => {
    fc.assert(
      fc.property(
        fc.float32Array({ maxLength: 70, min: -80, max: 80, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (x, share) => {
          const arena = new Arena();
          const [from, to] = [arena.input(x), arena.output(x.length)];
          arena.run(x.length, Math.floor(share * x.length), (a, b) => entries.exp(from, to, a, b));
          expectWithin(x, arena.read(to), Math.exp, ulps, () => 1.2);
        },
      ),
    );
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const [from, to] = [arena.input(grid(-90, 90, 70)), arena.output(70)];
    expectOneHash(arena, () => entries.exp(from, to, 0, 70));
  });
});

describe('exp2Vector', () => {
  test('at most 2.3 ulp from 2^x, denormals too', () => {
    for (const [low, high] of [
      [-126.49, 0],
      [-20, 0],
      [-1, 0],
      [-1e-3, 0],
    ]) {
      const x = grid(low, high, POINTS);
      expectWithin(
        x,
        mapped(helpers.exp2, x),
        (v) => 2 ** v,
        ulps,
        () => 2.3,
      );
    }
  });
  test('2^0 is exactly 1, −∞ gives 0, NaN stays', () => {
    expect([...mapped(helpers.exp2, [0, -0, -1, -126.51, -1000, -3e38, Number.NEGATIVE_INFINITY])]).toEqual([
      1, 1, 0.5, 0, 0, 0, 0,
    ]);
    expect(mapped(helpers.exp2, NANS).every(Number.isNaN)).toBe(true);
  });
  test('never above 1 for x ≤ 0', () => {
    expect(mapped(helpers.exp2, grid(-1, 0, POINTS)).every((e) => e <= 1)).toBe(true);
  });
});

describe('expMinusOneVector', () => {
  test('at most 2.5 ulp from e^x − 1, near 0 too', () => {
    for (const [low, high] of [
      [0, 40],
      [0, 1],
      [0, 1e-3],
      [0, 1e-30],
    ]) {
      const x = grid(low, high, POINTS);
      expectWithin(x, mapped(helpers.exp_minus_one, x), Math.expm1, ulps, () => 2.5);
    }
    expect(mapped(helpers.exp_minus_one, NANS).every(Number.isNaN)).toBe(true);
  });
});

describe('horizontal', () => {
  const reduced = (entry: (x: number, out: number) => void, x: number[]) => {
    const arena = new Arena();
    const [from, to] = [arena.input(x), arena.output(1)];
    entry(from, to);
    return arena.read(to)[0];
  };
  test('the sum is (0 + 2) + (1 + 3)', () => {
    expect(reduced(helpers.sum, [1e8, 1, -1e8, 1])).toBe(2);
    expect(reduced(helpers.sum, [1, 1e8, 1, -1e8])).toBe(2);
    expect(reduced(helpers.sum, [1e8, -1e8, 1, 1])).toBe(0); // 1e8 + 1 rounds to 1e8
  });
  test('the maximum, wherever it is; NaN wherever one is', () => {
    for (let lane = 0; lane < 4; lane++) {
      const at = (value: number) => [-3, -3, -3, -3].map((other, i) => (i === lane ? value : other));
      expect(reduced(helpers.max, at(5))).toBe(5);
      expect(reduced(helpers.max, at(Number.NaN))).toBeNaN();
    }
    expect(reduced(helpers.max, Array(4).fill(Number.NEGATIVE_INFINITY))).toBe(Number.NEGATIVE_INFINITY);
  });
});
