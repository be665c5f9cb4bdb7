import type binaryen from 'binaryen';
import { entry, type FunctionBuilder } from './language/builder.js';
import type { Double, Doubles } from './language/doubles.js';
import { forPairs, type Pair } from './language/pairs.js';
import type { Int } from './language/values.js';
import type { IntVariable } from './language/variables.js';

// The updates of the optimizers, in place, in float64: the same operations in the same order as in reference/updates.ts, so
// the same bits. p, and what is kept beside it, are (… × cols); g is what the gradient says of an entry.
//
//   units       rows = 0: floats of p, gradient laid out as p
//               else: rows of the gradient, (units × cols), row r of which belongs to row rows[r] of p

const SPAN = { p: 'int', gradient: 'int', rows: 'int', cols: 'int' } as const;

/** Runs `body` for every pair that the units move; it reaches the gradient by the distance it is given. */
function forMoved(
  f: FunctionBuilder,
  { p, gradient, rows, cols, from, to }: Record<keyof typeof SPAN | 'from' | 'to', IntVariable>,
  body: (pair: Pair, toGradient: Int) => void,
): void {
  const [r, last, at, end, stride, toGradient] = ['r', 'last', 'at', 'end', 'stride', 'toGradient'].map((name) =>
    f.intVariable(name),
  );
  stride.set(cols.shl(2));
  // Floats [from, to) are one row.
  r.set(from);
  last.set(rows.choose(to, from.plus(from.lt(to))));
  f.for(r, r, last, 1, () => {
    f.if(
      rows,
      () => {
        at.set(p.plus(rows.plus(r.shl(2)).int().times(stride)));
        end.set(at.plus(stride));
        toGradient.set(gradient.plus(r.times(stride)).minus(at));
      },
      () => {
        at.set(p.plus(from.shl(2)));
        end.set(p.plus(to.shl(2)));
        toGradient.set(gradient.minus(p));
      },
    );
    forPairs(f, at, end, 2, (pair) => body(pair, toGradient));
  });
}

/** g + decay·p; g where the decay is 0: 0·∞ is NaN. */
function addDecay(f: FunctionBuilder, g: { set(value: Doubles): void } & Doubles, decay: Double, p: Doubles): void {
  f.if(decay.ne(0), () => g.set(g.plus(decay.splat().times(p))));
}

/** g += weightDecay·p; b = momentum·b + g; p −= learningRate·(b, or g + momentum·b with nesterov). buffer 0: p −= learningRate·g. */
function updateSGD(m: binaryen.Module): void {
  const rule = { learningRate: 'double', momentum: 'double', nesterov: 'int', weightDecay: 'double' } as const;
  entry(m, 'update_sgd', { ...SPAN, buffer: 'int', ...rule }, (f, a) => {
    const toBuffer = f.intVariable('toBuffer', a.buffer.minus(a.p));
    const [p, g, b] = ['p', 'g', 'b'].map((name) => f.doublesVariable(name));
    const [learningRate, momentum] = [a.learningRate, a.momentum].map((x) => f.doublesVariable('rule', x.splat()));
    forMoved(f, a, ({ load, store }, toGradient) => {
      p.set(load());
      g.set(load(toGradient));
      addDecay(f, g, a.weightDecay, p);
      f.if(a.buffer, () => {
        b.set(momentum.times(load(toBuffer)).plus(g));
        store(b, toBuffer);
        f.if(
          a.nesterov,
          () => g.set(g.plus(momentum.times(b))),
          () => g.set(b),
        );
      });
      store(p.minus(learningRate.times(g)));
    });
  });
}

/**
 * g += added·p; m = β₁·m + (1 − β₁)·g; v = β₂·v + (1 − β₂)·g·g; p = kept·p − rate·m/(√v/rootCorrection + ε), with m and v
 * as they were before they are rounded.
 */
function updateAdam(module: binaryen.Module): void {
  const rule = {
    beta1: 'double',
    beta2: 'double',
    rate: 'double',
    rootCorrection: 'double',
    epsilon: 'double',
    added: 'double',
    kept: 'double',
  } as const;
  entry(module, 'update_adam', { ...SPAN, m: 'int', v: 'int', ...rule }, (f, a) => {
    const [toM, toV] = [f.intVariable('toM', a.m.minus(a.p)), f.intVariable('toV', a.v.minus(a.p))];
    const held = (x: Double) => f.doublesVariable('rule', x.splat());
    const [beta1, rest1] = [held(a.beta1), held(a.beta1.from(1))];
    const [beta2, rest2] = [held(a.beta2), held(a.beta2.from(1))];
    const [rate, rootCorrection, epsilon, kept] = [a.rate, a.rootCorrection, a.epsilon, a.kept].map(held);
    const [p, g, mean, square] = ['p', 'g', 'mean', 'square'].map((name) => f.doublesVariable(name));
    forMoved(f, a, ({ load, store }, toGradient) => {
      p.set(load());
      g.set(load(toGradient));
      addDecay(f, g, a.added, p);
      mean.set(beta1.times(load(toM)).plus(rest1.times(g)));
      square.set(beta2.times(load(toV)).plus(rest2.times(g).times(g)));
      store(mean, toM);
      store(square, toV);
      store(kept.times(p).minus(rate.times(mean).dividedBy(square.sqrt().dividedBy(rootCorrection).plus(epsilon))));
    });
  });
}

export function emitUpdates(m: binaryen.Module): void {
  updateSGD(m);
  updateAdam(m);
}
