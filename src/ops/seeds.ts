import { Random, requireSeed } from '../core/random.js';
import { drawSeed } from '../kernels/state.js';

/** The seed of a layer: the one its user gave, else the next of setSeed's stream. */
export function layerSeed(where: string, seed: unknown): number {
  if (seed === undefined) return drawSeed();
  requireSeed(where, seed);
  return seed;
}

/** The generator that draws a layer's initial parameters. */
export function layerRandom(where: string, seed: unknown): Random {
  return new Random(layerSeed(where, seed));
}
