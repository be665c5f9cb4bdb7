import { parseArgs } from 'node:util';
import type { MeasuredKernels } from './contenders/qkv.js';

/** A mistake of the user: one line on stderr and exit code 2. */
export class UsageError extends Error {}

export interface Settings {
  /** Only cases whose name holds one of these; none: all. */
  readonly cases: readonly string[];
  /** 'auto': the fastest this engine has. */
  readonly kernels: readonly (MeasuredKernels | 'auto')[];
  readonly peers: boolean;
  readonly quick: boolean;
  readonly rounds: number;
  readonly json?: string;
  readonly markdown?: string;
  /** A committed result whose table goes into README.md; then nothing is measured. */
  readonly updateReadme?: string;
}

const KERNELS = ['auto', 'wasm-simd', 'javascript', 'reference'] as const;

export const HELP = `npm run bench -- [options]

Times the built library: products, softmax, attention, a layer, its training step, decoding, memory. Every contender's
result is checked against float64 first; contenders take turns within a round, and ratios are medians over the rounds.

  --case text           only cases whose name contains the text; may be repeated
  --kernels a,b         which kernels of qkv compete: auto (default), wasm-simd, javascript, reference;
                        ratios are about the first
  --peers               also onnxruntime-web, TensorFlow.js (WASM) and jax-js, one thread each;
                        they are installed by: npm ci --prefix bench
  --rounds n            rounds of every case, default 15
  --quick               tiny sizes and 3 rounds: tries the benchmark, measures nothing
  --json path           write the results, one JSON line a case
  --markdown path       write the results as a Markdown page
  --update-readme path  put the table of such a JSON file into README.md, and measure nothing
  -h, --help            this page
`;

const OPTIONS = {
  case: { type: 'string' },
  kernels: { type: 'string' },
  peers: { type: 'boolean' },
  rounds: { type: 'string' },
  quick: { type: 'boolean' },
  json: { type: 'string' },
  markdown: { type: 'string' },
  'update-readme': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Name = keyof typeof OPTIONS;

/** The settings, or 'help'. @throws UsageError */
export function parseArguments(args: readonly string[]): Settings | 'help' {
  const parsing = { args: [...args], options: OPTIONS, strict: false, allowPositionals: true, tokens: true } as const;
  const values = new Map<Name, string>();
  const cases: string[] = [];
  for (const token of parseArgs(parsing).tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      throw new UsageError(`every word must belong to an option: got ${JSON.stringify(token.value)} (try --help)`);
    }
    const name = requireKnown(token.name, token.rawName);
    const value = requireValue(name, token.value, token.inlineValue === true);
    if (name === 'case') cases.push(value);
    else if (values.has(name)) throw new UsageError(`--${name} must be given once: got it again`);
    else values.set(name, value);
  }
  if (values.has('help')) return 'help';
  const quick = values.has('quick');
  return {
    cases,
    kernels: kernelList(values.get('kernels') ?? 'auto'),
    peers: values.has('peers'),
    quick,
    rounds: roundCount(values.get('rounds') ?? (quick ? '3' : '15')),
    json: values.get('json'),
    markdown: values.get('markdown'),
    updateReadme: values.get('update-readme'),
  };
}

function requireKnown(name: string, rawName: string): Name {
  if (Object.hasOwn(OPTIONS, name)) return name as Name;
  throw new UsageError(`every option must be known: got ${JSON.stringify(rawName)} (try --help)`);
}

/** '' for a switch. */
function requireValue(name: Name, value: string | undefined, inline: boolean): string {
  if (OPTIONS[name].type === 'boolean') {
    if (value === undefined) return '';
    throw new UsageError(`--${name} must have no value: got ${JSON.stringify(value)}`);
  }
  // Another option after the name means that the value was forgotten.
  const forgotten = value === undefined || value === '' || (!inline && value.startsWith('--'));
  if (!forgotten) return value;
  throw new UsageError(`--${name} must have a value: got ${value ? JSON.stringify(value) : 'none'} (try --help)`);
}

function kernelList(text: string): Settings['kernels'] {
  const names = text.split(',');
  const known = names.flatMap((name) => KERNELS.find((kernels) => kernels === name) ?? []);
  if (known.length === names.length && new Set(names).size === names.length) return known;
  throw new UsageError(`--kernels must name some of ${KERNELS.join(', ')}, each once: got ${JSON.stringify(text)}`);
}

function roundCount(text: string): number {
  const rounds = Number(text);
  if (/^\d+$/.test(text) && rounds >= 1 && rounds <= 1000) return rounds;
  throw new UsageError(`--rounds must be an integer from 1 to 1000: got ${JSON.stringify(text)}`);
}
