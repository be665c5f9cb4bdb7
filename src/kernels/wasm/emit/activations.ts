import type binaryen from 'binaryen';
import type { ActivationOperation, ElementaryOperation, UnaryEntry, UnaryOperation } from '../../unary.js';
import { boundedExpVector, expMinusOneVector, expVector, polynomial } from './exp.js';
import { entry, type FunctionBuilder } from './language/builder.js';
import { defineMap } from './language/map.js';
import { forTurns } from './language/rows.js';
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

/** e^x, within 1.2 ulp. */
function exp(f: FunctionBuilder, x: Vector): Vector {
  const e = f.vectorVariable('v');
  expVector(f, e, x);
  return e;
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

// dX = f'(x)·dY. Where f' is a difference its error is bounded by the size of what is subtracted. The slope multiplies
// also where it is 0: 0·∞ is NaN, as in the reference.

/** 1 where x > 0, else 0; exact. */
const reluSlope = (f: FunctionBuilder, x: Vector): Vector => x.gt(f.constant(0)).and(f.constant(1));

/** 1 − y² as (1 − y)(1 + y), which does not cancel: within 2·2^−24 of itself. */
function tanhSlope(f: FunctionBuilder, y: Vector): Vector {
  const v = f.vectorVariable('v', y);
  const one = f.constant(1);
  return one.minus(v).times(one.plus(v));
}

/**
 * (x·σ(z))' = σ(z)·(1 + x·z'·σ(−z)). Both σ from e = e^−|z|, which does not overflow: 1/(1 + e) and e/(1 + e). z has the
 * sign of x.
 */
function sigmoidSlope(f: FunctionBuilder, x: Vector, z: Vector, xTimesSlopeOfZ: Vector): Vector {
  const [e, larger, smaller] = f.vectorVariables('e', 'larger', 'smaller');
  boundedExpVector(f, e, z.or(f.constant(-0))); // −|z|
  const one = f.constant(1);
  larger.set(one.dividedBy(one.plus(e)));
  smaller.set(e.times(larger));
  const negative = f.vectorVariable('negative', x.lt(f.constant(0)));
  return negative.choose(smaller, larger).times(one.plus(xTimesSlopeOfZ.times(negative.choose(larger, smaller))));
}

const bounded = (f: FunctionBuilder, x: Vector, size: number): Vector =>
  x.pmax(f.constant(-size)).pmin(f.constant(size));

/**
 * σ(x)·(1 + x·σ(−x)): off by at most 5·2^−24·σ(x)·(1 + |x|·σ(−x)); below −86.99, where e^x counts as 0, so does the slope.
 */
function siluSlope(f: FunctionBuilder, x: Vector): Vector {
  const v = f.vectorVariable('x', bounded(f, x, 100)); // beyond, 0 and 1, also at ±∞
  return sigmoidSlope(f, v, v, v);
}

/**
 * The same with z = 2u: ½x(1 + tanh u) = x·σ(2u). Off by at most 2^−24·(5·σ(z)·(1 + d·σ(−z)) + 3·|z|·σ(−|z|)·(1 + d)) with
 * d = |x·z'|: what e^−|z| inherits from z is relative to |z|. Below z = −86.99 it is 0.
 */
function geluTanhSlope(f: FunctionBuilder, x: Vector): Vector {
  const slope = 2 * Math.sqrt(2 / Math.PI);
  const cubic = slope * 0.044715;
  const v = f.vectorVariable('x', bounded(f, x, 12)); // |2u| = 142
  const square = f.vectorVariable('square', v.times(v));
  const odd = (factor: number) => v.times(square.times(f.constant(factor)).plus(f.constant(slope)));
  return sigmoidSlope(f, v, odd(cubic), odd(3 * cubic));
}

/**
 * Φ(x) + x·φ(x): with a = |x|, w = e^(−a²/2)·(a/√(2π) − P(a)/Q(a)) it is 1 + w for x ≥ 0 and −w for x < 0. Off by at most
 * 5·2^−24·(Φ(x) + a·φ(x)); from a = 13.2 on w counts as 0, at most 1e-37.
 */
function geluSlope(f: FunctionBuilder, x: Vector): Vector {
  const v = f.vectorVariable('v', x);
  const a = f.vectorVariable('a', v.abs().pmin(f.constant(15)));
  const e = halfGaussian(f, a);
  const w = e.times(a.times(f.constant(1 / Math.sqrt(2 * Math.PI))).minus(tailRatio(f, a)));
  const negative = f.vectorVariable('negative', v.lt(f.constant(0)));
  return w.xor(negative.and(f.constant(-0))).plus(f.constant(1).andNot(negative));
}

/** Defines the entry of the operation's backward: dX[i] = gradient(x[i], dY[i]) for floats [from, to); x may stand for y. */
function defineBackward(
  m: binaryen.Module,
  operation: UnaryOperation,
  gradient: (f: FunctionBuilder, x: Vector, dY: Vector) => Vector,
): void {
  entry(m, `${operation}_backward`, { x: 'int', dY: 'int', dX: 'int' }, (f, { x, dY, dX, from, to }) => {
    const [start, end] = [f.intVariable('start', x.plus(from.shl(2))), f.intVariable('end', x.plus(to.shl(2)))];
    const toD = f.intVariable('toD', dY.minus(x));
    const shift = f.intVariable('shift', dX.minus(x));
    forTurns(f, { at: f.intVariable('at'), start, end }, 1, ({ load, store }) => {
      store(gradient(f, load(), load(toD)), shift);
    });
  });
}

type Change = (f: FunctionBuilder, x: Vector) => Vector;

const elementary: Record<Extract<UnaryEntry, ElementaryOperation>, Change> = {
  exp,
  sqrt: (_, x) => x.sqrt(), // exact; 1024 and 393 216 entries, copies included: 10 times as fast as the specification
  tanh: tanhVector,
  abs: (_, x) => x.abs(), // copies included, Node 20 and 26: 1.1 to 1.5 times as fast at 16×64, 1.5 to 2.1 at 512×768
};

const activations: Record<ActivationOperation, Change> = {
  relu: (f, x) => x.pmax(f.constant(0)),
  silu,
  geluTanh,
  gelu,
};

/** dX from dY and x, or y where UNARY says so. */
const backwards: Record<UnaryOperation, (f: FunctionBuilder, operand: Vector, dY: Vector) => Vector> = {
  exp: (_, y, dY) => y.times(dY),
  log: (_, x, dY) => dY.dividedBy(x),
  sqrt: (f, y, dY) => {
    const v = f.vectorVariable('v', y);
    return dY.dividedBy(v.plus(v));
  },
  relu: (f, x, dY) => reluSlope(f, x).times(dY),
  tanh: (f, y, dY) => tanhSlope(f, y).times(dY),
  abs: (f, x, dY) => {
    const v = f.vectorVariable('v', x);
    const sign = f
      .constant(1)
      .xor(v.and(f.constant(-0)))
      .and(v.ne(f.constant(0)));
    return sign.or(v.ne(v)).times(dY); // a NaN of x is one of dX
  },
  silu: (f, x, dY) => siluSlope(f, x).times(dY),
  geluTanh: (f, x, dY) => geluTanhSlope(f, x).times(dY),
  gelu: (f, x, dY) => geluSlope(f, x).times(dY),
};

export function emitElementary(m: binaryen.Module): void {
  for (const [name, change] of Object.entries(elementary)) defineMap(m, name, change);
}

export function emitActivations(m: binaryen.Module): void {
  for (const [name, change] of Object.entries(activations)) defineMap(m, name, change);
}

export function emitActivationsBackward(m: binaryen.Module): void {
  for (const [name, gradient] of Object.entries(backwards)) defineBackward(m, name as UnaryOperation, gradient);
}
