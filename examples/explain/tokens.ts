import { quote, UsageError } from '../shared/command-line.js';

/** A text as the model sees it. */
export interface Tokens {
  /** In the order of the text. */
  tokens: string[];
  /** False for punctuation. */
  isWord: boolean[];
  /** The different tokens, in the order of their first appearance: a token's id is its place here. */
  vocabulary: string[];
  /** One per token. */
  ids: number[];
}

/** Long texts are segmented piece by piece, because the segmenter takes quadratic time. */
const PIECE = 1024;

/**
 * Words and punctuation marks; white space only separates. Works for languages that write no spaces.
 * The locale is fixed, so that the same text gives the same tokens everywhere.
 */
export function tokenize(text: string): Tokens {
  const segmenter = new Intl.Segmenter('en', { granularity: 'word' });
  const out: Tokens = { tokens: [], isWord: [], vocabulary: [], ids: [] };
  const known = new Map<string, number>();
  let start = 0;
  let length = PIECE;
  while (start < text.length) {
    const end = Math.min(text.length, start + length);
    const segments = Array.from(segmenter.segment(text.slice(start, end)));
    // The last two segments of a piece may continue, or join, after its end: the next piece begins with them.
    if (end < text.length) segments.splice(-2);
    length = segments.length === 0 ? 2 * length : PIECE;
    for (const { segment, isWordLike = false } of segments) {
      start += segment.length;
      if (segment.trim() === '') continue;
      const id = known.get(segment) ?? known.size;
      if (id === known.size) {
        known.set(segment, id);
        out.vocabulary.push(segment);
      }
      out.tokens.push(segment);
      out.isWord.push(isWordLike);
      out.ids.push(id);
    }
  }
  return out;
}

/** The position of the focus word, its first; without one the last word of the text. */
export function findFocus({ tokens, isWord }: Tokens, focus: string | undefined): number {
  if (focus === undefined) {
    const last = isWord.lastIndexOf(true);
    return last === -1 ? tokens.length - 1 : last;
  }
  const wanted = focus.normalize();
  const exact = tokens.findIndex((token) => token.normalize() === wanted);
  if (exact !== -1) return exact;
  const similar = tokens.findIndex((token) => token.normalize().toLowerCase() === wanted.toLowerCase());
  if (similar !== -1) return similar;
  const some = [...new Set(tokens)].slice(0, 8).join(', ');
  throw new UsageError(
    `--focus must be a word of the text: got ${quote(focus)} (its words: ${quote(some).slice(1, -1)})`,
  );
}

/** Two positions of one word, if a word occurs twice: the focus word if it does, else the first one that does. */
export function repeatedWord({ ids, isWord }: Tokens, focus: number): [number, number] | undefined {
  const again = ids.findIndex((id, i) => i !== focus && id === ids[focus]);
  if (isWord[focus] && again !== -1) return again < focus ? [again, focus] : [focus, again];
  const first = new Map<number, number>();
  for (let i = 0; i < ids.length; i++) {
    const before = first.get(ids[i]);
    if (isWord[i] && before !== undefined) return [before, i];
    if (before === undefined) first.set(ids[i], i);
  }
  return undefined;
}
