import { describe, expect, test } from 'vitest';
import type { BinaryOperation } from '../../../../src/kernels/contract.js';
import { binary, scale } from '../../../../src/kernels/reference/elementwise.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectOneHash, float64, grid } from './support.js';

const anyFloat = fc.float({ noDefaultInfinity: false });

describe.each(['add', 'subtract', 'multiply', 'divide'] as BinaryOperation[])('%s', (operation) => {
  test.each([true, false])('rows of 0 … 70 columns, any numbers, b repeated: %s', (repeated) => {
    const matrices = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(70)).chain(([rows, cols]) =>
      fc.record({
        rows: fc.constant(rows),
        cols: fc.constant(cols),
        a: fc.array(anyFloat, { minLength: rows * cols, maxLength: rows * cols }),
        b: fc.array(anyFloat, { minLength: cols * (repeated ? 1 : rows), maxLength: cols * (repeated ? 1 : rows) }),
        cut: fc.nat(rows),
      }),
    );
    fc.assert(
      fc.property(matrices, ({ rows, cols, a, b, cut }) => {
        const arena = new Arena();
        const [atA, atB, out] = [arena.input(a), arena.input(b), arena.output(a.length)];
        if (repeated) arena.run(rows, cut, (from, to) => entries[`${operation}_row`](atA, atB, out, cols, from, to));
        else arena.run(a.length, cut * cols, (from, to) => entries[operation](atA, atB, out, from, to));
        // One operation in float64, rounded: the float32 operation, to the bit.
        const exact = cols === 0 ? [] : binary(float64, operation, Float64Array.from(a), Float64Array.from(b));
        expect(arena.read(out)).toEqual(Float32Array.from(exact));
      }),
    );
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const [a, b, out] = [arena.input(grid(-2, 2, 140)), arena.input(grid(1, 2, 70)), arena.output(140)];
    expectOneHash(arena, () => entries[`${operation}_row`](a, b, out, 70, 0, 2));
  });
});

describe('scale', () => {
  test('any range of any length, between NaNs; the factor is a float32', () => {
    fc.assert(
      fc.property(
        fc.array(anyFloat, { maxLength: 70 }),
        anyFloat,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (x, factor, share) => {
          const arena = new Arena();
          const [from, to] = [arena.input(x), arena.output(x.length)];
          arena.run(x.length, Math.floor(share * x.length), (a, b) => entries.scale(from, to, factor, a, b));
          expect(arena.read(to)).toEqual(Float32Array.from(scale(float64, Float64Array.from(x), factor)));
        },
      ),
    );
  });
});
