import type { KernelChoice } from 'qkv';
import { decimal, integer, quote, readOptions, UsageError } from '../shared/command-line.js';

export interface Settings {
  readonly prompt: string;
  /** Tokens to write at most. */
  readonly tokens: number;
  readonly temperature: number;
  /** Absent: every token may come. */
  readonly topK?: number;
  readonly topP: number;
  readonly seed: number;
  readonly cached: boolean;
  readonly kernels: KernelChoice;
  /** Absent: beside the project. */
  readonly model?: string;
}

export const HELP = `npm run story -- [prompt] [options]

A small trained model of the LLaMA architecture (stories260K) tells a children's story, word by word.

  prompt                how it begins, default "Once upon a time"
  --tokens n            to write at most, default 200
  --temperature x       0 to 5, default 1: lower is more careful, 0 always takes the likeliest token
  --top-k n             only the n likeliest tokens may come
  --top-p x             only the likeliest tokens that together reach x may come, default 0.9
  --seed n              another seed is another story, default 1
  --uncached            compute the whole text again for every token, to see what the cache is worth
  --kernels name        auto, wasm-simd, javascript, reference or float64, default auto
  --model folder        with model.safetensors and vocab.json, default ../shared/models/stories260K beside the project
  -h, --help            this page
`;

const OPTIONS = {
  tokens: { type: 'string' },
  temperature: { type: 'string' },
  'top-k': { type: 'string' },
  'top-p': { type: 'string' },
  seed: { type: 'string' },
  uncached: { type: 'boolean' },
  kernels: { type: 'string' },
  model: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const KERNELS: readonly KernelChoice[] = ['auto', 'wasm-simd', 'javascript', 'reference', 'float64'];

/** The settings, or 'help'. @throws UsageError */
export function parseArguments(args: readonly string[]): Settings | 'help' {
  const { values, words } = readOptions<keyof typeof OPTIONS>(args, OPTIONS);
  if (values.has('help')) return 'help';
  if (words.length > 1) {
    throw new UsageError(
      `there must be one prompt: got ${quote(words[1])} too (a prompt of several words stands in quotes)`,
    );
  }
  const temperature = values.get('temperature') ?? '1';
  const topK = values.get('top-k');
  const kernels = KERNELS.find((name) => name === (values.get('kernels') ?? 'auto'));
  if (kernels === undefined) {
    throw new UsageError(`--kernels must be one of ${KERNELS.join(', ')}: got ${quote(values.get('kernels') ?? '')}`);
  }
  return {
    prompt: words[0] ?? 'Once upon a time',
    tokens: integer('--tokens', values.get('tokens') ?? '200', 1, 512),
    temperature: /^0*\.?0+$/.test(temperature) ? 0 : decimal('--temperature', temperature, 0, 5),
    topK: topK === undefined ? undefined : integer('--top-k', topK, 1, 1e9),
    topP: decimal('--top-p', values.get('top-p') ?? '0.9', 0, 1),
    seed: integer('--seed', values.get('seed') ?? '1', 0, 0x7fffffff),
    cached: !values.has('uncached'),
    kernels,
    model: values.get('model'),
  };
}
