import { describe, expect, it } from 'vitest';
import { storedFloats } from '../../src/core/stored-floats.js';
import { expectSame } from '../support/compare.js';
import { halfToFloat } from '../support/safetensors.js';

const floats = (dtype: string, data: ArrayLike<unknown>) =>
  storedFloats('f', 'W', { dtype, shape: [data.length], data });

describe('storedFloats', () => {
  it('gives F32 as it lies', () => {
    const data = Float32Array.of(1, -0, Number.NaN);
    expect(floats('F32', data)).toBe(data);
  });

  it('rounds F64', () => {
    expectSame(floats('F64', Float64Array.of(0.1, -0, 1e300)), [Math.fround(0.1), -0, Number.POSITIVE_INFINITY]);
  });

  it('reads every F16 exactly', () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    expectSame(floats('F16', bits), Float32Array.from(bits, halfToFloat));
    // 1, −2, the largest, the least above 0, −0, ∞
    const known = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00);
    expectSame(floats('F16', known), [1, -2, 65504, 2 ** -24, -0, Number.POSITIVE_INFINITY]);
  });

  it('keeps the bits of every NaN of F16', () => {
    const nans = Uint16Array.from([0x7c01, 0x7e00, 0xfc01, 0xffff]);
    const bits = new Uint32Array(floats('F16', nans).slice().buffer);
    expect([...bits]).toEqual([0x7f802000, 0x7fc00000, 0xff802000, 0xffffe000]);
  });

  it('reads BF16 as the upper half of a float32', () => {
    const known = Uint16Array.of(0x3f80, 0xc000, 0x0001, 0x8000, 0xff80, 0x7fc0);
    expectSame(floats('BF16', known), [1, -2, 2 ** -133, -0, Number.NEGATIVE_INFINITY, Number.NaN]);
  });

  it.each([
    [{ dtype: 'I64', shape: [1], data: BigInt64Array.of(1n) }, '"I64"'],
    [{ dtype: 'F16', shape: [1], data: Float32Array.of(1) }, '"F16"'],
    [{ dtype: 'F32', data: Float32Array.of(1) }, '"F32"'],
    [{ dtype: 'toString', shape: [1], data: Float32Array.of(1) }, '"toString"'],
    [undefined, 'undefined'],
    [null, 'undefined'],
  ])('refuses %o', (tensor, dtype) => {
    const text = `f: W must be { dtype, shape, data } of F32, F16, BF16 or F64: got dtype ${dtype}, `;
    expect(() => storedFloats('f', 'W', tensor)).toThrow(TypeError);
    expect(() => storedFloats('f', 'W', tensor)).toThrow(text);
  });

  it('refuses data that do not fill the shape', () => {
    const tensor = { dtype: 'F32', shape: [2, 3], data: new Float32Array(5) };
    expect(() => storedFloats('f', 'W', tensor)).toThrow('f: W must hold 6 numbers: got 5');
  });
});
