import { describe, expect, test } from 'vitest';
import * as reference from '../../../../src/kernels/reference/normalization.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectBound, expectOneHash, float64, grid } from './support.js';

const UNIT = 2 ** -24;
const DENORMAL = 2 ** -149;
const EPSILON = 1e-5;

interface Case {
  x: Float32Array;
  dOut: Float32Array;
  gain: Float32Array;
  rows: number;
  cols: number;
  cut: number;
  cutCols: number;
}

/** What the forward gives a row, as float32. */
function statistics({ x, rows, cols }: Case, centered: boolean) {
  const problem = { x: Float64Array.from(x), rows, cols, epsilon: EPSILON };
  const { mean, inverseStd } = reference.layerNorm(float64, problem);
  const { inverseRms } = reference.rmsNorm(float64, problem);
  return {
    mean: Float32Array.from(centered ? mean : new Float64Array(rows)),
    inverse: Float32Array.from(centered ? inverseStd : inverseRms),
  };
}

function run(given: Case, centered: boolean) {
  const { x, dOut, gain, rows, cols, cut, cutCols } = given;
  const { mean, inverse } = statistics(given, centered);
  const operands = (arena: Arena) => ({
    x: arena.input(x),
    dOut: arena.input(dOut),
    mean: centered ? arena.input(mean) : 0,
    inverse: arena.input(inverse),
  });
  const arena = new Arena();
  const at = { ...operands(arena), gain: arena.input(gain), dX: arena.output(x.length) };
  arena.run(rows, cut, (a, b) => entries.norm_backward(at.x, at.dOut, at.gain, at.mean, at.inverse, at.dX, cols, a, b));
  const dX = arena.read(at.dX);
  const second = new Arena();
  const in2 = { ...operands(second), out: second.output(cols), scratch: second.scratch(cols) };
  second.run(cols, cutCols, (a, b) =>
    entries.gain_backward(in2.x, in2.dOut, in2.mean, in2.inverse, in2.out, rows, cols, a, b, in2.scratch),
  );
  return { dX, dGain: second.read(in2.out), mean, inverse };
}

/**
 * dX is off by at most (cols/4 + 12)·2^−24·i·(|dN| + mean|dN| + |n|·mean|dN∘n|), dGain by (rows + 4)·2^−24·Σ|dOut∘n|.
 * Both sides take the float32 mean and inverse as exact.
 */
function expectLaw(given: Case, centered: boolean): void {
  const { rows, cols } = given;
  const { dX, dGain, mean, inverse } = run(given, centered);
  const [x, dOut, gain] = [given.x, given.dOut, given.gain].map((array) => Float64Array.from(array));
  const problem = { x, rows, cols, gain, epsilon: EPSILON, dOut };
  const exact = centered
    ? reference.layerNormBackward(float64, { ...problem, mean, inverseStd: inverse })
    : reference.rmsNormBackward(float64, { ...problem, inverseRms: inverse });
  const n = (r: number, c: number) => Math.abs((x[r * cols + c] - mean[r]) * inverse[r]);
  const dN = (r: number, c: number) => Math.abs(dOut[r * cols + c] * gain[c]);
  const means = Array.from({ length: rows }, (_, r) => {
    let [d, product] = [0, 0];
    for (let c = 0; c < cols; c++) {
      d += dN(r, c) / cols;
      product += (dN(r, c) * n(r, c)) / cols;
    }
    return { d, product };
  });
  expectBound(
    dX,
    exact.dX,
    (i) => {
      const [r, c] = [Math.floor(i / cols), i % cols];
      const terms = dN(r, c) + means[r].d + n(r, c) * means[r].product;
      return (cols / 4 + 12) * UNIT * inverse[r] * terms + (1 + inverse[r]) * cols * DENORMAL;
    },
    'dX',
  );
  expectBound(
    dGain,
    exact.dGain,
    (c) => {
      let terms = 0;
      for (let r = 0; r < rows; r++) terms += Math.abs(dOut[r * cols + c]) * n(r, c);
      return (rows + 4) * UNIT * terms + (rows + 1) * DENORMAL;
    },
    'dGain',
  );
}

const floats = (length: number, size: number) =>
  fc
    .array(fc.double({ min: -size, max: size, noNaN: true }), { minLength: length, maxLength: length })
    .map((values) => Float32Array.from(values));

const cases: fc.Arbitrary<Case> = fc
  .tuple(fc.nat(5), fc.nat(70), fc.constantFrom(0, 3, 1000), fc.constantFrom(1e-3, 1, 20))
  .chain(([rows, cols, offset, size]) =>
    fc.record({
      rows: fc.constant(rows),
      cols: fc.constant(cols),
      x: floats(rows * cols, size).map((x) => x.map((value) => value + offset)),
      dOut: floats(rows * cols, 3),
      gain: floats(cols, 2),
      cut: fc.nat(rows),
      cutCols: fc.nat(cols),
    }),
  );

const wave = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => 3 * Math.sin(i * seed + seed));
const planted = { rows: 3, cols: 21, x: wave(63, 1.3), gain: wave(21, 2), cut: 1, cutCols: 9 };

describe.each([
  ['with means', true],
  ['without', false],
] as const)('norm_backward and gain_backward %s', (_, centered) => {
  test('rows of 0 … 70 columns, near 0 and far from it, between NaNs', () => {
    fc.assert(
      fc.property(cases, (given) => expectLaw(given, centered)),
      { numRuns: 200 },
    );
  });
  test('wide rows, and many, keep the law', () => {
    const wideRows = { rows: 2, cols: 3001, x: wave(6002, 1.7), dOut: wave(6002, 0.7), gain: wave(3001, 2) };
    expectLaw({ ...wideRows, cut: 1, cutCols: 1000 }, centered);
    const many = { rows: 900, cols: 7, x: wave(6300, 1.7), dOut: wave(6300, 0.7), gain: wave(7, 2) };
    expectLaw({ ...many, cut: 400, cutCols: 3 }, centered);
  });
  test('NaN of the upstream stays in its row of dX and its column of dGain', () => {
    const dOut = wave(63, 0.9);
    dOut[30] = Number.NaN;
    const { dX, dGain } = run({ ...planted, dOut }, centered);
    dX.forEach((value, i) => expect(Number.isNaN(value), `entry ${i}`).toBe(i >= 21 && i < 42));
    dGain.forEach((value, c) => expect(Number.isNaN(value), `column ${c}`).toBe(c === 9));
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const [x, dOut, inverse, dX] = [
      arena.input(grid(-9, 8, 210)),
      arena.input(grid(-1, 2, 210)),
      arena.input([1, 2, 3]),
      arena.output(210),
    ];
    const [gain, mean] = [arena.input(grid(-1, 1, 70)), centered ? arena.input([1, 0, 2]) : 0];
    expectOneHash(arena, () => entries.norm_backward(x, dOut, gain, mean, inverse, dX, 70, 0, 3));
  });
});

test('an infinite upstream is as the reference says where nothing is centered', () => {
  const dOut = wave(63, 0.9);
  dOut[30] = Number.POSITIVE_INFINITY;
  expectLaw({ ...planted, dOut }, false);
});
