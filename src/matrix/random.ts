import { requireFinite } from '../core/errors.js';
import { requireOptions } from '../core/options.js';
import { Random, requireSeed } from '../core/random.js';
import { drawSeed } from '../kernels/state.js';

export interface RandomNormalOptions {
  /** Default: the next of setSeed's stream. */
  seed?: number;
  /** Default 0. */
  mean?: number;
  /** Default 1. */
  std?: number;
}

export interface RandomUniformOptions {
  /** Default: the next of setSeed's stream. */
  seed?: number;
  /** Default 0. */
  low?: number;
  /** Default 1, itself never drawn. */
  high?: number;
}

const NORMAL_OPTIONS: readonly (keyof RandomNormalOptions)[] = ['seed', 'mean', 'std'];
const UNIFORM_OPTIONS: readonly (keyof RandomUniformOptions)[] = ['seed', 'low', 'high'];

/** Checks the options; what it gives draws the seed, then independent normal numbers, one a call. */
export function normalDraws(where: string, options: RandomNormalOptions): () => () => number {
  requireOptions(where, options, NORMAL_OPTIONS);
  const { mean = 0, std = 1 } = options;
  requireFinite(where, 'mean', mean);
  requireFinite(where, 'std', std, 0);
  const seed = checkedSeed(where, options.seed);
  return () => {
    const random = new Random(seed ?? drawSeed());
    return () => random.normal(mean, std);
  };
}

/** The same for numbers uniform in [low, high). */
export function uniformDraws(where: string, options: RandomUniformOptions): () => () => number {
  requireOptions(where, options, UNIFORM_OPTIONS);
  const { low = 0, high = 1 } = options;
  requireFinite(where, 'low', low);
  requireFinite(where, 'high', high, low);
  const seed = checkedSeed(where, options.seed);
  return () => {
    const random = new Random(seed ?? drawSeed());
    return () => random.uniform(low, high);
  };
}

function checkedSeed(where: string, seed: unknown): number | undefined {
  if (seed === undefined) return undefined;
  requireSeed(where, seed);
  return seed;
}

/** The same matrix with an entry from every draw; the seed is drawn here. */
export function filled<M extends { readonly data: Float32Array }>(matrix: M, draws: () => () => number): M {
  const { data } = matrix;
  const draw = draws();
  for (let i = 0; i < data.length; i++) data[i] = draw();
  return matrix;
}
