import { integer, quote, readOptions, UsageError } from '../shared/command-line.js';

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
  --file path       read the text from a UTF-8 file of up to 64 MiB instead
  --heads n         attention heads, default 2
  --d-model n       columns of X, a multiple of --heads, default 8
  --causal          a word attends only to itself and the words before it
  --focus word      the word whose output is written out, default the last one
  --seed n          of the embeddings and projections, default 1
  --svg path        write the heat maps as an SVG file, too
  -h, --help        this page

Texts of more than 32 tokens get a summary: the focus word and what it attends to.
Color is used on a terminal; NO_COLOR=1 turns it off, FORCE_COLOR=1 turns it on.
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
  const { values, words } = readOptions<Name>(args, OPTIONS);
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
