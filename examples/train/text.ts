import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../shared/command-line.js';
import { readBytes } from '../shared/files.js';

/** One token is one byte. */
export const VOCABULARY = 256;

/** A GiB: a run at the speed of this program reads 20 MB in an hour. */
const MOST_TEXT = 2 ** 30;

/** A text as bytes, its last tenth held back from training. */
export interface Text {
  readonly training: Uint8Array;
  readonly heldBack: Uint8Array;
  /** What tells this text from others. */
  readonly sha256: string;
  /** Of one byte alone, in nats: what a model pays that knows how frequent each byte is and nothing else. */
  readonly unigramEntropy: number;
}

// The built program lies in build/examples; the text stays among the sources. It is the book of Genesis in the King James
// Version of 1611, which is in the public domain.
const GENESIS = fileURLToPath(new URL('../../examples/train/genesis.txt', import.meta.url));

/** @param path  absolute; absent: Genesis @throws UsageError */
export function readText(path: string | undefined, context: number): Text {
  const bytes = readBytes('--file must be readable', path ?? GENESIS, path ?? GENESIS, MOST_TEXT);
  const cut = Math.floor(bytes.length * 0.9);
  const [training, heldBack] = [bytes.subarray(0, cut), bytes.subarray(cut)];
  if (heldBack.length < context + 1) {
    const least = Math.ceil((context + 1) * 10);
    const given = `it has ${bytes.length} bytes, --context ${context} needs ${least}`;
    throw new UsageError(`the text must be long enough to hold a tenth of it back: ${given}`);
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { training, heldBack, sha256, unigramEntropy: entropyOf(bytes) };
}

export function entropyOf(bytes: Uint8Array): number {
  const counts = new Float64Array(VOCABULARY);
  for (const byte of bytes) counts[byte]++;
  return counts.reduce(
    (sum, count) => (count === 0 ? sum : sum - (count / bytes.length) * Math.log(count / bytes.length)),
    0,
  );
}

/** Sequences below one another, as the library packs a batch; targets are the bytes that follow. */
export interface Batch {
  readonly ids: Uint8Array;
  readonly targets: Uint8Array;
  readonly cuSeqlens: Int32Array;
}

export function batchAt(bytes: Uint8Array, starts: readonly number[], context: number): Batch {
  const ids = new Uint8Array(starts.length * context);
  const targets = new Uint8Array(starts.length * context);
  starts.forEach((start, i) => {
    ids.set(bytes.subarray(start, start + context), i * context);
    targets.set(bytes.subarray(start + 1, start + 1 + context), i * context);
  });
  return { ids, targets, cuSeqlens: Int32Array.from({ length: starts.length + 1 }, (_, i) => i * context) };
}

/** Numbers in [0, 1) that depend on the seed and the step alone, so that a run can go on at any step. (splitmix32) */
export function drawsOf(seed: number, step: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(step + 1, 0x85ebca6b)) >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}
