import { requireFloat32, requireNumber } from '../core/errors.js';
import type { BinaryOperation, Floats } from '../kernels/contract.js';
import { table } from '../kernels/state.js';
import { type Computed, elementwise, type Shaped, scaled } from './algebra.js';
import { columnSums, repeatedColumn, repeatedRow, rowSums } from './repeats.js';

// Elementwise operations of operands that differ in shape: a row, a column or a single number stands for as many as the
// other has.

/** x, of which one row, one column or both stand for many, as (rows × cols). */
function expanded(x: Shaped, rows: number, cols: number): Computed {
  const [isRow, isColumn] = [x.rows !== rows, x.cols !== cols];
  const tall = isRow ? repeatedRow(x.data, rows, x.cols) : x.data;
  return {
    rows,
    cols,
    data: isColumn ? repeatedColumn(tall, rows, cols) : tall, // Y = x, repeated: ∂x sums over what was
    backward: (dY) => {
      const dTall = isRow ? columnSums(dY, rows, cols) : dY;
      return [isColumn ? rowSums(dTall, isRow ? 1 : rows, cols) : dTall];
    },
  };
}

/** C = A ∘ B for one of + − × /, each of them as large as C or repeated to be so. */
export function broadcast(operation: BinaryOperation, a: Shaped, b: Shaped, rows: number, cols: number): Computed {
  const isWhole = (x: Shaped) => x.rows === rows && x.cols === cols;
  if (isWhole(a) && (isWhole(b) || (b.rows === 1 && b.cols === cols))) return elementwise(operation, a, b);
  const [left, right] = [a, b].map((x) => (isWhole(x) ? undefined : expanded(x, rows, cols)));
  const computed = elementwise(operation, left ?? a, right ?? b);
  return {
    ...computed,
    backward: (dC, wanted) => {
      const [dA, dB] = computed.backward(dC, wanted) as readonly (Floats | undefined)[];
      return [left && dA ? left.backward(dA)[0] : dA, right && dB ? right.backward(dB)[0] : dB];
    },
  };
}

/** C = A ∘ s with a number s. */
export function withNumber(where: string, operation: BinaryOperation, a: Shaped, s: unknown): Computed {
  requireNumber(where, 'other', s);
  if (operation === 'multiply') return scaled(a, s);
  if (Number.isFinite(s)) requireFloat32(where, 'other', s); // it becomes an entry like any other
  const row = { rows: 1, cols: a.cols, data: table(a.cols).fill(s) };
  const computed = elementwise(operation, a, row);
  return { ...computed, backward: (dC) => [computed.backward(dC, [true, false])[0]] };
}
