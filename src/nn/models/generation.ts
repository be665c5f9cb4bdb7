import {
  requireArrayLike,
  requireBoolean,
  requireCount,
  requireInteger,
  requireOptions,
  shapeError,
} from '../../core/errors.js';
import { type Sampler, type SamplingOptions, sampler } from './sampling.js';

export interface GenerateOptions extends SamplingOptions {
  /** Tokens to make at most. Default 256, or as many as the model's capacity leaves. */
  maxTokens?: number;
  /** Ends before such a token. */
  stop?: number | readonly number[];
  /** Keep keys and values; false computes the whole sequence again for every token. Default true. */
  cached?: boolean;
}

const GENERATE_OPTIONS = [
  'maxTokens',
  'temperature',
  'topK',
  'topP',
  'seed',
  'stop',
  'cached',
] as const satisfies readonly (keyof GenerateOptions)[];

const DEFAULT_TOKENS = 256;

/** After so long the event loop gets a turn: the length of a "long task", https://www.w3.org/TR/longtasks-1/. */
const LONG_TASK_MS = 50;

export interface Generation {
  prompt: number[];
  maxTokens: number;
  stop: readonly number[];
  cached: boolean;
  sample: Sampler;
}

/** Everything checked and every default filled in; the seed is drawn last. */
export function checkGenerate(
  where: string,
  ids: ArrayLike<number>,
  options: GenerateOptions,
  { vocabularySize, capacity }: { vocabularySize: number; capacity: number },
): Generation {
  requireOptions(where, options, GENERATE_OPTIONS);
  const prompt = tokens(where, 'ids', ids, vocabularySize);
  if (prompt.length === 0) throw shapeError(where, 'ids must hold at least one token', 'got none');
  const room = capacity - prompt.length + 1; // the last token is never read
  const { maxTokens = Math.max(0, Math.min(DEFAULT_TOKENS, room)), stop = [], cached = true } = options;
  requireInteger(where, 'maxTokens', maxTokens);
  if (prompt.length > capacity || maxTokens > room) {
    const given = `got ${prompt.length} and ${maxTokens} more`;
    throw shapeError(where, `ids and what follows must have at most capacity = ${capacity} tokens`, given);
  }
  const stops = tokens(where, 'stop', typeof stop === 'number' ? [stop] : stop, vocabularySize);
  requireBoolean(where, 'cached', cached);
  return { prompt, maxTokens, stop: stops, cached, sample: sampler(where, options) };
}

function tokens(where: string, name: string, ids: ArrayLike<number>, vocabularySize: number): number[] {
  requireArrayLike(where, name, ids);
  requireCount(where, `the number of ${name}`, ids.length);
  for (let i = 0; i < ids.length; i++) requireInteger(where, `${name}[${i}]`, ids[i], 0, vocabularySize - 1);
  return Array.from(ids);
}

/** When work began that the event loop has not interrupted since; of all generations together. */
let busySince: number | undefined;

/** Whether the event loop has had no turn for long, whoever kept it from that. */
function isLongAtWork(): boolean {
  if (busySince === undefined) {
    busySince = Date.now();
    setTimeout(rest, 0);
  }
  return Date.now() - busySince >= LONG_TASK_MS;
}

function rest(): void {
  busySince = undefined;
}

/** Token after token; `next` gives the logits after tokens that follow those it was given before, `end` comes last. */
export async function* generateTokens(
  { prompt, maxTokens, stop, sample }: Generation,
  next: (ids: readonly number[]) => ArrayLike<number>,
  end: () => void = () => {},
): AsyncGenerator<number, void, undefined> {
  try {
    let ids = prompt;
    for (let made = 0; made < maxTokens; made++) {
      if (isLongAtWork()) await new Promise((resolve) => setTimeout(resolve, 0)); // `rest` has been due for longer
      const id = sample(next(ids));
      if (stop.includes(id)) return;
      yield id;
      ids = [id];
    }
  } finally {
    end();
  }
}
