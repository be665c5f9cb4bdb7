import type { Allocate, Floats } from '../contract.js';
import type { AdamUpdate, Moved, MuonDirection, SGDUpdate } from '../updates.js';

// One pass over the numbers, every entry in float64, rounded as it is stored.

/** Runs of entries that an update moves: where they begin in p and in the gradient. */
function runsOf({ p, rows, cols }: Moved): { inP: number; inGradient: number; count: number }[] {
  if (rows === undefined) return [{ inP: 0, inGradient: 0, count: p.length }];
  return Array.from(rows, (row, i) => ({ inP: row * cols, inGradient: i * cols, count: cols }));
}

/** b where nesterov is false; a buffer of zeros is one that starts as its first gradient. */
export function updateSGD(update: SGDUpdate): void {
  const { p, gradient, buffer, learningRate, momentum, nesterov, weightDecay } = update;
  for (const { inP, inGradient, count } of runsOf(update)) {
    for (let i = 0; i < count; i++) {
      const at = inP + i;
      let g = gradient[inGradient + i];
      if (weightDecay !== 0) g += weightDecay * p[at]; // not where it is 0: 0·∞ is NaN
      if (buffer !== undefined) {
        const b = momentum * buffer[at] + g;
        buffer[at] = b;
        g = nesterov ? g + momentum * b : b;
      }
      p[at] -= learningRate * g;
    }
  }
}

/** The step takes m and v as they are before they are rounded. */
export function updateAdam(update: AdamUpdate): void {
  const { p, gradient, m, v, beta1, beta2, epsilon, rate, rootCorrection, added, kept } = update;
  for (const { inP, inGradient, count } of runsOf(update)) {
    for (let i = 0; i < count; i++) {
      const at = inP + i;
      let g = gradient[inGradient + i];
      if (added !== 0) g += added * p[at]; // not where it is 0: 0·∞ is NaN
      const mean = beta1 * m[at] + (1 - beta1) * g;
      const square = beta2 * v[at] + (1 - beta2) * g * g;
      m[at] = mean;
      v[at] = square;
      p[at] = kept * p[at] - (rate * mean) / (Math.sqrt(square) / rootCorrection + epsilon);
    }
  }
}

/** The momentum of Muon, as of one step of length 1; a NaN is in all of it, as in its norm. */
export function muonDirection(allocate: Allocate, update: MuonDirection): Floats {
  const { gradient, buffer, momentum, nesterov, epsilon } = update;
  const direction = allocate(gradient.length);
  for (let i = 0; i < gradient.length; i++) {
    const own = (1 - momentum) * gradient[i];
    const b = momentum * buffer[i] + own;
    buffer[i] = b;
    direction[i] = nesterov ? own + momentum * b : b;
  }
  const length = Math.max(euclideanNorm([direction]), epsilon);
  for (let i = 0; i < direction.length; i++) direction[i] /= length;
  return direction;
}

/** a on the diagonal: one product with it is an iteration of Newton and Schulz. */
export function quinticFactor(
  allocate: Allocate,
  s: Floats,
  square: Floats,
  n: number,
  [a, b, c]: readonly [a: number, b: number, c: number],
): Floats {
  const factor = allocate(n * n);
  for (let i = 0; i < factor.length; i++) factor[i] = (i % (n + 1) === 0 ? a : 0) + b * s[i] + c * square[i];
  return factor;
}

/** Where squares could leave the range of float64, they are taken in units of the largest entry. */
export function euclideanNorm(parts: readonly Floats[]): number {
  const inUnitsOf = (unit: number) => {
    let total = 0;
    for (const part of parts) {
      for (let i = 0; i < part.length; i++) {
        const x = part[i] / unit;
        total += x * x;
      }
    }
    return unit * Math.sqrt(total);
  };
  const norm = inUnitsOf(1);
  if (norm > 1e-140 && norm < 1e150) return norm;
  let largest = 0;
  for (const part of parts) for (let i = 0; i < part.length; i++) largest = Math.max(largest, Math.abs(part[i]));
  return largest > 0 && largest < Number.POSITIVE_INFINITY ? inUnitsOf(largest) : largest; // Math.max keeps NaN
}
