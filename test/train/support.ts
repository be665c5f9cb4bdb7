import { type Gradients, Matrix, valueAndGrad } from '../../src/index.js';
import { gatherRows } from '../../src/ops/embedding.js';

/** Gradients that are what one says: of the sum of x ∘ its gradient. */
export function gradientsLike(...pairs: readonly (readonly [x: Matrix, gradient: Matrix])[]): Gradients {
  return valueAndGrad(() => {
    return pairs.map(([x, gradient]) => x.multiply(gradient).sum()).reduce((total, part) => total.add(part));
  }).gradients;
}

/** A row-sparse gradient of a table: `values[i]` for row `rows[i]`. */
export function sparseLike(table: Matrix, rows: number[], values: Matrix): Gradients {
  return valueAndGrad(() => gatherRows('test', table, rows).multiply(values).sum()).gradients;
}

/** The same gradient with all its rows. */
export function denseLike(table: Matrix, rows: number[], values: Matrix): Gradients {
  const all = new Matrix(table.rows, table.cols);
  rows.forEach((row, i) => {
    all.row(row).set(values.row(i));
  });
  return gradientsLike([table, all]);
}
