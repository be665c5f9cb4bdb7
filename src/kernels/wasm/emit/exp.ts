import { type FunctionBuilder, range } from './language/builder.js';
import type { Float, Vector } from './language/values.js';
import type { VectorVariable } from './language/variables.js';

// e^x and 2^x of four floats: x = n·ln 2 + r, n the nearest integer, |r| ≤ ½ ln 2; e^x = 2^n·p(r). (Cody and Waite 1980,
// Software Manual for the Elementary Functions, chapter 6.)
// n comes from adding 1.5·2^23 + bias, whose last bits then hold n + bias: shifted by 23 they are the float 2^(n+bias−127).
// It multiplies p, it is not added to its exponent: a NaN stays a NaN whatever its bits.
//
// The polynomials were fitted offline: minimax in relative error over |r| ≤ ½ ln 2 (|r| ≤ ½ for 2^r), by iterated
// reweighted least squares on 3000 Chebyshev points, leading terms 1, 1, ½ (1 for 2^r) held exact, the others rounded to
// float32 from the lowest power up, each followed by a fit of the rest. Error of the polynomial alone: e^r 3.7e-9, 2^r 9.4e-8.

const EXP = [1, 1, 0.5, 0.16666535, 0.041667245, 0.008367441, 0.0013863138];
const EXP2 = [1, 0.693147004, 0.24022247, 0.05550711, 0.009671292, 0.0013269535];

const ROUND = 1.5 * 2 ** 23;
/** ln 2 in two parts: n·LN2_HIGH is exact (9 bits). */
const LN2_HIGH = 0.693359375;
const LN2_LOW = Math.LN2 - LN2_HIGH;

/** out[i] = Σ coefficients[j]·x[i]^j by Horner's rule. Several at once share every coefficient while it is in a register. */
export function polynomials(
  f: FunctionBuilder,
  out: readonly VectorVariable[],
  coefficients: readonly number[],
  x: readonly Vector[],
): void {
  const [highest, ...lower] = coefficients.map((c) => f.constant(c)).reverse();
  for (const [i, v] of out.entries()) v.set(highest.times(x[i]).plus(lower[0]));
  for (const c of lower.slice(1)) for (const [i, v] of out.entries()) v.set(v.times(x[i]).plus(c));
}

/** The same for one, as a value. */
export function polynomial(f: FunctionBuilder, coefficients: readonly number[], x: Vector): Vector {
  return coefficients
    .slice(0, -1)
    .reduceRight((sum, c) => sum.times(x).plus(f.constant(c)), f.constant(coefficients[coefficients.length - 1]));
}

/** x = n·ln 2 + r: r, and 2^(n + bias − 127). Holds for 0 ≤ n + bias ≤ 254. */
function reduce(
  f: FunctionBuilder,
  x: readonly VectorVariable[],
  bias: number,
): { r: VectorVariable[]; power: Vector[] } {
  const round = f.constant(ROUND + bias);
  const [shifted, n, r] = ['expShifted', 'expN', 'expR'].map((name) => variables(f, name, x.length));
  for (const [i, v] of x.entries()) shifted[i].set(v.times(f.constant(Math.LOG2E)).plus(round));
  for (const [i, v] of n.entries()) v.set(shifted[i].minus(round));
  for (const [i, v] of r.entries()) v.set(x[i].minus(n[i].times(f.constant(LN2_HIGH))));
  for (const [i, v] of r.entries()) v.set(v.minus(n[i].times(f.constant(LN2_LOW))));
  return { r, power: shifted.map((v) => v.intShl(23)) };
}

const variables = (f: FunctionBuilder, name: string, count: number): VectorVariable[] =>
  range(count).map((i) => f.vectorVariable(`${name}${i}`));

/**
 * out = e^x, or e^(x + low) for |low| ≪ 1, for x ≤ 89, within 1.2 ulp. Below 2^−125.5 (x < −86.99) the result is 0, above
 * the largest float +∞; NaN stays NaN. `out` may be the variable that x reads.
 */
export function boundedExpVector(f: FunctionBuilder, out: VectorVariable, x: Vector, low?: Vector): void {
  boundedExpVectors(f, [out], [x], low);
}

/** The same for several at once. */
export function boundedExpVectors(
  f: FunctionBuilder,
  out: readonly VectorVariable[],
  x: readonly Vector[],
  low?: Vector,
): void {
  const bounded = variables(f, 'expX', x.length);
  for (const [i, v] of bounded.entries()) v.set(x[i].pmax(f.constant(-87.5)));
  // 2p(r)·2^(n−1): the power of n = 128 would already be infinite.
  const { r, power } = reduce(f, bounded, 126);
  if (low) for (const v of r) v.set(v.plus(low));
  const doubled = EXP.map((c) => 2 * c);
  polynomials(f, out, doubled, r);
  for (const [i, v] of out.entries()) v.set(v.times(power[i]));
}

/** The same for any x. (Its own function because the bound costs softmax 8 %.) */
export function expVector(f: FunctionBuilder, out: VectorVariable, x: Vector): void {
  boundedExpVector(f, out, x.pmin(f.constant(89)));
}

/** out = e^x − 1 for 0 ≤ x ≤ 80, within 2.5 ulp also near 0; NaN stays NaN. */
export function expMinusOneVector(f: FunctionBuilder, out: VectorVariable, x: VectorVariable): void {
  const { r, power } = reduce(f, [x], 127);
  const scale = f.vectorVariable('expScale', power[0]);
  out.set(
    polynomial(f, EXP.slice(1), r[0])
      .times(r[0])
      .times(scale)
      .plus(scale.minus(f.constant(1))),
  );
}

/**
 * out = 2^x for x ≤ 127, within 2.3 ulp; 2^0 is exactly 1. Below 2^−126.5 the result is 0; NaN stays NaN.
 * `out` may be the variable that x reads.
 */
export function exp2Vector(f: FunctionBuilder, out: VectorVariable, x: Vector): void {
  exp2Vectors(f, [out], [x]);
}

/** The same for several at once. */
export function exp2Vectors(f: FunctionBuilder, out: readonly VectorVariable[], x: readonly Vector[]): void {
  const round = f.constant(ROUND + 127);
  const [clamped, shifted, r] = ['exp2X', 'exp2Shifted', 'exp2R'].map((name) => variables(f, name, x.length));
  for (const [i, v] of clamped.entries()) v.set(x[i].pmax(f.constant(-127)));
  for (const [i, v] of shifted.entries()) v.set(clamped[i].plus(round));
  for (const [i, v] of r.entries()) v.set(clamped[i].minus(shifted[i].minus(round)));
  polynomials(f, out, EXP2, r);
  for (const [i, v] of out.entries()) v.set(v.times(shifted[i].intShl(23)));
}

/** The largest lane; NaN if one is. */
export function horizontalMax(f: FunctionBuilder, x: Vector): Float {
  const v = f.vectorVariable('lanes', x);
  v.set(v.max(v.shuffle(v, [2, 3, 0, 1])));
  v.set(v.max(v.shuffle(v, [1, 0, 3, 2])));
  return v.lane(0);
}

/** (lane 0 + lane 2) + (lane 1 + lane 3). */
export function horizontalSum(f: FunctionBuilder, x: Vector): Float {
  const v = f.vectorVariable('lanes', x);
  v.set(v.plus(v.shuffle(v, [2, 3, 0, 1])));
  v.set(v.plus(v.shuffle(v, [1, 0, 3, 2])));
  return v.lane(0);
}
