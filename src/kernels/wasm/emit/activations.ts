import type binaryen from 'binaryen';
import { boundedExpVector, expMinusOneVector, expVector, polynomial } from './exp.js';
import type { FunctionBuilder } from './language/builder.js';
import { defineMap } from './language/map.js';
import type { Vector } from './language/values.js';
import type { VectorVariable } from './language/variables.js';

// The reference's functions in forms that float32 can hold: no 1 + tanh and no 1 − erf, which cancel for negative x.

/** tanh x = ±(e^2|x| − 1) / (e^2|x| + 1), within 3.5 ulp; from |x| = 9.02 on exactly ±1. NaN stays NaN. */
export function tanhVector(f: FunctionBuilder, x: Vector): Vector {
  const v = f.vectorVariable('tanhX', x);
  const doubled = f.vectorVariable('tanhDoubled', v.abs());
  doubled.set(doubled.plus(doubled).pmin(f.constant(20)));
  const e = f.vectorVariable('tanhE');
  expMinusOneVector(f, e, doubled);
  return e.dividedBy(e.plus(f.constant(2))).or(v.and(f.ints(1 << 31)));
}

/** x·σ(z) = x / (1 + e^−z), `minusZ` given. Below −100 a result is −0 for any x: clamped there, −∞ gives −0 and not NaN. */
function timesSigmoid(f: FunctionBuilder, x: Vector, minusZ: Vector): Vector {
  const e = f.vectorVariable('e');
  expVector(f, e, minusZ);
  return x.pmax(f.constant(-100)).dividedBy(e.plus(f.constant(1)));
}

/** x·σ(x), within 2.5 ulp; from x = −88.72 on, where e^−x overflows, −0 in place of sizes below 2.7e-37. */
function silu(f: FunctionBuilder, x: Vector): Vector {
  const v = f.vectorVariable('v', x);
  return timesSigmoid(f, v, v.negate());
}

/**
 * ½x(1 + tanh u) = x·σ(2u), u = √(2/π)(x + 0.044715x³). Relative error at most (3 + 2.5·|2u|)·2^−23, that of 2u
 * times 2u, above results of size 1.3e-36.
 */
function geluTanh(f: FunctionBuilder, x: Vector): Vector {
  const slope = -2 * Math.sqrt(2 / Math.PI);
  const v = f.vectorVariable('v', x);
  const z = v.times(
    v
      .times(v)
      .times(f.constant(slope * 0.044715))
      .plus(f.constant(slope)),
  );
  return timesSigmoid(f, v, z);
}

// e^(a²/2)·Φ(−a) = P(a) / Q(a) for 0 ≤ a ≤ 13.4, lowest power first: relative error 8.5e-9. Fitted offline by iterated
// reweighted linear least squares to 30-digit values at 1200 points, P(0) = ½ and Q(0) = 1 held, the coefficients rounded
// to float32 one after another, each followed by a fit of the rest. All are positive: nothing cancels.
const TAIL_P = [0.5, 0.4352308, 0.18096475, 0.03986751, 0.0040023006];
const TAIL_Q = [1, 1.6683464, 1.1930737, 0.46347576, 0.099940546, 0.010032133];

/** e^(a²/2)·Φ(−a) for 0 ≤ a ≤ 13.4. */
export function tailRatio(f: FunctionBuilder, a: Vector): Vector {
  return polynomial(f, TAIL_P, a).dividedBy(polynomial(f, TAIL_Q, a));
}

/** e^(−a²/2) for 0 ≤ a ≤ 15, within 2 ulp, and 0 below 2^−125.5. */
export function halfGaussian(f: FunctionBuilder, a: VectorVariable): VectorVariable {
  // −a²/2 in two parts: the square of the upper 12 bits is exact. An error in it would be one of e^(−a²/2).
  const high = f.vectorVariable('high', a.and(f.ints(-4096)));
  const low = a.minus(high).times(a.plus(high)).times(f.constant(-0.5));
  const e = f.vectorVariable('e');
  boundedExpVector(f, e, high.times(high).times(f.constant(-0.5)), low);
  return e;
}

/**
 * x·Φ(x) = max(x, 0) − a·Φ(−a), a = |x|: within 4 ulp for x ≥ 0 and 9 ulp for x < 0, down to results of size 6.5e-39,
 * below which it is −0.
 */
function gelu(f: FunctionBuilder, x: Vector): Vector {
  const v = f.vectorVariable('v', x);
  // From 15 on Φ(−a) is 0 in float32; without the bound ∞·0 would be NaN.
  const a = f.vectorVariable('a', v.abs().pmin(f.constant(15)));
  const tail = halfGaussian(f, a).times(a).times(tailRatio(f, a));
  // max with −0, and −tail added: the sign of zero follows x.
  return v.pmax(f.constant(-0)).plus(tail.negate());
}

export function emitActivations(m: binaryen.Module): void {
  defineMap(m, 'relu', (f, x) => x.pmax(f.constant(0)));
  defineMap(m, 'tanh', tanhVector);
  defineMap(m, 'silu', silu);
  defineMap(m, 'gelu_tanh', geluTanh);
  defineMap(m, 'gelu', gelu);
}
