import { describe, expect, test } from 'vitest';
import { rotary } from '../../../../src/kernels/reference/rotary.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectOneHash, float64, grid } from './support.js';

const SIZE = 8;

interface Case {
  rows: number;
  numHeads: number;
  headDim: number;
  dim: number;
  interleaved: boolean;
  x: Float32Array;
  cos: Float32Array;
  sin: Float32Array;
  cut: number;
}

function run({ x, cos, sin, rows, numHeads, headDim, dim, interleaved, cut }: Case): Float32Array {
  const arena = new Arena();
  const [atX, out, atCos, atSin] = [arena.input(x), arena.output(x.length), arena.input(cos), arena.input(sin)];
  arena.run(rows, cut, (a, b) =>
    entries.rotary_rows(atX, out, atCos, atSin, numHeads, headDim, dim, Number(interleaved), a, b),
  );
  return arena.read(out);
}

/** Random numbers are costly to shrink one by one: a seed and a formula do. */
const wave = (length: number, seed: number, size: number) =>
  Float32Array.from({ length }, (_, i) => size * Math.sin(seed + i * 1.618));

const cases: fc.Arbitrary<Case> = fc
  .tuple(
    fc.nat(4),
    fc.integer({ min: 1, max: 3 }),
    fc.nat(70),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.nat(1000),
  )
  .chain(([rows, numHeads, headDim, share, seed]) => {
    const dim = 2 * Math.floor((share * headDim) / 2);
    return fc.record({
      rows: fc.constant(rows),
      numHeads: fc.constant(numHeads),
      headDim: fc.constant(headDim),
      dim: fc.constant(dim),
      interleaved: fc.boolean(),
      x: fc.constant(wave(rows * numHeads * headDim, seed, SIZE)),
      cos: fc.constant(wave((rows * dim) / 2, seed + 1, 1)),
      sin: fc.constant(wave((rows * dim) / 2, seed + 2, 1)),
      cut: fc.nat(rows),
    });
  });

/** Two products and a sum, each rounded once, of numbers up to SIZE: 2^−24·(1 + 1 + 2)·SIZE. Copied columns are exact. */
function expectLaw(given: Case): void {
  const exact = rotary(float64, given);
  const got = run(given);
  for (let i = 0; i < exact.length; i++) {
    const bound = i % given.headDim < given.dim ? 4 * 2 ** -24 * SIZE : 0;
    expect(Math.abs(got[i] - exact[i]) <= bound, `entry ${i}: ${got[i]}, exactly ${exact[i]}`).toBe(true);
  }
}

describe('rotary_rows', () => {
  test('heads of 0 … 70 columns, whole and in part, both pairings, between NaNs', () => {
    fc.assert(fc.property(cases, expectLaw), { numRuns: 200 });
  });
  test.each([false, true])('NaN reaches its pair only, interleaved %s', (interleaved) => {
    const [numHeads, headDim, dim] = [2, 23, 18];
    const shape = { rows: 2, numHeads, headDim, dim, interleaved, cut: 1 };
    const [cos, sin] = [wave(dim, 1, 1), wave(dim, 2, 1)];
    for (let at = 0; at < 2 * numHeads * headDim; at++) {
      const x = wave(2 * numHeads * headDim, 3, SIZE);
      x[at] = Number.NaN;
      const got = run({ ...shape, x, cos, sin });
      const exact = rotary(float64, { ...shape, x, cos, sin });
      expect([...got].map(Number.isNaN)).toEqual([...exact].map(Number.isNaN));
    }
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const [x, out] = [arena.input(grid(-9, 8, 140)), arena.output(140)];
    const [cos, sin] = [arena.input(wave(70, 1, 1)), arena.input(wave(70, 2, 1))];
    expectOneHash(arena, () => entries.rotary_rows(x, out, cos, sin, 1, 70, 70, 0, 0, 2));
  });
});
