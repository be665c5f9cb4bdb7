// How the kernels' bytes stand in a script: as printable characters, the frequent bytes as one, the others as two. The
// 35 KB of kernels gzip to 9.2 KB so (as hex to 10.1, as base64 of the bytes to more) and are 40 KB before it (hex 71).

/** No quote, backslash, dollar or angle bracket: safe in every kind of string and inside a page. */
const ALPHABET = ' !#%&()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~';
/** Characters that stand for a byte; the last two begin a pair. */
const SINGLES = ALPHABET.length - 2;
/** Opcodes and small numbers come first, and the SIMD prefix 0xfd: bytes count from there. */
const FIRST_BYTE = 0xfd;

export function printable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const index = (byte - FIRST_BYTE + 256) % 256;
    const above = index - SINGLES;
    text += above < 0 ? ALPHABET[index] : ALPHABET[SINGLES + Math.floor(above / SINGLES)] + ALPHABET[above % SINGLES];
  }
  return text;
}

export function bytesOfPrintable(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    let index = ALPHABET.indexOf(text[at]);
    if (index >= SINGLES) index = SINGLES + (index - SINGLES) * SINGLES + ALPHABET.indexOf(text[++at]);
    bytes[length++] = index + FIRST_BYTE; // a Uint8Array keeps the last eight bits
  }
  return bytes.slice(0, length);
}
