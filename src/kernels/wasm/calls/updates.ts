import type { Floats } from '../../contract.js';
import type { AdamUpdate, Moved, SGDUpdate, UpdateKernels } from '../../updates.js';
import type { Runtime } from '../module/launch.js';
import * as entries from '../module/updates.generated.js';
import { FEW, sumOfBlocks } from './sums.js';

// The updates have the bits of the reference; so it may do (`others`) what is not laid out for the entries. Measured against
// it from 64×64 to 768×3072, the gradient copied in: SGD 2.3–4 times as fast (plain, Node 24 and 26: 1.5–2), Adam 2.2–4; on
// Node 20 with the moments not resident 2–3 and 1.5–2, with the parameter not either 1.1–2.4 and 1.35. Below FEW entries a
// call costs more than it gains.

export function updateSGD(runtime: Runtime, update: SGDUpdate, others: UpdateKernels): void {
  const { p, buffer, cols, learningRate, momentum, nesterov, weightDecay } = update;
  const arrays = buffer === undefined ? [p] : [p, buffer];
  const places = placesOf(runtime, update, arrays);
  if (places === undefined) {
    others.updateSGD(update);
    return;
  }
  const { at, gradient, rows, units } = places;
  const [atP, atBuffer = 0] = at;
  const flag = nesterov ? 1 : 0;
  // Written out: Node 20 takes 3 to 10 µs to spread an object with doubles.
  entries.updateSgd(
    runtime,
    { p: atP, buffer: atBuffer, gradient, rows, cols, learningRate, momentum, nesterov: flag, weightDecay },
    units,
  );
  copyBack(runtime, arrays, at);
}

export function updateAdam(runtime: Runtime, update: AdamUpdate, others: UpdateKernels): void {
  const { cols, beta1, beta2, rate, rootCorrection, epsilon, added, kept } = update;
  const arrays = [update.p, update.m, update.v];
  const places = placesOf(runtime, update, arrays);
  if (places === undefined) {
    others.updateAdam(update);
    return;
  }
  const { at, gradient, rows, units } = places;
  const [atP, m, v] = at;
  entries.updateAdam(
    runtime,
    { p: atP, m, v, gradient, rows, cols, beta1, beta2, rate, rootCorrection, epsilon, added, kept },
    units,
  );
  copyBack(runtime, arrays, at);
}

/**
 * Where the entries find what an update moves: `arrays` and the gradient. Undefined where they had better not or cannot: for
 * few entries; numbers of 64 bits; some rows of what is not resident, which would be copied whole; where kernel memory is
 * full, which must stop no step in the middle.
 */
function placesOf({ memory }: Runtime, { gradient, rows }: Moved, arrays: readonly Floats[]) {
  if (gradient.length < FEW || [gradient, ...arrays].some((array) => array instanceof Float64Array)) return undefined;
  if (rows !== undefined && !arrays.every((array) => memory.isResident(array))) return undefined;
  memory.enter();
  try {
    return {
      at: arrays.map((array) => memory.copyIn(array)),
      gradient: memory.copyIn(gradient),
      rows: rows === undefined ? 0 : memory.copyIn(rows),
      units: rows === undefined ? gradient.length : rows.length,
    };
  } catch {
    return undefined;
  }
}

function copyBack({ memory }: Runtime, arrays: readonly Floats[], at: readonly number[]): void {
  arrays.forEach((array, i) => {
    if (!memory.isResident(array)) memory.copyTo(array, at[i]);
  });
}

/** No square of a float32 leaves the range of float64. */
export function euclideanNorm(runtime: Runtime, parts: readonly Floats[], others: UpdateKernels): number {
  const entriesInAll = parts.reduce((total, { length }) => total + length, 0);
  const isLeft = entriesInAll < FEW * parts.length || parts.some((part) => part instanceof Float64Array);
  if (isLeft) return others.euclideanNorm(parts);
  return Math.sqrt(parts.reduce((total, part) => sumOfBlocks(runtime, entries.blockSumsOfSquares, part, total), 0));
}
