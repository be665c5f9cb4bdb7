import { UsageError } from '../shared/command-line.js';

/** A vocabulary as llama2.c has it: the piece of every id, and how gladly it is merged. */
export interface Vocabulary {
  readonly pieces: readonly string[];
  readonly scores: readonly number[];
  /** Before every text. */
  readonly bos: number;
  readonly eos: number;
  /** Ids of the bytes 0 … 255 begin here. */
  readonly first_byte_token: number;
}

/** @param json  what a vocab.json holds @param size  tokens of the model @throws UsageError  if it is no vocabulary for it */
export function checkVocabulary(what: string, json: unknown, size: number): Vocabulary {
  const { pieces, scores, bos, eos, first_byte_token: firstByte } = (json ?? {}) as Record<string, unknown>;
  const must = (holds: boolean, rule: string) => {
    if (!holds) throw new UsageError(`${what} must have ${rule}`);
  };
  must(Array.isArray(pieces) && pieces.every((piece) => typeof piece === 'string'), 'pieces, a list of texts');
  const count = (pieces as string[]).length;
  must(count === size, `a piece for each of the ${size} tokens of the model: it has ${count}`);
  const isNumbers = Array.isArray(scores) && scores.every((score) => Number.isFinite(score));
  must(isNumbers && scores.length === count, `scores, a number for each of the ${count} pieces`);
  for (const [name, id, last] of [
    ['bos', bos, 1],
    ['eos', eos, 1],
    ['first_byte_token', firstByte, 256],
  ] as const) {
    const isId = Number.isInteger(id) && (id as number) >= 0 && (id as number) + last <= count;
    must(isId, `${name}, an id${last === 1 ? '' : ' with 255 more behind it'}`);
  }
  return json as Vocabulary;
}

/**
 * Byte-pair encoding as llama2.c does it: BOS, a space before the text, every character or else its bytes, and then the
 * best-scored pair of neighbors becomes one token until no pair is a piece.
 *
 * Karpathy 2023, https://github.com/karpathy/llama2.c, encode() of run.c; Sennrich et al. 2016, https://arxiv.org/abs/1508.07909.
 */
export function encode({ pieces, scores, bos, first_byte_token: firstByte }: Vocabulary, text: string): number[] {
  const idOf = new Map([...pieces.entries()].reverse().map(([id, piece]) => [piece, id])); // of two alike the first
  const ids: number[] = [];
  for (const character of text === '' ? '' : ` ${text}`) {
    const id = idOf.get(character);
    if (id !== undefined) ids.push(id);
    else for (const byte of new TextEncoder().encode(character)) ids.push(firstByte + byte);
  }
  for (;;) {
    let best: { at: number; id: number } | undefined;
    for (let at = 0; at + 1 < ids.length; at++) {
      const id = idOf.get(pieces[ids[at]] + pieces[ids[at + 1]]);
      if (id !== undefined && (best === undefined || scores[id] > scores[best.id])) best = { at, id };
    }
    if (best === undefined) return [bos, ...ids];
    ids.splice(best.at, 2, best.id);
  }
}

const SPACE = 0x20;

/** Tokens as text, one by one: a character of several bytes comes when it is whole. */
export class Decoder {
  readonly #vocabulary: Vocabulary;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true }); // a story may begin with U+FEFF as with any other
  #before?: number;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  /** What the token adds: nothing for BOS, and after it the space is left out that encode put there. */
  push(id: number): string {
    const { pieces, bos, first_byte_token: firstByte } = this.#vocabulary;
    const isFirst = this.#before === bos;
    this.#before = id;
    if (id === bos) return '';
    const isByte = id >= firstByte && id < firstByte + 256;
    const bytes = isByte ? Uint8Array.of(id - firstByte) : new TextEncoder().encode(pieces[id]);
    return this.#utf8.decode(bytes.subarray(isFirst && bytes[0] === SPACE ? 1 : 0), { stream: true });
  }

  /** What is left of a character that never became whole. */
  end(): string {
    return this.#utf8.decode();
  }
}
