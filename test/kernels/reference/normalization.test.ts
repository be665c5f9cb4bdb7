import { describe, it } from 'vitest';
import {
  layerNorm,
  layerNormBackward,
  rmsNorm,
  rmsNormBackward,
} from '../../../src/kernels/reference/normalization.js';
import { expectClose } from '../../support/compare.js';
import { expectDerivative, float64, wave } from './derivatives.js';

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

describe('layerNormBackward and rmsNormBackward are the derivatives', () => {
  const problem = { x: wave(3 * 5, 1), rows: 3, cols: 5, epsilon: 0.1 };
  const dOut = wave(3 * 5, 2);
  const [gain, bias] = [wave(5, 3), wave(5, 4)];

  it.each([{ gain, bias }, { bias }, { gain }, {}])('of x, gain and bias: %o', (given) => {
    const norm = (changed: object) => layerNorm(float64, { ...problem, ...given, ...changed });
    const { dX, dGain, dBias } = layerNormBackward(float64, { ...problem, ...given, ...norm({}), dOut });
    expectDerivative((x) => norm({ x }).out, problem.x, dOut, dX);
    expectDerivative((g) => norm({ gain: g }).out, given.gain ?? new Float64Array(5).fill(1), dOut, dGain);
    expectDerivative((b) => norm({ bias: b }).out, given.bias ?? new Float64Array(5), dOut, dBias);
  });

  it.each([{ gain }, {}])('of x and gain: %o', (given) => {
    const norm = (changed: object) => rmsNorm(float64, { ...problem, ...given, ...changed });
    const { dX, dGain } = rmsNormBackward(float64, { ...problem, ...given, ...norm({}), dOut });
    expectDerivative((x) => norm({ x }).out, problem.x, dOut, dX);
    expectDerivative((g) => norm({ gain: g }).out, given.gain ?? new Float64Array(5).fill(1), dOut, dGain);
  });
});
