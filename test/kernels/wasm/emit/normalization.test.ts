import { describe, expect, test } from 'vitest';
import { layerNorm, rmsNorm } from '../../../../src/kernels/reference/normalization.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectBound, expectOneHash, float64, grid } from './support.js';

const EPSILON = 1e-5;
const HALF_ULP = 2 ** -24;
/** What a product below the normal numbers may lose. */
const DENORMAL = 2 ** -149;

interface Case {
  x: Float32Array;
  rows: number;
  cols: number;
  gain?: Float32Array;
  bias?: Float32Array;
  cut: number;
}

function runLayerNorm({ x, rows, cols, gain, bias, cut }: Case) {
  const arena = new Arena();
  const at = { x: arena.input(x), out: arena.output(x.length), mean: arena.output(rows), inverse: arena.output(rows) };
  const atGain = gain ? arena.input(gain) : 0;
  const atBias = bias ? arena.input(bias) : 0;
  arena.run(rows, cut, (a, b) =>
    entries.layer_norm(at.x, at.out, atGain, atBias, at.mean, at.inverse, cols, EPSILON, a, b),
  );
  return { out: arena.read(at.out), mean: arena.read(at.mean), inverse: arena.read(at.inverse) };
}

function runRmsNorm({ x, rows, cols, gain, cut }: Case) {
  const arena = new Arena();
  const at = { x: arena.input(x), out: arena.output(x.length), inverse: arena.output(rows) };
  const atGain = gain ? arena.input(gain) : 0;
  arena.run(rows, cut, (a, b) => entries.rms_norm(at.x, at.out, atGain, at.inverse, cols, EPSILON, a, b));
  return { out: arena.read(at.out), inverse: arena.read(at.inverse) };
}

/**
 * z = (x − μ)/√(σ² + ε) is off by at most (cols/16 + 12)·2^−24·(|z| + 1): the depth of the sums, and one rounding an
 * operation. ε is rounded to float32, too: within the 12.
 */
function expectLayerNorm(given: Case): void {
  const { x, cols, gain, bias } = given;
  const exact = layerNorm(float64, { ...given, epsilon: EPSILON });
  const got = runLayerNorm(given);
  const relative = (cols / 16 + 12) * HALF_ULP;
  expectBound(
    got.out,
    exact.out,
    (i) => {
      const [r, c] = [Math.floor(i / cols), i % cols];
      const z = (x[i] - exact.mean[r]) * exact.inverseStd[r];
      const scaled = relative * (Math.abs(z) + 1) * Math.abs(gain ? gain[c] : 1);
      return scaled + (bias ? HALF_ULP * (Math.abs(exact.out[i]) + scaled) : 0) + DENORMAL;
    },
    'out',
  );
  expectBound(got.inverse, exact.inverseStd, (r) => relative * exact.inverseStd[r], 'inverseStd');
  expectBound(got.mean, exact.mean, (r) => HALF_ULP * Math.abs(exact.mean[r]) + relative / exact.inverseStd[r], 'mean');
}

/** Relative error (cols/32 + 8)·2^−24. */
function expectRmsNorm(given: Case): void {
  const exact = rmsNorm(float64, { ...given, epsilon: EPSILON });
  const got = runRmsNorm(given);
  const relative = (given.cols / 32 + 8) * HALF_ULP;
  expectBound(got.out, exact.out, (i) => relative * Math.abs(exact.out[i]) + DENORMAL, 'out');
  expectBound(got.inverse, exact.inverseRms, (r) => relative * exact.inverseRms[r], 'inverseRms');
}

const floats = (length: number, size: number) =>
  fc
    .array(fc.double({ min: -size, max: size, noNaN: true }), { minLength: length, maxLength: length })
    .map((values) => Float32Array.from(values));

/** Rows of 0 … 70 columns far from 0 or not, with and without gain and bias. */
const cases = fc
  .tuple(fc.nat(4), fc.nat(70), fc.constantFrom(0, 3, 1000), fc.constantFrom(1, 20))
  .chain(([rows, cols, offset, size]) =>
    fc.record(
      {
        rows: fc.constant(rows),
        cols: fc.constant(cols),
        x: floats(rows * cols, size).map((x) => x.map((value) => value + offset)),
        cut: fc.nat(rows),
        gain: floats(cols, 2),
        bias: floats(cols, 2),
      },
      { requiredKeys: ['rows', 'cols', 'x', 'cut'] },
    ),
  );

describe('layer_norm', () => {
  test('rows of 0 … 70 columns, between NaNs', () => {
    fc.assert(fc.property(cases, expectLayerNorm), { numRuns: 200 });
  });
  test('no columns: mean 0, 1/√ε', () => {
    const { mean, inverse } = runLayerNorm({ x: new Float32Array(), rows: 2, cols: 0, cut: 1 });
    expect([...mean]).toEqual([0, 0]);
    expect(inverse[0]).toBeCloseTo(1 / Math.sqrt(EPSILON), 3);
  });
  test('wide rows far from 0 keep the law, where one pass in float32 would lose every digit', () => {
    const x = Float32Array.from({ length: 3 * 1001 }, (_, i) => 30_000 + Math.sin(i * 1.7) * 3);
    expectLayerNorm({ x, rows: 3, cols: 1001, cut: 2 });
  });
  test('equal entries give the bias', () => {
    for (const value of [0, 0.1, 1234.567, -3e7]) {
      const { out } = runLayerNorm({
        x: new Float32Array(61).fill(value),
        rows: 1,
        cols: 61,
        bias: new Float32Array(61).fill(2),
        cut: 0,
      });
      for (const y of out) expect(y).toBeCloseTo(2, 5);
    }
  });
  test('NaN and ∞ make their row NaN and no other', () => {
    for (const poison of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const x = grid(-2, 2, 63);
      x[30] = poison;
      const { out } = runLayerNorm({ x, rows: 3, cols: 21, cut: 1 });
      out.forEach((y, i) => expect(Number.isNaN(y), `entry ${i}`).toBe(i >= 21 && i < 42));
    }
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const [x, out, mean, inverse] = [
      arena.input(grid(-9, 8, 210)),
      arena.output(210),
      arena.output(3),
      arena.output(3),
    ];
    expectOneHash(arena, () => entries.layer_norm(x, out, 0, 0, mean, inverse, 70, EPSILON, 0, 3));
  });
});

describe('rms_norm', () => {
  test('rows of 0 … 70 columns, between NaNs', () => {
    fc.assert(fc.property(cases, expectRmsNorm), { numRuns: 200 });
  });
  test('NaN makes its row NaN and no other', () => {
    const x = grid(-2, 2, 63);
    x[30] = Number.NaN;
    const { out } = runRmsNorm({ x, rows: 3, cols: 21, cut: 1 });
    out.forEach((y, i) => expect(Number.isNaN(y), `entry ${i}`).toBe(i >= 21 && i < 42));
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const [x, out, inverse] = [arena.input(grid(-9, 8, 210)), arena.output(210), arena.output(3)];
    expectOneHash(arena, () => entries.rms_norm(x, out, 0, inverse, 70, EPSILON, 0, 3));
  });
});
