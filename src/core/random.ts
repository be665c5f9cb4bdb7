import { requireInteger } from './errors.js';

// Philox 4×32-10: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", table 2 and §4.3.
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;
const TWO_32 = 4294967296;

/** The upper 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middleLow = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(middleLow / 65536)) >>> 0;
}

/**
 * One block of Philox 4×32-10: four 32-bit words from a counter (c0 … c3) and a key (k0, k1), written to out[0 … 3].
 * The same counter and key always give the same words, in whatever order blocks are computed.
 */
export function philox(c0: number, c1: number, c2: number, c3: number, k0: number, k1: number, out: Uint32Array): void {
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0 >>> 0);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2 >>> 0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** A seed is an integer from 0 to 2^53 − 1; the key of Philox is its lower and upper 32 bits. */
export function seedWords(seed: number): [low: number, high: number] {
  return [seed >>> 0, Math.floor(seed / TWO_32) >>> 0];
}

/** A seed of its own for use number `call` of a seed, for operations that take no call number: 53 bits of one more block. */
export function seedOfCall(seed: number, call: number): number {
  const words = new Uint32Array(4);
  philox(call >>> 0, Math.floor(call / TWO_32) >>> 0, 0, 1, ...seedWords(seed), words);
  return childSeed(words[0], words[1]);
}

function childSeed(high: number, low: number): number {
  return (high >>> 11) * TWO_32 + low;
}

export function requireSeed(where: string, seed: unknown): asserts seed is number {
  requireInteger(where, 'seed', seed, 0);
}

/**
 * A sequence of random numbers: Philox blocks 0, 1, 2 … of one seed. Two generators with the same seed give the same sequence.
 * Its whole state is `seed` and `position` (words already drawn).
 */
export class Random {
  static get name(): string {
    return 'Random';
  }

  readonly seed: number;
  position = 0;
  readonly #low: number;
  readonly #high: number;
  readonly #words = new Uint32Array(4);
  #block = -1;

  constructor(seed: number) {
    requireSeed('Random', seed);
    this.seed = seed;
    [this.#low, this.#high] = seedWords(seed);
  }

  /** The next 32 random bits. */
  word(): number {
    const block = Math.floor(this.position / 4);
    if (block !== this.#block) {
      philox(block >>> 0, Math.floor(block / TWO_32) >>> 0, 0, 0, this.#low, this.#high, this.#words);
      this.#block = block;
    }
    return this.#words[this.position++ % 4];
  }

  /** Uniform in [low, high). The draw u in [0, 1) has 24 bits, so that a float32 holds it exactly and 1 − u is never 0. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * ((this.word() >>> 8) / 16777216);
  }

  /** Normal by Box and Muller 1958. Every draw takes two words, so that `position` tells how many were drawn. */
  normal(mean = 0, std = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return mean + std * radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A seed for another generator: 53 random bits. */
  seedForChild(): number {
    return childSeed(this.word(), this.word());
  }
}

/** The bound b of a Xavier-uniform matrix U(−b, b): b = √(6 / (fanIn + fanOut)); Glorot and Bengio 2010, eq. 16. */
export function xavierBound(fanIn: number, fanOut: number): number {
  return fanIn + fanOut === 0 ? 0 : Math.sqrt(6 / (fanIn + fanOut));
}

/** Dropout keeps an entry whose random word is at least this: rate·2^32. */
export function dropThreshold(rate: number): number {
  return Math.round(rate * TWO_32);
}

const weightWords = /* @__PURE__ */ new Uint32Array(4);

/** Whether attention dropout keeps the weight (query, key) of one unit, a head of a sequence: see dropThreshold. */
export function keepsWeight(
  drop: { dropout: number; call: number; seedLow: number; seedHigh: number },
  unit: number,
  query: number,
  key: number,
): boolean {
  philox(key >>> 2, query, unit, drop.call, drop.seedLow, drop.seedHigh, weightWords);
  return weightWords[key & 3] >= dropThreshold(drop.dropout);
}
