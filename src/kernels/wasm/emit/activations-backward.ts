import type binaryen from 'binaryen';
import type { UnaryOperation } from '../../contract.js';
import { halfGaussian, tailRatio } from './activations.js';
import { boundedExpVector } from './exp.js';
import { define, type FunctionBuilder } from './language/builder.js';
import { forTurns } from './language/rows.js';
import type { Vector } from './language/values.js';

// dX = f'(x)·dY. Where f' is a difference its error is bounded by the size of what is subtracted. The slope multiplies
// also where it is 0: 0·∞ is NaN, as in the reference.

/** Defines the entry `name`: dX[i] = gradient(x[i], dY[i]) for floats [from, to); x may stand for y. */
function defineBackward(
  m: binaryen.Module,
  name: `${UnaryOperation}_backward`,
  gradient: (f: FunctionBuilder, x: Vector, dY: Vector) => Vector,
): void {
  const parameters = { x: 'int', dY: 'int', dX: 'int', from: 'int', to: 'int' } as const;
  define(
    m,
    name,
    parameters,
    (f, { x, dY, dX, from, to }) => {
      const [start, end] = [f.intVariable('start', x.plus(from.shl(2))), f.intVariable('end', x.plus(to.shl(2)))];
      const toD = f.intVariable('toD', dY.minus(x));
      const shift = f.intVariable('shift', dX.minus(x));
      forTurns(f, { at: f.intVariable('at'), start, end }, 1, ({ load, store }) => {
        store(gradient(f, load(), load(toD)), shift);
      });
    },
    true,
  );
}

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
  const [e, larger, smaller] = ['e', 'larger', 'smaller'].map((name) => f.vectorVariable(name));
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

export function emitActivationsBackward(m: binaryen.Module): void {
  defineBackward(m, 'exp_backward', (_, y, dY) => y.times(dY));
  defineBackward(m, 'log_backward', (_, x, dY) => dY.dividedBy(x));
  defineBackward(m, 'sqrt_backward', (f, y, dY) => {
    const v = f.vectorVariable('v', y);
    return dY.dividedBy(v.plus(v));
  });
  const slopes = { relu: reluSlope, tanh: tanhSlope, silu: siluSlope, geluTanh: geluTanhSlope, gelu: geluSlope };
  for (const [operation, slope] of Object.entries(slopes)) {
    defineBackward(m, `${operation as UnaryOperation}_backward`, (f, x, dY) => slope(f, x).times(dY));
  }
}
