import type binaryen from 'binaryen';
import { boundedExpVector, horizontalMax } from './exp.js';
import { entry, range } from './language/builder.js';
import { forRows, forTurns, sums } from './language/rows.js';
import type { Vector } from './language/values.js';

/** Vectors of maxima: one that keeps NaN takes several instructions, each waiting for the one before. */
const WIDTH = 4;

/**
 * Rows [from, to) of x (rows × cols), one entry a row: max = m = max x, exact; sum = s = Σ e^(x−m), off by at most
 * 2^−24·((cols/4 + 4)·s + Σ (m − x)·e^(x−m)); gap = Σ (m − x), by (cols/4 + 4)·2^−24 of itself. A row of −∞ has m = −∞,
 * s = 0 and gap +∞; NaN gives three NaNs, +∞ m = +∞ and NaN for the others.
 */
function rowStatistics(m: binaryen.Module): void {
  const parameters = { x: 'int', max: 'int', sum: 'int', gap: 'int', cols: 'int' } as const;
  entry(m, 'row_statistics', parameters, (f, p) => {
    const [max, d, e] = f.vectorVariables('max', 'd', 'e');
    const parts = range(WIDTH).map(() => f.vectorVariable('part'));
    const rowMax = f.floatVariable('rowMax');
    forRows(f, p, (row, r) => {
      for (const part of parts) part.set(f.constant(Number.NEGATIVE_INFINITY));
      forTurns(f, row, WIDTH, ({ index, load }) => parts[index].set(parts[index].max(load())));
      rowMax.set(
        horizontalMax(
          f,
          parts.slice(1).reduce<Vector>((a, b) => a.max(b), parts[0]),
        ),
      );
      p.max.plus(r.shl(2)).store(rowMax);
      // Not −∞ − (−∞): a row of −∞ then sums to 0.
      max.set(rowMax.eq(Number.NEGATIVE_INFINITY).chooseFloat(0, rowMax).splat());
      const [sum, gap] = sums(f, row, 1, 2, ({ load }) => {
        d.set(load().minus(max));
        boundedExpVector(f, e, d);
        return [e, d.negate()];
      });
      p.sum.plus(r.shl(2)).store(sum);
      p.gap.plus(r.shl(2)).store(gap);
    });
  });
}

/** Rows [from, to): out = (x − max) − logSum, x and out (rows × cols), max and logSum one a row. */
function logSoftmaxRows(m: binaryen.Module): void {
  const parameters = { x: 'int', out: 'int', max: 'int', logSum: 'int', cols: 'int' } as const;
  entry(m, 'log_softmax_rows', parameters, (f, p) => {
    const shift = f.intVariable('shift', p.out.minus(p.x));
    const [max, logSum] = f.vectorVariables('max', 'logSum');
    forRows(f, p, (row, r) => {
      max.set(p.max.plus(r.shl(2)).splatAt());
      logSum.set(p.logSum.plus(r.shl(2)).splatAt());
      forTurns(f, row, 1, ({ load, store }) => store(load().minus(max).minus(logSum), shift));
    });
  });
}

export function emitLogSoftmax(m: binaryen.Module): void {
  rowStatistics(m);
  logSoftmaxRows(m);
}
