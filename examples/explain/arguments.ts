import { parseArgs } from 'node:util';

/** A mistake of the user: one line on stderr and exit code 2. */
export class UsageError extends Error {}

export interface Settings {
  text: string;
  /** A path to read the text from, instead. */
  file?: string;
  heads: number;
  dModel: number;
  causal: boolean;
  /** The word whose output is written out; absent: the last one. */
  focus?: string;
  seed: number;
  /** Where to write the heat maps as SVG. */
  svg?: string;
}

export const HELP = `npm start -- ["any sentence"] [options]

Self-attention of a text, every step with its shape and its values.
The weights are drawn from the seed, not trained: the arithmetic is real, the meaning is not.

  "any sentence"    the text, in any language (default: "I am a robot")
  --file path       read the text from a UTF-8 file of any length instead
  --heads n         attention heads, default 2
  --d-model n       columns of X, a multiple of --heads, default 8
  --causal          a word attends only to itself and the words before it
  --focus word      the word whose output is written out, default the last one
  --seed n          of the embeddings and projections, default 1
  --svg path        write the heat maps as an SVG file, too
  -h, --help        this page

Texts of more than 32 tokens get a summary: the focus word and what it attends to.
Colour is used on a terminal; NO_COLOR=1 turns it off, FORCE_COLOR=1 turns it on.
`;

const OPTIONS = {
  file: { type: 'string' },
  heads: { type: 'string' },
  'd-model': { type: 'string' },
  causal: { type: 'boolean' },
  focus: { type: 'string' },
  seed: { type: 'string' },
  svg: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Name = keyof typeof OPTIONS;

/** The settings, or 'help'. @throws UsageError */
export function parseArguments(args: readonly string[]): Settings | 'help' {
  const { tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<Name, string>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const name = requireKnown(token.name, token.rawName);
    if (values.has(name)) throw new UsageError(`--${name} must be given once: got it again`);
    values.set(name, requireValue(name, token.value, token.inlineValue === true));
  }
  if (values.has('help')) return 'help';
  const file = values.get('file');
  if (file !== undefined && words.length > 0) {
    throw new UsageError(`the text must come from one place: got --file and ${quote(words.join(' '))}`);
  }
  const heads = integer('--heads', values.get('heads') ?? '2', 1, 64);
  const dModel = integer('--d-model', values.get('d-model') ?? '8', 1, 4096);
  if (dModel % heads !== 0) {
    const hint = values.has('d-model') ? '' : ` (give --d-model, for example ${heads * Math.ceil(8 / heads)})`;
    throw new UsageError(`--d-model must be divisible by --heads: ${dModel} is not divisible by ${heads}${hint}`);
  }
  return {
    text: words.length === 0 ? 'I am a robot' : words.join(' '),
    file,
    heads,
    dModel,
    causal: values.has('causal'),
    focus: values.get('focus'),
    seed: integer('--seed', values.get('seed') ?? '1', 0, 0x7fffffff),
    svg: values.get('svg'),
  };
}

function requireKnown(name: string, rawName: string): Name {
  if (Object.hasOwn(OPTIONS, name)) return name as Name;
  throw new UsageError(`every option must be known: got ${quote(rawName)} (try --help)`);
}

/** '' for a switch. */
function requireValue(name: Name, value: string | undefined, inline: boolean): string {
  if (OPTIONS[name].type === 'boolean') {
    if (value === undefined) return '';
    throw new UsageError(`--${name} must have no value: got ${quote(value)}`);
  }
  // Another option after the name means that the value was forgotten; --focus=-x gives one that begins with a dash.
  const forgotten = value === undefined || value === '' || (!inline && /^-\D/.test(value));
  if (!forgotten) return value;
  throw new UsageError(`--${name} must have a value: got ${value ? quote(value) : 'none'} (try --help)`);
}

function integer(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= low && value <= high) return value;
  throw new UsageError(`${name} must be an integer from ${low} to ${high}: got ${quote(text)}`);
}

/** What the user gave, as one line without control characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text).replace(
    /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    '�',
  );
}
