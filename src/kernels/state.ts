import { requireChoice } from '../core/errors.js';
import { Random, requireSeed } from '../core/random.js';
import type { Kernels } from './contract.js';
import { float64, reference } from './reference/kernels.js';

// The only mutable module state of the library: the chosen kernels and the stream of seeds.

export type KernelChoice = 'auto' | 'reference' | 'float64';

const CHOICES: readonly KernelChoice[] = ['auto', 'reference', 'float64'];

let active: Kernels = reference;
let seeds = /* @__PURE__ */ new Random(0);

/** The kernels every operation uses now. */
export function kernels(): Kernels {
  return active;
}

/**
 * Chooses the kernels that all later calls use: 'auto' the fastest this engine can run, 'reference' the plain loops,
 * 'float64' the same loops on 64-bit storage (an oracle for tests: results then hold a Float64Array).
 *
 * @throws ShapeError  if the choice is unknown
 * @example setKernels('float64'); const exact = scaledDotProductAttention(q, k, v); setKernels('auto');
 */
export function setKernels(choice: KernelChoice): void {
  requireChoice('setKernels', 'kernels', choice, CHOICES);
  active = choice === 'float64' ? float64 : reference;
}

/**
 * What computes now, on how many threads, and why nothing faster.
 *
 * @example capabilities(); // { kernels: 'reference', threads: 1, reasons: [...] }
 */
export function capabilities(): { kernels: Kernels['name']; threads: number; reasons: string[] } {
  return { kernels: active.name, threads: 1, reasons: [] };
}

/**
 * Restarts the stream from which layers and calls without a seed of their own draw one. At import it stands at seed 0,
 * so a program that sets no seed still repeats itself.
 *
 * @param seed  an integer from 0 to 2^53 − 1
 * @throws ShapeError  if it is not one
 * @example setSeed(7); const a = new Linear(4, 4); setSeed(7); const b = new Linear(4, 4); // equal weights
 */
export function setSeed(seed: number): void {
  requireSeed('setSeed', seed);
  seeds = new Random(seed);
}

/** The next seed of that stream. */
export function drawSeed(): number {
  return seeds.seedForChild();
}
