import type binaryen from 'binaryen';
import { meanOfRow } from './column-sums.js';
import { entry } from './language/builder.js';
import { forRows, forTurns, sums } from './language/rows.js';

/** Vectors of partial sums: two are no faster with the copies in and out, and 60 bytes more. */
const PARTS = 1;

/**
 * Rows [from, to): dX = i·(dN − mean(dN) − n·mean(dN∘n)) with n = (x − μ)·i, dN = dOut∘gain; μ and i = inverse one a row,
 * gain (1 × cols), the rest (rows × cols). Without means (address 0) the root mean square norm: μ and mean(dN) are 0.
 * Taking x, μ and i as exact, off by at most (cols/4 + 12)·2^−24·i·(|dN| + mean|dN| + |n|·mean|dN∘n|); squares and sums
 * must not overflow.
 */
export function emitNormalizationBackward(m: binaryen.Module): void {
  const parameters = {
    x: 'int',
    dOut: 'int',
    gain: 'int',
    mean: 'int',
    inverse: 'int',
    dX: 'int',
    cols: 'int',
  } as const;
  entry(m, 'norm_backward', parameters, (f, p) => {
    const [toD, shift] = [f.intVariable('toD', p.dOut.minus(p.x)), f.intVariable('shift', p.dX.minus(p.x))];
    const toGain = f.intVariable('toGain');
    const [means, inverses, d, meanD, meanDN] = f.vectorVariables('means', 'inverses', 'd', 'meanD', 'meanDN');
    const count = f.floatVariable('count', p.cols.toFloat());
    forRows(f, p, (row, r) => {
      toGain.set(p.gain.minus(row.start));
      means.set(meanOfRow(p.mean, r).splat());
      inverses.set(p.inverse.plus(r.shl(2)).splatAt());
      const [total, product] = sums(f, row, PARTS, 2, ({ load }) => {
        d.set(load(toD).times(load(toGain)));
        return [d, load().minus(means).times(inverses).times(d)];
      });
      meanD.set(p.mean.eq(0).chooseFloat(0, total.dividedBy(count)).splat());
      meanDN.set(product.dividedBy(count).splat());
      forTurns(f, row, PARTS, ({ load, store }) => {
        const n = load().minus(means).times(inverses);
        store(load(toD).times(load(toGain)).minus(meanD).minus(n.times(meanDN)).times(inverses), shift);
      });
    });
  });
}
