import { describe, it } from 'vitest';
import { layerNorm, rmsNorm } from '../../../src/kernels/reference/normalization.js';
import { expectClose } from '../../support/compare.js';

const allocate = (length: number) => new Float64Array(length);
const x = Float64Array.of(1, 2, 3, 6, 0, 0, 0, 4);

describe('layerNorm', () => {
  it('is (x − mean) / √(variance + ε) ∘ gain + bias with the biased variance', () => {
    const gain = Float64Array.of(1, 2, 1, 1);
    const bias = Float64Array.of(0, 3, 5, 0);
    const got = layerNorm(allocate, { x, rows: 2, cols: 4, gain, bias, epsilon: 0.5 });
    // Row 0: mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5, √4 = 2. Row 1: mean 1, variance 3, √3.5.
    const s = Math.sqrt(3.5);
    expectClose(got.out, [-1, 2, 5, 1.5, -1 / s, 3 - 2 / s, 5 - 1 / s, 3 / s], 1e-14);
    expectClose(got.mean, [3, 1], 1e-15);
    expectClose(got.inverseStd, [0.5, 1 / s], 1e-15);
  });

  it('survives a mean far from 0: two passes', () => {
    const far = Float64Array.of(1e8, 1e8 + 1, 1e8 + 2);
    expectClose(
      layerNorm(allocate, { x: far, rows: 1, cols: 3, epsilon: 0 }).out,
      [-Math.sqrt(1.5), 0, Math.sqrt(1.5)],
      1e-7,
    );
  });
});

describe('rmsNorm', () => {
  it('is x / √(mean(x²) + ε) ∘ gain', () => {
    const got = rmsNorm(allocate, { x, rows: 2, cols: 4, gain: Float64Array.of(1, 1, 1, 2), epsilon: 12.5 });
    // Row 0: mean square 50/4 = 12.5, √25 = 5. Row 1: 4, √16.5.
    const s = Math.sqrt(16.5);
    expectClose(got.out, [0.2, 0.4, 0.6, 2.4, 0, 0, 0, 8 / s], 1e-14);
    expectClose(got.inverseRms, [0.2, 1 / s], 1e-15);
  });
});
