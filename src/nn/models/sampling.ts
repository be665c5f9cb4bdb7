import { requireFinite, requireInteger, shapeError } from '../../core/errors.js';
import { type Random, requireSeed } from '../../core/random.js';
import { layerRandom } from '../../ops/seeds.js';

export interface SamplingOptions {
  /** Logits are divided by it; 0 takes the most likely token. Default 1. */
  temperature?: number;
  /** Only the so many most likely tokens. Default all. */
  topK?: number;
  /** Then only the fewest most likely ones whose probabilities sum to at least this share. Default 1. */
  topP?: number;
  /** The same seed gives the same tokens. Default: the next of setSeed's stream. */
  seed?: number;
}

/** A token id for logits, one for each token. */
export type Sampler = (logits: ArrayLike<number>) => number;

/** Draws a seed only where one is needed. */
export function sampler(where: string, options: SamplingOptions): Sampler {
  const { temperature = 1, topK, topP = 1, seed } = options;
  requireFinite(where, 'temperature', temperature, 0);
  if (topK !== undefined) requireInteger(where, 'topK', topK, 1);
  requireFinite(where, 'topP', topP, 0, 1);
  if (seed !== undefined) requireSeed(where, seed); // also where nothing is drawn
  const random = temperature === 0 ? undefined : layerRandom(where, seed);
  return (logits) => {
    const best = mostLikely(where, logits);
    return random === undefined ? best : draw(logits, logits[best], { temperature, topK, topP }, random);
  };
}

/** The first of the largest. */
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
  { temperature, topK, topP }: { temperature: number; topK?: number; topP: number },
  random: Random,
): number {
  const lowest = topK === undefined || topK >= logits.length ? Number.NEGATIVE_INFINITY : largest(logits, topK);
  // Not `from(logits, f)`, which takes 240 ns an entry instead of 27 (Node 20).
  const weights = Float64Array.from(logits).map((z) => (z < lowest ? 0 : Math.exp((z - max) / temperature)));
  if (topK !== undefined) dropTies(weights, logits, lowest, topK);
  if (topP < 1) keepNucleus(weights, topP);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let left = random.uniform() * total;
  let last = 0;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] === 0) continue;
    last = id;
    left -= weights[id];
    if (left < 0) break;
  }
  return last; // also where rounding has left something over
}

/** The k-th largest. */
function largest(logits: ArrayLike<number>, k: number): number {
  return Float64Array.from(logits).sort()[logits.length - k];
}

/** Of tokens as likely as the last one kept, those with the lower ids stay. */
function dropTies(weights: Float64Array, logits: ArrayLike<number>, lowest: number, topK: number): void {
  let room = topK;
  for (let id = 0; id < weights.length; id++) if (logits[id] > lowest) room--;
  for (let id = 0; id < weights.length; id++) if (logits[id] === lowest && room-- <= 0) weights[id] = 0;
}

function keepNucleus(weights: Float64Array, topP: number): void {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // What lies below the cut-off is not even together as likely as what may be missing, so it need not be sorted.
  const cutoff = ((1 - topP) * total) / weights.length;
  const candidates = Array.from(weights.keys()).filter((id) => weights[id] > 0 && weights[id] >= cutoff);
  candidates.sort((a, b) => weights[b] - weights[a] || a - b);
  let sum = 0;
  const kept = new Set<number>();
  for (const id of candidates) {
    if (kept.size > 0 && sum >= topP * total) break;
    kept.add(id);
    sum += weights[id];
  }
  for (let id = 0; id < weights.length; id++) if (!kept.has(id)) weights[id] = 0;
}
