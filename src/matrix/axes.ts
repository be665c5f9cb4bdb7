import type { Floats } from '../kernels/contract.js';
import { elementwise, layouts } from '../kernels/families.js';
import { backwards } from '../kernels/state.js';
import { type Computed, type Shaped, total, transposed } from './algebra.js';
import { columnSums, repeatedColumn, repeatedRow, rowSums } from './repeats.js';

// Results per column (axis 0, along the rows) or per row (axis 1, along the columns) instead of one for all.

/** factor · Σ x: (1 × cols) along axis 0, (rows × 1) along axis 1, 1×1 without one. */
export function sums(x: Shaped, axis: 0 | 1 | undefined, factor: number): Computed {
  if (axis === undefined) return total(x, factor);
  const { scale } = elementwise();
  const { rows, cols } = x;
  const scaled = (data: Floats) => (factor === 1 ? data : scale(data, factor));
  return axis === 0
    ? {
        rows: 1,
        cols,
        data: scaled(columnSums(x.data, rows, cols)), // Y = factor·Σ_r X_r
        backward: (dY) => [repeatedRow(scaled(dY), rows, cols)],
      }
    : {
        rows,
        cols: 1,
        data: scaled(rowSums(x.data, rows, cols)), // Y = factor·Σ_c X_c
        backward: (dY) => [repeatedColumn(scaled(dY), rows, cols)],
      };
}

/** The largest entry of every row, the first of equals, (rows × 1); a NaN counts as largest. cols ≥ 1. */
function rowMaxima(x: Shaped): Computed {
  const { rows, cols } = x;
  const { argmax } = elementwise();
  const { gatherRows } = layouts();
  const { scatterRows } = backwards();
  const places = argmax(x.data, rows, cols).map((column, r) => r * cols + column);
  return {
    rows,
    cols: 1,
    data: gatherRows(x.data, 1, places), // y_r = x_(r, place)
    backward: (dY) => [scatterRows({ rows: places, values: dY }, rows * cols, 1)],
  };
}

/** The largest entries: (1 × cols) along axis 0, (rows × 1) along axis 1, 1×1 of all. */
export function maxima(x: Shaped, axis: 0 | 1 | undefined): Computed {
  if (axis === 1) return rowMaxima(x);
  if (axis === undefined) return rowMaxima({ rows: 1, cols: x.rows * x.cols, data: x.data });
  const turned = transposed(x);
  const largest = rowMaxima(turned);
  const backward = (dY: Floats) => turned.backward(largest.backward(dY)[0] as Floats);
  return { rows: 1, cols: x.cols, data: largest.data, backward };
}
