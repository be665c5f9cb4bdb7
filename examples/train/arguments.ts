import { decimal, integer, quote, readOptions, UsageError } from '../shared/command-line.js';

/** The settings that determine a run: all of them are kept in a checkpoint. */
export interface RunSettings {
  /** Absolute; absent: the text that comes with this example. */
  readonly file?: string;
  readonly steps: number;
  /** Sequences per step. */
  readonly batch: number;
  /** Bytes per sequence. */
  readonly context: number;
  readonly dModel: number;
  readonly layers: number;
  readonly heads: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** The settings that may change when a run is resumed. */
export interface Settings {
  readonly run: RunSettings;
  readonly checkpoint: string;
  readonly checkpointEvery: number;
  readonly resume: boolean;
  /** Bytes to write at the end. */
  readonly generate: number;
  readonly prompt: string;
  readonly temperature: number;
  /** Where to draw the loss curve. */
  readonly svg?: string;
}

export const HELP = `npm run train -- [options]

Trains a causal Transformer on the bytes of a text, shows the loss as it falls, and writes a continuation of its own.

  --file path           the text; default: the book of Genesis (King James Version, 1611), which comes with it
  --steps n             default 500
  --batch n             sequences a step, default 8
  --context n           bytes a sequence, default 128
  --d-model n           default 128
  --layers n            default 3
  --heads n             default 4
  --learning-rate x     its peak, after 5 % of the steps, default 0.003
  --seed n              of the weights and the batches, default 1
  --checkpoint path     where the run is kept, default ./train.safetensors
  --checkpoint-every n  steps between two saves, default 100; Ctrl-C and a closed terminal save too
  --resume              go on where the checkpoint stands, exactly; it knows the settings above
  --generate n          bytes to write at the end, default 400
  --prompt text         how they begin, default "And God said"
  --temperature x       0.05 to 5, default 0.7: lower is more careful
  --svg path            draw the loss curve
  -h, --help            this page
`;

const OPTIONS = {
  file: { type: 'string' },
  steps: { type: 'string' },
  batch: { type: 'string' },
  context: { type: 'string' },
  'd-model': { type: 'string' },
  layers: { type: 'string' },
  heads: { type: 'string' },
  'learning-rate': { type: 'string' },
  seed: { type: 'string' },
  checkpoint: { type: 'string' },
  'checkpoint-every': { type: 'string' },
  resume: { type: 'boolean' },
  generate: { type: 'string' },
  prompt: { type: 'string' },
  temperature: { type: 'string' },
  svg: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Name = keyof typeof OPTIONS;

const DEFAULTS = {
  steps: '500',
  batch: '8',
  context: '128',
  'd-model': '128',
  layers: '3',
  heads: '4',
  'learning-rate': '0.003',
  seed: '1',
};

/** With --resume these, and the file, come from the checkpoint. */
export type RunName = keyof typeof DEFAULTS;
const OF_THE_RUN = ['file', ...(Object.keys(DEFAULTS) as RunName[])] as const;

/** The settings, or 'help'. @throws UsageError */
export function parseArguments(args: readonly string[]): Settings | 'help' {
  const { values, words } = readOptions<Name>(args, OPTIONS);
  if (values.has('help')) return 'help';
  if (words.length > 0) throw new UsageError(`there must be options only: got ${quote(words[0])} (try --help)`);
  const resume = values.has('resume');
  const given = OF_THE_RUN.find((name) => values.has(name));
  if (resume && given) throw new UsageError(`--${given} must not come with --resume: the checkpoint knows it`);
  const count = (name: Name, fallback: string, low: number, high: number) =>
    integer(`--${name}`, values.get(name) ?? fallback, low, high);
  return {
    run: checkRun('--', values.get('file'), (name) => values.get(name) ?? DEFAULTS[name]),
    checkpoint: values.get('checkpoint') ?? 'train.safetensors',
    checkpointEvery: count('checkpoint-every', '100', 1, 1e7),
    resume,
    generate: count('generate', '400', 0, 1e6),
    prompt: values.get('prompt') ?? 'And God said',
    temperature: decimal('--temperature', values.get('temperature') ?? '0.7', 0.049, 5),
    svg: values.get('svg'),
  };
}

/**
 * The settings of a run out of texts, from wherever they come.
 *
 * @param before  the names, in messages @param file  absent: the text that comes with this example @throws UsageError
 */
export function checkRun(before: string, file: string | undefined, text: (name: RunName) => string): RunSettings {
  const count = (name: RunName, low: number, high: number) => integer(before + name, text(name), low, high);
  const [dModel, heads] = [count('d-model', 2, 4096), count('heads', 1, 64)];
  if (dModel % (2 * heads) !== 0) {
    const rule = `${before}d-model must be divisible by twice ${before}heads, for the positions turn pairs of columns`;
    throw new UsageError(`${rule}: ${dModel} is not divisible by ${2 * heads}`);
  }
  return {
    file,
    steps: count('steps', 1, 1e7),
    batch: count('batch', 1, 4096),
    context: count('context', 2, 8192),
    dModel,
    layers: count('layers', 1, 64),
    heads,
    learningRate: decimal(`${before}learning-rate`, text('learning-rate'), 0, 1),
    seed: count('seed', 0, 0x7fffffff),
  };
}
