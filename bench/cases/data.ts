import { Matrix } from 'qkv';

/** Seeded standard normal numbers, as activations are after a norm. */
export function activations(rows: number, cols: number, seed: number): Float32Array {
  return Matrix.randomNormal(rows, cols, { seed }).data;
}

/** Seeded weights of a size that keeps what they are applied to at its size: variance 1 / rows. */
export function weights(rows: number, cols: number, seed: number): Float32Array {
  return Matrix.randomNormal(rows, cols, { seed, std: 1 / Math.sqrt(rows) }).data;
}
