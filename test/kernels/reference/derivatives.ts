import { expectClose } from '../../support/compare.js';

export const float64 = (length: number): Float64Array => new Float64Array(length);

/** Entries between −size and size, none near 0, all different. */
export function wave(length: number, seed: number, size = 2): Float64Array {
  return Float64Array.from({ length }, (_, i) => {
    const x = Math.sin((i + 1) * 1.7 * seed + seed);
    return size * (x + Math.sign(x) * 0.05);
  });
}

const STEP = 1e-5;
// Truncation STEP²/6 times a third derivative of up to some ten, rounding 2^−53·|Σ| / STEP with sums of up to 10: 1e-9.
const TOLERANCE = 1e-8;

/** dX is the gradient of Σ dY∘f(x), by central differences, an entry of x at a time. */
export function expectDerivative(
  f: (x: Float64Array) => ArrayLike<number>,
  x: Float64Array,
  dY: ArrayLike<number>,
  dX: ArrayLike<number>,
): void {
  const projected = (i: number, step: number) => {
    const y = f(x.map((value, j) => (j === i ? value + step : value)));
    return Array.from(dY).reduce((total, weight, j) => total + weight * y[j], 0);
  };
  const found = Array.from(x, (_, i) => (projected(i, STEP) - projected(i, -STEP)) / (2 * STEP));
  expectClose(dX, found, TOLERANCE);
}
