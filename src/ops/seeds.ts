import { Random, requireSeed } from '../core/random.js';
import { drawSeed } from '../kernels/state.js';

/** The seed of a layer: the one its user gave, else the next of setSeed's stream. */
export function layerSeed(where: string, seed: unknown): number {
  if (seed === undefined) return drawSeed();
  requireSeed(where, seed);
  return seed;
}

/** Stands for the seed of a layer whose parameters will be loaded: drawing 1e8 of them first would take seconds. */
class Undrawn {
  constructor(readonly seed: unknown) {}
}

/** Gives the seeds that it would give anyway, and tells what draws parameters from it to leave them zeros. */
class UndrawnRandom extends Random {}

/** The options of a layer whose parameters will be loaded: it draws none of them, nor do the layers it is made of. */
export function undrawn<Options extends { seed?: number }>(options: Options): Options {
  return { ...options, seed: new Undrawn(options.seed) as unknown as number };
}

/** The generator that draws a layer's initial parameters, and the seeds of the layers it is made of. */
export function layerRandom(where: string, seed: unknown): Random {
  return seed instanceof Undrawn ? new UndrawnRandom(layerSeed(where, seed.seed)) : new Random(layerSeed(where, seed));
}

/** The next seed of a layer's generator, for a layer in it. */
export function innerSeed(random: Random): number {
  const seed = random.seedForChild();
  return drawsParameters(random) ? seed : (new Undrawn(seed) as unknown as number);
}

export function drawsParameters(random: Random): boolean {
  return !(random instanceof UndrawnRandom);
}
