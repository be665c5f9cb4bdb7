import { dropThreshold, philox } from '../../core/random.js';
import type { Allocate, Dropout, Floats } from '../contract.js';

/** x_i / (1 − rate) where the random word of i is at least the threshold, else 0. Its own backward: dX is that of dY. */
export function dropout(allocate: Allocate, { x, rate, seedLow, seedHigh }: Dropout): Floats {
  const out = allocate(x.length);
  const threshold = dropThreshold(rate);
  const words = new Uint32Array(4);
  for (let i = 0; i < x.length; i++) {
    if (i % 4 === 0) philox(i / 4, 0, 0, 0, seedLow, seedHigh, words);
    if (words[i % 4] >= threshold) out[i] = x[i] / (1 - rate);
  }
  return out;
}
