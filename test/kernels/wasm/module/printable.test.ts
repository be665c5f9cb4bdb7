import { describe, expect, it } from 'vitest';
import { bytesOfPrintable, printable } from '../../../../src/kernels/wasm/module/printable.js';

describe('printable', () => {
  it('gives every byte back', () => {
    const bytes = Uint8Array.from({ length: 3 * 256 }, (_, i) => (i * 7) % 256);
    expect(bytesOfPrintable(printable(bytes))).toEqual(bytes);
    expect(bytesOfPrintable(printable(new Uint8Array(0))).length).toBe(0);
  });

  it('gives back what names locals, wherever that byte stands', () => {
    // 0x20 to 0x22 as instructions, as the numbers of locals, as other numbers, and at the very end.
    for (const length of [1, 2, 3, 4, 5, 999, 1000]) {
      const bytes = Uint8Array.from({ length }, (_, i) => 0x1f + (((i * i) >> 2) % 5));
      for (const last of [0x1f, 0x20, 0x22, 0x23]) {
        bytes[length - 1] = last;
        expect(bytesOfPrintable(printable(bytes))).toEqual(bytes);
      }
    }
  });

  it('says code that differs in its locals alone in the same characters, with the locals behind', () => {
    const text = (...locals: number[]) =>
      printable(Uint8Array.from([1, 2, 3].flatMap((k) => [0x20, locals[k - 1], 0x41, k])));
    const length = 3 * 3;
    expect(text(4, 5, 6).slice(0, length)).toBe(text(9, 8, 7).slice(0, length));
    expect(text(4, 5, 6).slice(length)).toBe([6, 5, 4].map((local) => printable(Uint8Array.of(local))).join(''));
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
