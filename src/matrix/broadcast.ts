import { requireFloat32, requireNumber } from '../core/errors.js';
import type { BinaryOperation, Floats } from '../kernels/contract.js';
import { products } from '../kernels/families.js';
import { table } from '../kernels/state.js';
import { type Computed, elementwise, type Shaped, scaled } from './algebra.js';

// Elementwise operations of operands that differ in shape: a row, a column or a single number stands for as many as the
// other has. A factor of ones repeats and its transpose sums, exactly as the products that they are.

/** (rows × cols), every entry 1. */
function ones(rows: number, cols: number): Floats {
  return table(rows * cols).fill(1);
}

/** x (rows or 1 × cols or 1), repeated to (rows × cols). */
function expanded(x: Shaped, rows: number, cols: number): Computed {
  const { gemm } = products();
  const repeatsRow = x.rows !== rows;
  const repeatsColumn = x.cols !== cols;
  // Y = 1·X·1: ∂X = 1ᵀ·dY·1ᵀ, the sums over what was repeated.
  const times = (data: Floats, n: number, m: number, left: boolean, right: boolean, height: number, width: number) => {
    const tall = left ? gemm({ m: height, n: m, k: n, a: ones(height, n), b: data }) : data;
    return right ? gemm({ m: left ? height : n, n: width, k: m, a: tall, b: ones(m, width) }) : tall;
  };
  return {
    rows,
    cols,
    data: times(x.data, x.rows, x.cols, repeatsRow, repeatsColumn, rows, cols),
    backward: (dY) => [times(dY, rows, cols, repeatsRow, repeatsColumn, 1, 1)],
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
