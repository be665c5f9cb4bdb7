import { requireArguments } from '../../core/arguments.js';
import {
  kindError,
  requireArrayLike,
  requireCount,
  requireFinite,
  requireInteger,
  requireNumber,
  shapeError,
  shapeText,
} from '../../core/errors.js';
import { GENERATION_NAMES } from '../../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../../core/options.js';
import { type Random, requireSeed } from '../../core/random.js';
import { isMatrix } from '../../matrix/matrix.js';
import { layerRandom } from '../../ops/seeds.js';

/** They apply in the order of Hugging Face's transformers: repetitionPenalty, temperature, topK, topP, minP. */
export interface SamplingOptions {
  /** The logits are divided by it; 0 always takes the most likely token. Default 1. */
  temperature?: number;
  /** Sample only from this many of the most likely tokens. Default all. */
  topK?: number;
  /** After topK, sample only from the smallest set of most likely tokens whose probabilities sum to at least topP. Default 1. */
  topP?: number;
  /** Then only those at least this share as likely as the most likely one. Default 0. */
  minP?: number;
  /**
   * Logits of tokens that are there already, in the prompt too, are divided by it where they are above 0, else multiplied
   * by it: above 1, repetitions are less likely. Default 1.
   */
  repetitionPenalty?: number;
  /** The same seed gives the same tokens. Default: the next seed of setSeed's stream. */
  seed?: number;
}

export const SAMPLING_OPTIONS = [
  'temperature',
  'topK',
  'topP',
  'minP',
  'repetitionPenalty',
  'seed',
] as const satisfies readonly (keyof SamplingOptions)[];

const GUIDE: OptionsGuide = { form: 'sampler({ temperature: 0.8 })', elsewhere: [GENERATION_NAMES] };

/** Gives the id of the next token for its logits, one per token of the vocabulary; `ids` are the tokens so far. */
export type Sampler = (logits: ArrayLike<number>, ids?: ArrayLike<number>) => number;

/**
 * What `generate` draws its tokens with: a function that takes one row of logits, and the tokens so far, and gives the id
 * of the next token. With repetitionPenalty the tokens must be given; without it they change nothing.
 *
 * @throws ShapeError  if a number is out of range, or logits are NaN or hold no finite largest; TypeError for wrong kinds
 *   and unknown options
 * @see Fan et al. 2018 (topK), https://arxiv.org/abs/1805.04833; Holtzman et al. 2020 (topP), https://arxiv.org/abs/1904.09751;
 *   Nguyen et al. 2025 (minP), https://arxiv.org/abs/2407.01082; Keskar et al. 2019 (repetitionPenalty), §4.1,
 *   https://arxiv.org/abs/1909.05858; the order, https://huggingface.co/docs/transformers/internal/generation_utils
 * @example
 * const sample = sampler({ temperature: 0.8, minP: 0.05, seed: 1 });
 * const id = sample(model.step(prompt, caches, { logits: 'last' }).row(0));
 */
export function sampler(options: SamplingOptions = {}): Sampler {
  const where = 'sampler';
  requireOptions(where, options, SAMPLING_OPTIONS, GUIDE);
  requireArguments(where, arguments.length, 1);
  const sample = checkSampling(where, options);
  const { repetitionPenalty = 1 } = options;
  return (logits, ids) => {
    requireRow(where, logits);
    if (ids !== undefined) return sample(logits, checkTokens(where, 'ids', ids, logits.length));
    if (repetitionPenalty === 1) return sample(logits, []);
    throw kindError(where, 'ids must be given with repetitionPenalty', 'got undefined');
  };
}

function requireRow(where: string, logits: unknown): asserts logits is ArrayLike<number> {
  if (isMatrix(logits)) {
    throw kindError(where, 'logits must be one row', `got a ${shapeText(logits)} Matrix`, 'pass its .row(r)');
  }
  requireArrayLike(where, 'logits', logits);
  if (logits.length === 0) throw shapeError(where, 'logits must have at least one entry', 'got none');
  for (let id = 0; id < logits.length; id++) {
    if (typeof logits[id] !== 'number') requireNumber(where, `logits[${id}]`, logits[id]); // its name only where it is needed
  }
}

/** A copy of token ids, checked. */
export function checkTokens(where: string, name: string, ids: unknown, vocabularySize: number): number[] {
  requireArrayLike(where, name, ids);
  requireCount(where, `the number of ${name}`, ids.length);
  const tokens: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    requireInteger(where, `${name}[${i}]`, id, 0, vocabularySize - 1);
    tokens.push(id);
  }
  return tokens;
}

/** What it is given is not checked. Draws a seed only where one is needed. */
export function checkSampling(
  where: string,
  options: SamplingOptions,
): (logits: ArrayLike<number>, ids: readonly number[]) => number {
  const { temperature = 1, topK, topP = 1, minP = 0, repetitionPenalty = 1, seed } = options;
  requireFinite(where, 'temperature', temperature, 0);
  if (topK !== undefined) requireInteger(where, 'topK', topK, 1);
  requireFinite(where, 'topP', topP, 0, 1);
  requireFinite(where, 'minP', minP, 0, 1);
  requireFinite(where, 'repetitionPenalty', repetitionPenalty);
  if (repetitionPenalty <= 0) {
    throw shapeError(where, 'repetitionPenalty must be a finite number above 0', `got ${repetitionPenalty}`);
  }
  if (seed !== undefined) requireSeed(where, seed); // even if nothing is drawn
  const random = temperature === 0 ? undefined : layerRandom(where, seed);
  return (given, ids) => {
    const logits = repetitionPenalty === 1 ? given : penalized(given, ids, repetitionPenalty);
    const best = mostLikely(where, logits);
    return random === undefined ? best : draw(logits, logits[best], { temperature, topK, topP, minP }, random);
  };
}

/** Keskar et al. 2019, arXiv 1909.05858, §4.1, for logits of either sign as transformers has it: each token once. */
function penalized(logits: ArrayLike<number>, ids: readonly number[], penalty: number): Float64Array {
  const row = new Float64Array(logits);
  for (const id of ids) row[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
  return row;
}

/** The token with the largest logit; of several the first. */
function mostLikely(where: string, logits: ArrayLike<number>): number {
  let best = 0;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] > logits[best]) best = id;
    if (Number.isNaN(logits[id])) throw notLogits(where, `token ${id} has NaN`);
  }
  if (Number.isFinite(logits[best])) return best;
  throw notLogits(where, `the largest is ${logits[best]}`);
}

function notLogits(where: string, given: string) {
  return shapeError(where, 'the logits of the next token must be numbers, the largest of them finite', given);
}

/** Holtzman et al. 2020 (topP), arXiv 1904.09751, §3.1; Fan et al. 2018 (topK), arXiv 1805.04833, §5.4. */
function draw(
  logits: ArrayLike<number>,
  max: number,
  { temperature, topK, topP, minP }: { temperature: number; topK?: number; topP: number; minP: number },
  random: Random,
): number {
  const lowest = topK === undefined || topK >= logits.length ? Number.NEGATIVE_INFINITY : largest(logits, topK);
  // Not `from(logits, f)`, which takes 240 ns per entry instead of 27 (Node 20).
  const weights = Float64Array.from(logits).map((z) => (z < lowest ? 0 : Math.exp((z - max) / temperature)));
  if (topK !== undefined) dropTies(weights, logits, lowest, topK);
  if (topP < 1) keepNucleus(weights, topP);
  if (minP > 0) keepLikely(weights, minP);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let remaining = random.uniform() * total;
  let last = 0;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] === 0) continue;
    last = id;
    remaining -= weights[id];
    if (remaining < 0) break;
  }
  return last; // the last possible token if rounding keeps `remaining` at 0 or above
}

/** The k-th largest logit. */
function largest(logits: ArrayLike<number>, k: number): number {
  return Float64Array.from(logits).sort()[logits.length - k];
}

/** Keeps topK tokens: of those whose logits tie at the cut-off, the ones with the lowest ids. */
function dropTies(weights: Float64Array, logits: ArrayLike<number>, lowest: number, topK: number): void {
  let room = topK;
  for (let id = 0; id < weights.length; id++) if (logits[id] > lowest) room--;
  for (let id = 0; id < weights.length; id++) if (logits[id] === lowest && room-- <= 0) weights[id] = 0;
}

/** Sets the weights outside the nucleus (see topP) to 0. */
function keepNucleus(weights: Float64Array, topP: number): void {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // All tokens below the cut-off together have less than the share 1 − topP that may be missing, so they need not be sorted.
  const cutoff = ((1 - topP) * total) / weights.length;
  const candidates = Array.from(weights.keys()).filter((id) => weights[id] > 0 && weights[id] >= cutoff);
  candidates.sort((a, b) => weights[b] - weights[a] || a - b);
  let sum = 0;
  const nucleus = new Set<number>();
  for (const id of candidates) {
    if (nucleus.size > 0 && sum >= topP * total) break;
    nucleus.add(id);
    sum += weights[id];
  }
  for (let id = 0; id < weights.length; id++) if (!nucleus.has(id)) weights[id] = 0;
}

/** The largest weight is 1, whatever was dropped before. Nguyen et al. 2025, arXiv 2407.01082, §3. */
function keepLikely(weights: Float64Array, minP: number): void {
  for (let id = 0; id < weights.length; id++) if (weights[id] < minP) weights[id] = 0;
}
