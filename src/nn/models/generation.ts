import { describe, kindError, requireBoolean, requireInteger, shapeError } from '../../core/errors.js';
import { requireFunction, requireSync } from '../../core/functions.js';
import { GENERATION_NAMES } from '../../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../../core/options.js';
import { CALL_PLACES } from './causal-lm-options.js';
import { checkSampling, checkTokens, SAMPLING_OPTIONS, type SamplingOptions } from './sampling.js';

/** What counts of an AbortSignal; there are programs without its type. */
export interface AbortSignalLike {
  throwIfAborted(): void;
}

export interface GenerateOptions extends SamplingOptions {
  /** The most tokens to generate. Default 256, or fewer if the model's capacity leaves no room for them. */
  maxTokens?: number;
  /** Generation ends before any of these tokens. Default none. */
  stop?: number | readonly number[];
  /** Keep keys and values in caches; false computes the whole sequence again for every token. Default true. */
  cached?: boolean;
  /**
   * An AbortSignal. Once it is aborted, whoever asks for a token gets the signal's reason thrown, as with fetch: also the
   * first who asks, if it was aborted before.
   */
  signal?: AbortSignalLike;
  /**
   * Sees the logits of every next token before repetitionPenalty and whatever else the sampler does, and may write into
   * them: they are its own. `ids` are all tokens so far, those of the prompt first. Returns nothing.
   */
  logits?: (row: Float32Array, ids: readonly number[]) => void;
}

const GENERATE_OPTIONS = /* @__PURE__ */ (() =>
  [
    'maxTokens',
    'stop',
    'cached',
    'signal',
    'logits',
    ...SAMPLING_OPTIONS,
  ] as const satisfies readonly (keyof GenerateOptions)[])();

const GUIDE: OptionsGuide = {
  form: 'generate(ids, { maxTokens: 100 })',
  elsewhere: [GENERATION_NAMES],
  places: CALL_PLACES,
};

const DEFAULT_TOKENS = 256;

/** After this time the event loop gets a turn: the length of a "long task", https://www.w3.org/TR/longtasks-1/. */
const LONG_TASK_MS = 50;

/** The checked options of one generation. */
export interface Generation {
  prompt: number[];
  maxTokens: number;
  stop: readonly number[];
  cached: boolean;
  signal?: AbortSignalLike;
  /** The token after all tokens so far, by its logits. */
  choose: (logits: Float32Array, ids: readonly number[]) => number;
}

/** Checks the prompt and every option and fills in the defaults; the seed is drawn last. */
export function checkGenerate(
  where: string,
  ids: ArrayLike<number>,
  options: GenerateOptions,
  { vocabularySize, capacity }: { vocabularySize: number; capacity: number },
): Generation {
  requireOptions(where, options, GENERATE_OPTIONS, GUIDE);
  const prompt = checkTokens(where, 'ids', ids, vocabularySize);
  if (prompt.length === 0) throw shapeError(where, 'ids must hold at least one token', 'got none');
  const room = capacity - prompt.length + 1; // the last generated token is not an input of the model
  const { maxTokens = Math.max(0, Math.min(DEFAULT_TOKENS, room)), stop = [], cached = true } = options;
  requireInteger(where, 'maxTokens', maxTokens);
  if (prompt.length > capacity || maxTokens > room) {
    const given = `got ${prompt.length} and ${maxTokens} more`;
    throw shapeError(where, `ids and what follows must have at most capacity = ${capacity} tokens`, given);
  }
  const stops = checkTokens(where, 'stop', typeof stop === 'number' ? [stop] : stop, vocabularySize);
  requireBoolean(where, 'cached', cached);
  const { signal, logits: hook } = options;
  if (signal !== undefined) requireSignal(where, signal);
  if (hook !== undefined) requireFunction(where, 'logits', hook);
  const sample = checkSampling(where, options);
  const choose: Generation['choose'] = (logits, all) =>
    sample(hook === undefined ? logits : changed(where, logits, all, hook), all);
  return { prompt, maxTokens, stop: stops, cached, signal, choose };
}

function requireSignal(where: string, signal: unknown): void {
  if (typeof (signal as AbortSignalLike | null)?.throwIfAborted === 'function') return;
  throw kindError(where, 'signal must be an AbortSignal', `got ${describe(signal)}`);
}

/** The logits as the user's function leaves them; made for this token, they are its own. */
function changed(
  where: string,
  row: Float32Array,
  ids: readonly number[],
  hook: NonNullable<GenerateOptions['logits']>,
): Float32Array {
  const given: unknown = requireSync(where, 'logits', hook(row, ids.slice()));
  if (given === undefined) return row;
  throw kindError(where, 'logits must return nothing', `it gave ${describe(given)}`, 'write into the row');
}

/** When the current stretch of work without a turn of the event loop began; shared by all generations. */
let busySince: number | undefined;

/** Whether the event loop has had no turn for LONG_TASK_MS, whatever else ran in that time. */
function isLongTask(): boolean {
  if (busySince === undefined) {
    busySince = Date.now();
    setTimeout(rest, 0);
  }
  return Date.now() - busySince >= LONG_TASK_MS;
}

function rest(): void {
  busySince = undefined;
}

/**
 * Generates one token after another.
 *
 * @param next  takes the tokens that follow those of its earlier calls, and all tokens so far; gives the logits after the last one
 * @param end  is called last, however the generation ends
 */
export async function* generateTokens(
  { prompt, maxTokens, stop, signal, choose }: Generation,
  next: (ids: readonly number[], all: readonly number[]) => Float32Array,
  end: () => void = () => {},
): AsyncGenerator<number, void, undefined> {
  const all = prompt.slice();
  try {
    let ids: readonly number[] = prompt;
    for (let made = 0; ; made++) {
      if (isLongTask()) await new Promise((resolve) => setTimeout(resolve, 0)); // `rest` has been due for longer
      signal?.throwIfAborted();
      if (made === maxTokens) return;
      const id = choose(next(ids, all), all);
      if (stop.includes(id)) return;
      yield id;
      ids = [id];
      all.push(id);
    }
  } finally {
    end();
  }
}
