import { describe, expect, it } from 'vitest';
import { decodeUtf8, encodeUtf8 } from '../../src/io/utf8.js';
import { fc } from '../support/property.js';

/** What a browser's decoder says. */
function expected(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

// Every byte that begins, goes on, or is at an edge of what a sequence may hold.
const EDGES = [
  ...[0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf],
  ...[0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff],
];

describe('decodeUtf8', () => {
  it('is the strict decoder of the platform, for every sequence of up to three edges', () => {
    for (const a of EDGES)
      for (const b of EDGES)
        for (const c of EDGES)
          for (const sequence of [[a], [a, b], [a, b, c], [a, b, c, 0x80], [a, b, c, 0xbf], [a, b, c, 0x41]]) {
            const given = Uint8Array.from(sequence);
            if (decodeUtf8(given) !== expected(given)) expect.fail(`${sequence}: ${decodeUtf8(given)}`);
          }
  });

  it('is it for any bytes, and for text with a byte changed', () => {
    const text = fc.string({ unit: 'binary' }).map((given) => new TextEncoder().encode(given));
    const changed = fc.tuple(text, fc.nat(), fc.nat(255)).map(([bytes, at, byte]) => {
      if (bytes.length > 0) bytes[at % bytes.length] = byte;
      return bytes;
    });
    const near = fc.array(fc.constantFrom(...EDGES), { maxLength: 12 }).map((bytes) => Uint8Array.from(bytes));
    fc.assert(
      fc.property(fc.oneof(text, changed, near, fc.uint8Array()), (bytes) => {
        expect(decodeUtf8(bytes)).toBe(expected(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps a byte order mark, and what lies across its pieces of 4096', () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe('\ufeffA');
    for (const before of [4092, 4093, 4094, 4095, 4096, 4097, 8191]) {
      const text = `${'x'.repeat(before)}🙂é€${'y'.repeat(5000)}`;
      expect(decodeUtf8(new TextEncoder().encode(text))).toBe(text);
    }
    expect(decodeUtf8(new Uint8Array(0))).toBe('');
  });

  it('reads shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(3));
    shared.set([0xe2, 0x82, 0xac]);
    expect(decodeUtf8(shared)).toBe('€');
  });
});

describe('encodeUtf8', () => {
  it('is the encoder of the platform', () => {
    const edges = ['\0', '\x7f', '\x80', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'];
    const text = fc.string({ unit: fc.oneof(fc.constantFrom(...edges), fc.string({ unit: 'binary', maxLength: 1 })) });
    fc.assert(
      fc.property(text, (given) => {
        expect(encodeUtf8(given)).toEqual(new TextEncoder().encode(given));
      }),
      { numRuns: 500, examples: [[edges.join('')], ['']] },
    );
  });
});
