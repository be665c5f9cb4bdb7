import type binaryen from 'binaryen';
import { KC } from '../summation.js';
import { entry, type FunctionBuilder } from './language/builder.js';
import { addRow } from './language/map.js';
import { forTurns, type Turn } from './language/rows.js';
import type { Int, Vector } from './language/values.js';
import type { IntVariable } from './language/variables.js';

// Sums over the rows of a matrix (rows × cols), rows ascending: KC rows summed in `out`, each further KC in the scratch, a row
// beside it, which is then added: the same order whatever columns a call takes. Error at most (KC + rows/KC + what a term
// rounds)·2^−24·Σ|terms|. Row by row, the sums in memory: four columns at a time down all rows would read every cache
// line four times.

/** Columns [from, to): out = Σ_r term(r). Scratch: room for to − from floats. */
function sumsOfColumns(
  f: FunctionBuilder,
  p: Record<'x' | 'out' | 'rows' | 'cols' | 'from' | 'to' | 'scratch', IntVariable>,
  term: (r: IntVariable, start: Int) => (turn: Turn) => Vector,
): void {
  const [first, r, at, start, end] = f.intVariables('first', 'r', 'at', 'start', 'end');
  const [sums, toSums] = f.intVariables('sums', 'toSums');
  const bytes = f.intVariable('bytes', p.to.minus(p.from).shl(2));
  const out = f.intVariable('outFrom', p.out.plus(p.from.shl(2)));
  sums.set(out);
  f.for(first, 0, p.rows.max(1), KC, () => {
    f.fill(sums, 0, bytes);
    f.for(r, first, first.plus(KC).min(p.rows), 1, () => {
      start.set(p.x.plus(r.times(p.cols).plus(p.from).shl(2)));
      end.set(start.plus(bytes));
      toSums.set(sums.minus(start));
      const termOf = term(r, start);
      forTurns(f, { at, start, end }, 1, (turn) => turn.store(turn.load(toSums).plus(termOf(turn)), toSums));
    });
    f.if(first, () => addRow(f, at, sums, out, bytes));
    sums.set(p.scratch);
  });
}

/** out[c] = Σ_r x[r, c], x (rows × cols). */
function columnSums(m: binaryen.Module): void {
  const parameters = { x: 'int', out: 'int', rows: 'int', cols: 'int' } as const;
  entry(m, 'column_sums', parameters, (f, p) => {
    sumsOfColumns(
      f,
      p,
      () =>
        ({ load }) =>
          load(),
    );
  });
}

/** dGain[c] = Σ_r dOut[r, c]·(x[r, c] − mean[r])·inverse[r]; a mean of 0 where its address is 0. */
function gainBackward(m: binaryen.Module): void {
  const parameters = {
    x: 'int',
    dOut: 'int',
    mean: 'int',
    inverse: 'int',
    out: 'int',
    rows: 'int',
    cols: 'int',
  } as const;
  entry(m, 'gain_backward', parameters, (f, p) => {
    const toD = f.intVariable('toD', p.dOut.minus(p.x));
    const [means, inverses] = f.vectorVariables('means', 'inverses');
    sumsOfColumns(f, p, (r) => {
      means.set(meanOfRow(p.mean, r).splat());
      inverses.set(p.inverse.plus(r.shl(2)).splatAt());
      return ({ load }) => load().minus(means).times(inverses).times(load(toD));
    });
  });
}

/** mean[r], or 0 where there are no means. */
export function meanOfRow(mean: IntVariable, r: IntVariable) {
  return mean.eq(0).chooseFloat(0, mean.plus(r.shl(2)).float());
}

export function emitColumnSums(m: binaryen.Module): void {
  columnSums(m);
  gainBackward(m);
}
