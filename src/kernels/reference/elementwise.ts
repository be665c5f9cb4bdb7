import type { OwnIntegers } from '../../core/array-types.js';
import type { Allocate, BinaryOperation, ElementaryOperation, Floats, UnaryOperation } from '../contract.js';
import { unarySlopes } from './activations.js';
import { rounded } from './sums.js';

export const elementary: Record<ElementaryOperation, (x: number) => number> = {
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  abs: Math.abs,
};

const binaryFunctions: Record<BinaryOperation, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  maximum: (a, b) => Math.max(a, b), // NaN where one of them is
};

/** out_i = f(x_i). */
export function mapped(allocate: Allocate, f: (x: number) => number, x: Floats): Floats {
  const out = allocate(x.length);
  for (let i = 0; i < x.length; i++) out[i] = f(x[i]);
  return out;
}

/** dX_i = f'(x_i)·dY_i. */
export function unaryBackward(allocate: Allocate, operation: UnaryOperation, x: Floats, y: Floats, dY: Floats): Floats {
  const slope = unarySlopes[operation];
  const dX = allocate(x.length);
  for (let i = 0; i < x.length; i++) dX[i] = slope(x[i], y[i]) * dY[i];
  return dX;
}

/** out_i = f(a_i, b_i); a b of one row is repeated for every row of a. */
export function binary(allocate: Allocate, operation: BinaryOperation, a: Floats, b: Floats): Floats {
  const f = binaryFunctions[operation];
  const out = allocate(a.length);
  for (let start = 0; start < a.length; start += b.length) {
    for (let i = 0; i < b.length; i++) out[start + i] = f(a[start + i], b[i]);
  }
  return out;
}

/** out_i = factor · x_i. */
export function scale(allocate: Allocate, x: Floats, factor: number): Floats {
  const out = allocate(x.length);
  for (let i = 0; i < x.length; i++) out[i] = factor * x[i];
  return out;
}

/** out_i = x_i^exponent. */
export function power(allocate: Allocate, x: Floats, exponent: number): Floats {
  return mapped(allocate, (value) => value ** exponent, x);
}

/** out_i = a_i where condition_i is not 0, else b_i. */
export function select(allocate: Allocate, condition: Floats, a: Floats, b: Floats): Floats {
  const out = allocate(a.length);
  for (let i = 0; i < a.length; i++) out[i] = condition[i] !== 0 ? a[i] : b[i];
  return out;
}

/** The slope of max(a, b) in a: 1 where a is larger, 0 where b is, ½ where they are equal; b may be one row, repeated. */
export function shareOfMaximum(allocate: Allocate, a: Floats, b: Floats): Floats {
  const out = allocate(a.length);
  for (let i = 0; i < a.length; i++) {
    const other = b[i % b.length];
    out[i] = a[i] > other ? 1 : a[i] < other ? 0 : 0.5;
  }
  return out;
}

/** The sum of all entries, in order, as an array of one. */
export function sum(allocate: Allocate, x: Floats): Floats {
  let total = 0;
  for (let i = 0; i < x.length; i++) total += x[i];
  const out = allocate(1);
  out[0] = total;
  return out;
}

/** The column of the largest entry of every row of x (rows × cols), the first of equals; a NaN counts as largest. */
export function argmax(x: Floats, rows: number, cols: number): OwnIntegers {
  return Int32Array.from({ length: rows }, (_, r) => {
    let best = 0;
    for (let c = 1; c < cols && !Number.isNaN(x[r * cols + best]); c++) {
      if (!(x[r * cols + c] <= x[r * cols + best])) best = c;
    }
    return best;
  });
}

/** factor·dY, `length` times: dX of factor·Σ x. */
export function broadcast(allocate: Allocate, dY: Floats, length: number, factor: number): Floats {
  return allocate(length).fill(factor * dY[0]);
}

/** The sum of every column of x (rows × cols), rows ascending. */
export function sumRows(allocate: Allocate, x: Floats, rows: number, cols: number): Floats {
  const sums = new Float64Array(cols);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) sums[c] += x[r * cols + c];
  return rounded(allocate, sums);
}
