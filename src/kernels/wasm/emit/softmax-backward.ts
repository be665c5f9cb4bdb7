import type binaryen from 'binaryen';
import { boundedExpVector, expVector } from './exp.js';
import { entry, type FunctionBuilder } from './language/builder.js';
import { forRows, forTurns, sums } from './language/rows.js';
import type { Vector } from './language/values.js';

/** Vectors of partial sums: two made softmax_backward 10 % faster with its copies (512×768), the module 150 bytes longer. */
const PARTS = 1;

type Operands = { y: Vector; dY: Vector };

/** Rows [from, to): dX = change(y, dY, Σ term(y, dY)) where counts(y), else 0; all (rows × cols). */
function defineRowsBackward(
  m: binaryen.Module,
  name: string,
  counts: (f: FunctionBuilder, y: Vector) => Vector,
  term: (operands: Operands) => Vector,
  change: (f: FunctionBuilder, operands: Operands, total: Vector) => Vector,
): void {
  const parameters = { x: 'int', dY: 'int', dX: 'int', cols: 'int' } as const;
  entry(m, name, parameters, (f, p) => {
    const [toD, shift] = [f.intVariable('toD', p.dY.minus(p.x)), f.intVariable('shift', p.dX.minus(p.x))];
    const [y, totals] = f.vectorVariables('y', 'totals');
    forRows(f, p, (row) => {
      const [total] = sums(f, row, PARTS, 1, ({ load }) => {
        y.set(load());
        return [term({ y, dY: load(toD) }).and(counts(f, y))];
      });
      totals.set(total.splat());
      forTurns(f, row, PARTS, ({ load, store }) => {
        y.set(load());
        store(change(f, { y, dY: load(toD) }, totals).and(counts(f, y)), shift);
      });
    });
  });
}

/**
 * Rows [from, to): dLogits = (e^(z−m)/s − [c = target]·(1 − ε) − ε/cols)·dRow, where own = (1 − ε)·dRow and spread =
 * ε/cols·dRow. logits (rows × cols), m = max, s = sum and targets one a row; a row whose target is
 * `ignored` gets 0. Off by at most 2^−24·|dRow|·((m − z + 8)·p + 4·t): p the probability, t what is subtracted from it.
 */
function crossEntropyBackward(m: binaryen.Module): void {
  const parameters = {
    x: 'int',
    max: 'int',
    sum: 'int',
    targets: 'int',
    dX: 'int',
    cols: 'int',
    ignored: 'int',
    dRow: 'float',
    own: 'float',
    spread: 'float',
  } as const;
  entry(m, 'cross_entropy_backward', parameters, (f, p) => {
    const shift = f.intVariable('shift', p.dX.minus(p.x));
    const [max, factor, e] = f.vectorVariables('max', 'factor', 'e');
    const target = f.intVariable('target');
    forRows(f, p, (row, r) => {
      target.set(p.targets.plus(r.shl(2)).int());
      f.if(
        target.eq(p.ignored),
        () => f.fill(row.start.plus(shift), 0, row.end.minus(row.start)),
        () => {
          max.set(p.max.plus(r.shl(2)).splatAt());
          factor.set(p.dRow.dividedBy(p.sum.plus(r.shl(2)).float()).splat());
          forTurns(f, row, 1, ({ load, store }) => {
            boundedExpVector(f, e, load().minus(max));
            store(e.times(factor).minus(p.spread.splat()), shift);
          });
          target.set(row.start.plus(shift).plus(target.shl(2)));
          target.store(target.float().minus(p.own));
        },
      );
    });
  });
}

export function emitSoftmaxBackward(m: binaryen.Module): void {
  // y·(dY − Σ y·dY), where y is 0 exactly 0: off by at most (cols/4 + 8)·2^−24·y·(|dY| + Σ y|dY|).
  defineRowsBackward(
    m,
    'softmax_backward',
    (f, y) => y.ne(f.constant(0)),
    ({ y, dY }) => y.times(dY),
    (_, { y, dY }, total) => y.times(dY.minus(total)),
  );
  // dY − e^y·Σ dY, where y is −∞ exactly 0: off by at most (cols/4 + 8)·2^−24·(|dY| + e^y·Σ|dY|).
  defineRowsBackward(
    m,
    'log_softmax_backward',
    (f, y) => y.ne(f.constant(Number.NEGATIVE_INFINITY)),
    ({ dY }) => dY,
    (f, { y, dY }, total) => {
      const e = f.vectorVariable('e');
      expVector(f, e, y);
      return dY.minus(e.times(total));
    },
  );
  crossEntropyBackward(m);
}
