import { describe, expect, it } from 'vitest';
import type { UnaryOperation } from '../../../../src/kernels/contract.js';
import { expectClose, expectSame } from '../../../support/compare.js';
import { kernelsOf } from '../../../support/kernels.js';

const [wasm, reference] = (['wasm-simd', 'reference'] as const).map(kernelsOf);
const x = Float32Array.from({ length: 5 * 13 }, (_, i) => 4 * Math.sin(i * 78.233));
// The vector exp and tanh are good to 4 roundings, a norm of 13 numbers to a few more: 1e-6 of size 1.
const TOLERANCE = 1e-6;

describe('entries one by one on WASM', () => {
  it.each<UnaryOperation>(['exp', 'tanh', 'relu', 'gelu', 'geluTanh', 'silu', 'log', 'sqrt'])('computes %s', (name) => {
    expectClose(wasm.unary(name, x), reference.unary(name, x), TOLERANCE);
  });

  it('takes square roots and logarithms with the bits of the specification, from every kind of number', () => {
    const bits = Uint32Array.from({ length: 5003 }, (_, i) => Math.imul(i, 0x9e3779b1)); // all exponents, both signs
    const edges = [
      0,
      -0,
      1e-45,
      -1e-45,
      2 ** -126,
      3.4e38,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ];
    for (const name of ['sqrt', 'log'] as const) {
      for (const of of [new Float32Array(bits.buffer), Float32Array.from(edges), Float32Array.of(2, 3)]) {
        expectSame(wasm.unary(name, of), reference.unary(name, of), name);
      }
    }
  });

  it('adds, subtracts, multiplies and divides as the reference, a row or all of one shape', () => {
    const row = x.slice(0, 13);
    for (const operation of ['add', 'subtract', 'multiply', 'divide'] as const) {
      for (const b of [row, x.map((value) => value + 9)])
        expectSame(wasm.binary(operation, x, b), reference.binary(operation, x, b), operation);
    }
    expect(wasm.binary('add', new Float32Array(0), new Float32Array(0)).length).toBe(0);
    expectSame(wasm.scale(x, -0.3), reference.scale(x, Math.fround(-0.3)));
  });

  it('never writes its operands, and takes empty ones', () => {
    const before = x.slice();
    wasm.unary('exp', x);
    wasm.binary('add', x, x);
    expectSame(x, before);
    expect(wasm.unary('gelu', new Float32Array(0)).length).toBe(0);
  });
});
