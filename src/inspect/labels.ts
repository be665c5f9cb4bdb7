/**
 * The label with everything made visible that a terminal or an XML reader would act on: control characters as their pictures
 * (␛, ␊); direction marks, lone surrogates and noncharacters as �.
 */
export function visibleLabel(label: string): string {
  return label.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    return code === 0x7f ? '\u2421' : '\ufffd';
  });
}

// \p{Cc} control, \p{Cs} lone surrogate, \p{Zl} and \p{Zp} line and paragraph separator.
const UNSAFE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Noncharacter_Code_Point}]/gu;

/** The columns that a text takes in a terminal: 2 per CJK character or emoji, 0 per combining mark, else 1. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const grapheme of graphemes(text)) width += graphemeWidth(grapheme);
  return width;
}

/** The text in at most `columns` columns, cut between graphemes, with … where something was cut. */
export function truncate(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let [out, width] = ['', 0];
  for (const grapheme of graphemes(text)) {
    width += graphemeWidth(grapheme);
    if (width > columns - 1) break;
    out += grapheme;
  }
  return `${out}…`;
}

/** The text in exactly `columns` columns. */
export function pad(text: string, columns: number, side: 'left' | 'right' = 'left'): string {
  const cut = truncate(text, columns);
  const space = ' '.repeat(Math.max(0, columns - displayWidth(cut)));
  const label = isolateDirection(cut);
  return side === 'left' ? label + space : space + label;
}

/** The characters of a text as a reader sees them. */
export function graphemes(text: string): string[] {
  if (PLAIN.test(text)) return text.split('');
  // Without Intl.Segmenter (Hermes, older browsers) labels that are written downward have combining marks on their own line.
  const Segmenter = typeof Intl === 'undefined' ? undefined : Intl.Segmenter;
  if (Segmenter === undefined) return Array.from(text);
  return Array.from(new Segmenter('en', { granularity: 'grapheme' }).segment(text), ({ segment }) => segment);
}

const PLAIN = /^[\x20-\x7e]*$/;

/** Adds a left-to-right mark on either side of right-to-left text, so that it does not reorder the numbers beside it. */
function isolateDirection(text: string): string {
  return RIGHT_TO_LEFT.test(text) ? `\u200e${text}\u200e` : text;
}

// The blocks of right-to-left scripts: Hebrew to Arabic Extended-A, presentation forms, and those of plane 1.
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** An emoji has width 2, however many code points it joins; of other graphemes the widths of the code points add up. */
function graphemeWidth(grapheme: string): number {
  if (EMOJI.test(grapheme)) return 2;
  let width = 0;
  for (const character of grapheme) width += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u;
// Marks that combine with the letter before them, and the vowels and finals that complete a Hangul syllable block.
const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cc}\p{Default_Ignorable_Code_Point}\u1160-\u11ff]/u;
// East_Asian_Width W and F by block (Unicode Standard Annex 11): Hangul, CJK, kana, Yi, full-width forms, planes 2 and 3.
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]/u;
