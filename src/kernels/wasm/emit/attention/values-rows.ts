import type binaryen from 'binaryen';
import { KEY_TILE } from '../../module/attention-record.js';
import { define, type FunctionBuilder, range, signature } from '../language/builder.js';
import { addRow } from '../language/map.js';
import type { Int } from '../language/values.js';
import type { IntVariable } from '../language/variables.js';

// O += P·V for a few rows, V as it lies. V is read once, in the order of its addresses, PASS rows at a time, while the sums
// of all rows stay in a block of their own:
//
//              V[j] V[j+1] V[j+2] V[j+3]   ──►  block[r] += Σ P[r, j+i]·V[j+i]   for every row r, then the next PASS
//
// j ascending from 0, then added to O, as the packed product.

/** Rows of V a pass over a row of sums; 6 and 8 gain nothing. */
const PASS = 4;
/** Vectors of a row of sums a step; with 4 the whole step against 1024 keys (12 heads of 64) takes 5 % more. */
const WIDTH = 2;

/**
 * out[r][c] += Σ_j weights[r·KEY_TILE + j] · v[j·ldv + h·valueWidth + c] for `rows` rows of outStride bytes; rowsAHead of
 * them read the same head h of V. The sums lie in `block`, as many rows as out.
 */
export const valuesRows = signature('attention_values_rows', {
  weights: 'int',
  v: 'int',
  ldv: 'int',
  out: 'int',
  outStride: 'int',
  block: 'int',
  valueWidth: 'int',
  rowsAHead: 'int',
  rows: 'int',
  count: 'int',
});

/** sums[c] += Σ weights[i]·row i [c] for the columns of one row of sums; the weights lie behind one another. */
function addProducts(
  f: FunctionBuilder,
  { weights, rows, sums, bytes }: { weights: Int; rows: IntVariable[]; sums: Int; bytes: Int },
  { column, at }: Record<'column' | 'at', IntVariable>,
): void {
  const factors = rows.map((_, i) => f.vectorVariable(`factor${i}`, weights.splatAt(i * 4)));
  const vectors = range(WIDTH).map((i) => f.vectorVariable(`sum${i}`));
  column.set(0);
  for (const width of [WIDTH, 1]) {
    f.for(column, column, bytes.minus(16 * width - 1), 16 * width, () => {
      const held = vectors.slice(0, width);
      held.forEach((sum, i) => sum.set(sums.plus(column).vector(16 * i)));
      rows.forEach((row, q) => {
        at.set(row.plus(column));
        held.forEach((sum, i) => sum.set(sum.plus(factors[q].times(at.vector(16 * i)))));
      });
      held.forEach((sum, i) => sums.plus(column).store(sum, 16 * i));
    });
  }
  f.for(column, column, bytes, 4, () => {
    const sum = sums.plus(column);
    rows.forEach((row, q) => sum.store(sum.float().plus(factors[q].lane(0).times(row.plus(column).float()))));
  });
}

export function emitValuesRows(m: binaryen.Module): void {
  define(m, valuesRows, (f, p) => {
    const [left, column, at, weights, sums] = f.intVariables('left', 'column', 'at', 'weights', 'sums');
    const [r, inHead] = f.intVariables('r', 'inHead');
    const bytes = f.intVariable('bytes', p.valueWidth.shl(2));
    const vRows = range(PASS).map((i) => f.intVariable(`v${i}`));
    const blockBytes = f.intVariable('blockBytes', p.rows.times(p.outStride));
    f.fill(p.block, 0, blockBytes);
    left.set(p.count);
    for (const pass of [PASS, 1]) {
      const rows = vRows.slice(0, pass);
      f.while(
        () => left.ge(pass),
        () => {
          rows.forEach((row, i) => row.set(i === 0 ? p.v : rows[i - 1].plus(p.ldv)));
          weights.set(p.weights);
          sums.set(p.block);
          inHead.set(p.rowsAHead);
          f.for(r, 0, p.rows, 1, () => {
            addProducts(f, { weights, rows, sums, bytes }, { column, at });
            weights.add(KEY_TILE * 4);
            sums.add(p.outStride);
            f.if(inHead.decrement().not(), () => {
              inHead.set(p.rowsAHead);
              for (const row of rows) row.add(bytes);
            });
          });
          p.weights.add(pass * 4);
          p.v.add(p.ldv.times(pass));
          left.add(-pass);
        },
      );
    }
    addRow(f, at, p.block, p.out, blockBytes);
  });
}
