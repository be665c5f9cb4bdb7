import { describe, expect, it } from 'vitest';
import {
  erfc,
  gelu,
  geluSlope,
  geluTanh,
  geluTanhSlope,
  relu,
  silu,
  siluSlope,
} from '../../../src/kernels/reference/activations.js';

/** erf by its series of positive terms, 2/√π·e^{−x²}·Σ 2ⁿx^{2n+1}/(2n+1)!!: no cancellation. */
function erfSeries(x: number): number {
  let [term, sum] = [x, 0];
  for (let n = 0; Math.abs(term) > 1e-20 * Math.abs(sum); n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 3);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** erfc by Lentz's evaluation of its continued fraction, for x ≥ 2. */
function erfcFraction(x: number): number {
  let fraction = 0;
  for (let n = 200; n >= 1; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

describe('erfc', () => {
  it('agrees with the series up to 3 and the fraction from 2 on', () => {
    // Cody's tables are good to 1e-16; e^{−x²} of the oracle loses x² units in the last place.
    for (let x = -6; x <= 3; x += 0.0137) {
      expect(Math.abs(erfc(x) - (1 - erfSeries(x)))).toBeLessThanOrEqual(2e-15 * (1 + x * x));
    }
    for (let x = 2; x <= 26; x += 0.0531) {
      expect(Math.abs(erfc(x) / erfcFraction(x) - 1)).toBeLessThanOrEqual(1e-15 * (5 + x * x));
    }
  });

  it('has its limits, and no jump where the tables change', () => {
    expect([erfc(0), erfc(Number.POSITIVE_INFINITY), erfc(Number.NEGATIVE_INFINITY)]).toEqual([1, 0, 2]);
    expect(erfc(Number.NaN)).toBeNaN();
    for (const x of [0.46875, 4, -0.46875, -4]) {
      expect(Math.abs(erfc(x + 1e-12) / erfc(x - 1e-12) - 1)).toBeLessThan(1e-10);
    }
  });
});

describe('activations', () => {
  const { NEGATIVE_INFINITY, POSITIVE_INFINITY } = Number;

  it('have their values', () => {
    expect([relu(-1), relu(0), relu(2)]).toEqual([0, 0, 2]);
    expect(silu(1)).toBeCloseTo(1 / (1 + Math.exp(-1)), 15);
    expect(gelu(1)).toBeCloseTo(0.8413447460685429, 15); // Φ(1)
    expect(gelu(-2)).toBeCloseTo(-2 * 0.022750131948179195, 15); // Φ(−2)
    expect(geluTanh(1)).toBeCloseTo(0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * 1.044715)), 15);
    expect(geluTanh(1)).not.toBeCloseTo(gelu(1), 5);
  });

  it.each(Object.entries({ relu, silu, gelu, geluTanh }))(
    '%s keeps NaN, +∞ and large numbers, and ends at 0',
    (_, f) => {
      expect(f(Number.NaN)).toBeNaN();
      expect(f(POSITIVE_INFINITY)).toBe(POSITIVE_INFINITY);
      expect(f(1e300)).toBe(1e300);
      expect(Math.abs(f(NEGATIVE_INFINITY))).toBe(0);
      expect(Math.abs(f(-1e300))).toBe(0);
      expect(f(0)).toBe(0);
    },
  );

  it('gelu keeps its relative accuracy in the left tail', () => {
    for (const x of [-3, -5, -8, -20]) {
      expect(gelu(x) / (0.5 * x * erfcFraction(-x / Math.SQRT2))).toBeCloseTo(1, 12);
    }
  });
});

describe('slopes', () => {
  const { NEGATIVE_INFINITY, POSITIVE_INFINITY } = Number;

  it.each([
    ['silu', silu, siluSlope],
    ['gelu', gelu, geluSlope],
    ['geluTanh', geluTanh, geluTanhSlope],
  ] as const)('of %s: the central difference, with the limits 0 and 1', (_, f, slope) => {
    for (let x = -10; x <= 10; x += 0.173) {
      // h²/6·f‴ with h = 1e-4 and |f‴| ≤ 2, and 2^−53·|x|/h of rounding.
      expect(Math.abs(slope(x) - (f(x + 1e-4) - f(x - 1e-4)) / 2e-4), `at ${x}`).toBeLessThan(2e-8);
    }
    for (const size of [1e3, 1e30, 1e300, POSITIVE_INFINITY]) expect([slope(-size) + 0, slope(size)]).toEqual([0, 1]);
    expect([slope(0), slope(-0)]).toEqual([0.5, 0.5]);
    expect(slope(Number.NaN)).toBeNaN();
    expect(slope(NEGATIVE_INFINITY)).toBe(0);
  });
});
