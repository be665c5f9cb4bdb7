import { customGradient, Embedding, type Gradients, Matrix, valueAndGrad } from '../../src/index.js';

/** Gradients that are what one says, of these matrices and no others. */
export function gradientsLike(...pairs: readonly (readonly [x: Matrix, gradient: Matrix])[]): Gradients {
  const loss = customGradient(
    (..._: Matrix[]) => new Matrix(1, 1),
    () => pairs.map(([, gradient]) => gradient),
  );
  return valueAndGrad(() => loss(...pairs.map(([x]) => x))).gradients;
}

/** A row-sparse gradient of a table: `values[i]` for row `rows[i]`. */
export function sparseLike(table: Matrix, rows: number[], values: Matrix): Gradients {
  const embedding = Object.assign(new Embedding(table.rows, table.cols, { seed: 1 }), { table });
  return valueAndGrad(() => embedding.forward(rows).multiply(values).sum()).gradients;
}

/** The same gradient with all its rows. */
export function denseLike(table: Matrix, rows: number[], values: Matrix): Gradients {
  const all = new Matrix(table.rows, table.cols);
  rows.forEach((row, i) => {
    all.row(row).set(values.row(i));
  });
  return gradientsLike([table, all]);
}
