import { describe, expect, it } from 'vitest';
import { bytesOfPrintable, printable } from '../../../../src/kernels/wasm/module/printable.js';

describe('printable', () => {
  it('gives every byte back', () => {
    const bytes = Uint8Array.from({ length: 3 * 256 }, (_, i) => (i * 7) % 256);
    expect(bytesOfPrintable(printable(bytes))).toEqual(bytes);
    expect(bytesOfPrintable(printable(new Uint8Array(0))).length).toBe(0);
  });

  it('is safe in a string of any kind and inside a page', () => {
    const text = printable(Uint8Array.from({ length: 256 }, (_, i) => i));
    expect(text).toMatch(/^[\x20-\x7e]+$/);
    expect(text).not.toMatch(/['"`\\$<>]/);
  });

  it('takes one character for the bytes that are frequent', () => {
    expect(printable(Uint8Array.of(0xfd, 0, 1, 0x20, 0x41)).length).toBe(5);
  });
});
