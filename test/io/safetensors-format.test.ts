import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../src/core/errors.js';
import { checkName, checkText, DTYPES, isDtype, isSize, tensorBits } from '../../src/io/safetensors-format.js';

describe('the format', () => {
  it('has elements as long as its arrays hold, or raw bytes', () => {
    expect(Object.keys(DTYPES)).toHaveLength(22); // of safetensors 0.8.0
    for (const [dtype, [bits, array]] of Object.entries(DTYPES)) {
      expect(array === Uint8Array || array.BYTES_PER_ELEMENT * 8 === bits, dtype).toBe(true);
      expect(bits, dtype).toBe(dtype === 'BOOL' ? 8 : Number(/\d+/.exec(dtype)?.[0])); // F64, BF16, F8_E4M3
      expect(isDtype(dtype)).toBe(true);
    }
    for (const other of ['F8', 'f32', 'toString', '__proto__', '', undefined, 32]) expect(isDtype(other)).toBe(false);
  });

  it('knows the bits of a tensor where numbers would wrap, and in no time where nothing is so large', () => {
    expect(tensorBits('F32', [])).toBe(32n);
    expect(tensorBits('F6_E2M3', [3, 5])).toBe(90n);
    expect(tensorBits('F64', [2 ** 32, 2 ** 32])).toBe(2n ** 70n);
    expect(tensorBits('F64', [2 ** 26, 2 ** 26, 2 ** 26, 4])).toBe(2n ** 86n);
    expect(tensorBits('F64', [2 ** 53 - 1, 2 ** 53 - 1, 2 ** 53 - 1, 0])).toBe(0n);
    expect(tensorBits('F64', new Array(1e6).fill(2 ** 53 - 1)) > 2n ** 100n).toBe(true);
  });

  it('takes sizes from 0 to 2^53 − 1', () => {
    for (const size of [0, 1, 2 ** 53 - 1]) expect(isSize(size)).toBe(true);
    for (const size of [-1, 0.5, 2 ** 53, Number.NaN, '1', 1n, null]) expect(isSize(size)).toBe(false);
  });

  it('takes names and texts that every reader takes', () => {
    for (const name of ['', 'a', '0', '__proto', 'é🙂', '\ufffd', '\0']) checkName('x', name);
    for (const name of ['__proto__', 'constructor', 'prototype', '\ud800', 'a\udc00', '\udc00\ud800']) {
      expect(() => checkName('x', name)).toThrow(ShapeError);
    }
    checkText('x', 'a text', '__proto__🙂');
    expect(() => checkText('x', 'a text', '🙂\ud83d')).toThrow('x: a text must be text that UTF-8 can hold: ');
  });
});
