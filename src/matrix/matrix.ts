// matrix: Matrix and its algebra, Parameter, the tape of operations. Knows kernels, not who plays the tape back.

import { requireArguments } from '../core/arguments.js';
import type { OwnIntegers } from '../core/array-types.js';
import { brandOf } from '../core/brands.js';
import { describe, kindError, requireNumber, requireSize } from '../core/errors.js';
import type { BinaryOperation, ElementaryOperation, Floats } from '../kernels/contract.js';
import * as algebra from './algebra.js';
import { maxima, sums } from './axes.js';
import { broadcast, withNumber } from './broadcast.js';
import { choiceOf, mapped } from './by-entry.js';
import type { MatmulOptions } from './checks.js';
import * as checks from './checks.js';
import { type AllCloseOptions, areClose } from './closeness.js';
import { requireForeign } from './origin.js';
import { Made, Table } from './table.js';
import { record } from './tape.js';

/**
 * A (rows × cols) table of float32 numbers, row-major in one Float32Array. Rows are tokens.
 *
 * Every method leaves its operands alone and returns a new Matrix that shares no memory with them.
 *
 * @example const c = Matrix.from([[1, 2], [3, 4]]).matmul(Matrix.identity(2));
 */
export class Matrix extends Table {
  static override get name(): string {
    return 'Matrix';
  }

  /** A copy with memory of its own. */
  clone(): Matrix {
    requireCall('Matrix.clone', this, arguments.length, 0);
    return result([this], algebra.cloned(this));
  }

  /** The same entries in the same order, (rows × cols), copied; one of the two may be −1: whatever is left. @example x.reshape(1, -1); */
  reshape(rows: number, cols: number): Matrix {
    requireCall('Matrix.reshape', this, arguments.length, 2);
    const shape = checks.reshaped('Matrix.reshape', this, rows, cols);
    return result([this], { ...algebra.cloned(this), ...shape });
  }

  /**
   * The product: this (m × k) times other (k × n) gives (m × n).
   *
   * @throws ShapeError  if the inner dimensions differ
   * @example const scores = q.matmul(k, { transposeB: true }); // q · kᵀ
   */
  matmul(other: Matrix, options: MatmulOptions = {}): Matrix {
    const where = 'Matrix.matmul';
    requireCall(where, this, arguments.length, 2);
    requireMatrix(where, 'other', other);
    const { transposeA, transposeB } = checks.requireProduct(where, this, other, options);
    return result([this, other], algebra.product(this, other, transposeA, transposeB));
  }

  /** (cols × rows). @example q.matmul(k.transpose()); */
  transpose(): Matrix {
    requireCall('Matrix.transpose', this, arguments.length, 0);
    return result([this], algebra.transposed(this));
  }

  /** transpose(), as NumPy writes it. */
  get T(): Matrix {
    return this.transpose();
  }

  /** Every entry times s. @example scores.scale(1 / Math.sqrt(dK)); */
  scale(s: number): Matrix {
    requireCall('Matrix.scale', this, arguments.length, 1);
    requireNumber('Matrix.scale', 's', s);
    return result([this], algebra.scaled(this, s));
  }

  /** Softmax of every row, or along axis 0 of every column. One that is all −∞ gives zeros. @example scores.softmax(); */
  softmax(axis: 0 | 1 | -1 = 1): Matrix {
    requireCall('Matrix.softmax', this, arguments.length, 1);
    if (checks.axisOf('Matrix.softmax', axis) === 0) return this.transpose().softmax().transpose();
    return result([this], algebra.softmaxRows(this));
  }

  /**
   * this + other, elementwise: other is a number or has the same shape; a row (1 × cols), a column (rows × 1) and a 1×1
   * matrix stand for as many of them as the other operand has.
   *
   * @throws ShapeError  if the shapes do not fit
   * @example x.add(1); x.add(Matrix.from([[0.1, 0.2, 0.3]])); // a row for every row of x
   */
  add(other: Matrix | number): Matrix {
    return binary(this, 'add', other, arguments.length);
  }

  /** this − other, elementwise; shapes as in add. @throws ShapeError  if they do not fit */
  subtract(other: Matrix | number): Matrix {
    return binary(this, 'subtract', other, arguments.length);
  }

  /** this ∘ other, elementwise; shapes as in add. @throws ShapeError  if they do not fit */
  multiply(other: Matrix | number): Matrix {
    return binary(this, 'multiply', other, arguments.length);
  }

  /** this / other, elementwise; shapes as in add. @throws ShapeError  if they do not fit */
  divide(other: Matrix | number): Matrix {
    return binary(this, 'divide', other, arguments.length);
  }

  /** The larger of both, elementwise; shapes as in add. Equal entries share the gradient. */
  maximum(other: Matrix | number): Matrix {
    return binary(this, 'maximum', other, arguments.length);
  }

  /** Every entry to the power of a number. @example x.pow(2); */
  pow(exponent: number): Matrix {
    requireCall('Matrix.pow', this, arguments.length, 1);
    requireNumber('Matrix.pow', 'exponent', exponent);
    return result([this], algebra.raised(this, exponent));
  }

  /** |x| of every entry. */
  abs(): Matrix {
    return elementary('abs', this, arguments.length);
  }

  /** e^x of every entry. */
  exp(): Matrix {
    return elementary('exp', this, arguments.length);
  }

  /** The natural logarithm of every entry. */
  log(): Matrix {
    return elementary('log', this, arguments.length);
  }

  /** The square root of every entry. */
  sqrt(): Matrix {
    return elementary('sqrt', this, arguments.length);
  }

  /** The hyperbolic tangent of every entry. */
  tanh(): Matrix {
    return elementary('tanh', this, arguments.length);
  }

  /** The column of the largest entry of every row (axis 0: the row, of every column), the first of equals; NaN is largest. */
  argmax(axis: 0 | 1 | -1 = 1): OwnIntegers {
    const where = 'Matrix.argmax';
    requireCall(where, this, arguments.length, 1);
    const isAlongRows = checks.axisOf(where, axis) === 0;
    checks.requireEntries(where, this, isAlongRows);
    return algebra.largestOfRows(isAlongRows ? algebra.transposed(this) : this);
  }

  /**
   * f of every entry, its row and its column, in plain JavaScript; valueAndGrad refuses it, because nobody knows its slope.
   *
   * @throws TypeError  if f is not a function or gives anything but numbers, or operations are recorded
   * @example x.map((value, row, column) => (column > row ? 0 : value));
   */
  map(f: (value: number, row: number, column: number) => number): Matrix {
    requireCall('Matrix.map', this, arguments.length, 1);
    return wrap(this.rows, this.cols, mapped('Matrix.map', this, f));
  }

  /**
   * Entries of a where the condition is not 0, of b elsewhere: (rows × cols), each a matrix or one number for all.
   *
   * @param condition  (rows × cols)
   * @throws ShapeError  if the shapes differ
   * @example Matrix.where(mask, scores, -1e9);
   */
  static where(condition: Matrix, a: Matrix | number, b: Matrix | number): Matrix {
    const where = 'Matrix.where';
    requireArguments(where, arguments.length, 3);
    requireMatrix(where, 'condition', condition);
    const [x, y] = Object.entries({ a, b }).map(([name, value]) => {
      if (typeof value !== 'number') requireMatrix(where, name, value);
      return choiceOf(where, name, value, condition);
    });
    const { backward, ...chosen } = algebra.selected(condition, x, y);
    const isInput = [a, b].map(isMatrix);
    return result([a, b].filter(isMatrix), { ...chosen, backward: (dC) => backward(dC).filter((_, i) => isInput[i]) });
  }

  /**
   * Rows [start, end) as a new matrix; end defaults to rows, negative ones count from the end.
   *
   * @throws ShapeError  unless 0 ≤ start ≤ end ≤ rows
   * @example x.sliceRows(-1); // the last row
   */
  sliceRows(start: number, end: number = this.rows): Matrix {
    requireCall('Matrix.sliceRows', this, arguments.length, 2);
    return result([this], algebra.rowSlice(this, ...checks.rangeOf('Matrix.sliceRows', 'rows', start, end, this.rows)));
  }

  /** Columns [start, end), as sliceRows. @throws ShapeError  unless 0 ≤ start ≤ end ≤ cols */
  sliceColumns(start: number, end: number = this.cols): Matrix {
    const where = 'Matrix.sliceColumns';
    requireCall(where, this, arguments.length, 2);
    return result([this], algebra.columnSlice(this, ...checks.rangeOf(where, 'columns', start, end, this.cols)));
  }

  /**
   * The matrices below one another.
   *
   * @throws ShapeError  if they differ in columns or the list is empty
   * @example Matrix.concatRows([a, b]); // (a.rows + b.rows) × cols
   */
  static concatRows(matrices: readonly Matrix[]): Matrix {
    const [parts, cols] = partsOf('Matrix.concatRows', matrices, 'cols', arguments.length);
    requireSize('Matrix.concatRows', 'the result', sumOf(parts, 'rows'), cols);
    return result(parts, algebra.stacked(parts, cols));
  }

  /**
   * The matrices side by side.
   *
   * @throws ShapeError  if they differ in rows or the list is empty
   * @example Matrix.concatColumns([head0, head1]); // rows × (head0.cols + head1.cols)
   */
  static concatColumns(matrices: readonly Matrix[]): Matrix {
    const [parts, rows] = partsOf('Matrix.concatColumns', matrices, 'rows', arguments.length);
    requireSize('Matrix.concatColumns', 'the result', rows, sumOf(parts, 'cols'));
    return result(parts, algebra.sideBySide(parts, rows));
  }

  /**
   * Whether every entry is within tolerance·(1 + |entry of other|) of that of other. A NaN is close to nothing, unless
   * `equalNaN` says that it is to another NaN.
   *
   * @throws ShapeError  if the shapes differ or tolerance is negative; TypeError for wrong kinds
   * @example fast.allClose(slow, { tolerance: 1e-5 });
   */
  allClose(other: Matrix, options: AllCloseOptions = {}): boolean {
    const where = 'Matrix.allClose';
    requireCall(where, this, arguments.length, 2);
    requireMatrix(where, 'other', other);
    return areClose(where, this, other, options);
  }

  /** The sum of all entries, 1×1; along axis 0 of every column, (1 × cols); along 1 or −1 of every row, (rows × 1). */
  sum(axis?: 0 | 1 | -1): Matrix {
    requireCall('Matrix.sum', this, arguments.length, 1);
    return result([this], sums(this, checks.axisOf('Matrix.sum', axis), 1));
  }

  /** The largest entry of all or along an axis, as sum; NaN counts as largest. The gradient goes to the first of equals. */
  max(axis?: 0 | 1 | -1): Matrix {
    requireCall('Matrix.max', this, arguments.length, 1);
    const along = checks.axisOf('Matrix.max', axis);
    checks.requireEntries('Matrix.max', along === undefined ? { rows: 1, cols: this.size } : this, along === 0);
    return result([this], maxima(this, along));
  }

  /** The mean of all entries or along an axis, as sum; NaN where there is none. */
  mean(axis?: 0 | 1 | -1): Matrix {
    requireCall('Matrix.mean', this, arguments.length, 1);
    const along = checks.axisOf('Matrix.mean', axis);
    const count = along === undefined ? this.size : along === 0 ? this.rows : this.cols;
    return result([this], sums(this, along, 1 / count));
  }
}

/** A matrix around an array that a kernel made: 64-bit numbers when the oracle made it, whatever computes now. */
export function wrap(rows: number, cols: number, data: Floats, isResult = false): Matrix {
  return new Matrix(rows, cols, new Made(data, isResult) as unknown as Float32Array);
}

/** The result of an operation on `inputs`, known to the tape that records now. */
export function result(inputs: readonly Matrix[], { rows, cols, data, backward }: algebra.Computed): Matrix {
  return record(wrap(rows, cols, data, true), inputs, backward);
}

function elementary(operation: ElementaryOperation, x: Matrix, given: number): Matrix {
  requireCall(`Matrix.${operation}`, x, given, 0);
  return result([x], algebra.elementary(operation, x));
}

function binary(a: Matrix, operation: BinaryOperation, b: unknown, given: number): Matrix {
  const where = `Matrix.${operation}`;
  requireCall(where, a, given, 1);
  if (typeof b === 'number') return result([a], withNumber(where, operation, a, b));
  requireMatrix(where, 'other', b);
  return result([a, b], broadcast(operation, a, b, ...checks.broadcastShape(where, a, b)));
}

/** The list, which stays its owner's, and the size in which they agree. */
function partsOf(where: string, matrices: unknown, agree: 'rows' | 'cols', given: number): [Matrix[], number] {
  requireArguments(where, given, 1, 'write them as a list: [a, b]');
  requireMatrices(where, 'matrices', matrices);
  return [[...matrices], checks.equalSize(where, 'matrices', agree, matrices)];
}

function sumOf(parts: readonly Matrix[], size: 'rows' | 'cols'): number {
  return parts.reduce((total, part) => total + part[size], 0);
}

/** First in every method: it is called on a matrix, with no more arguments than it reads. */
function requireCall(where: string, self: Matrix, given: number, most: number): void {
  requireArguments(where, given, most);
  requireMatrix(where, 'this', self);
}

/** A Matrix of this copy of the library or another, whose data still fits its shape. */
export function requireMatrix(where: string, name: string, value: unknown): asserts value is Matrix {
  if (value instanceof Matrix && checks.isWhole(value)) return;
  if (!(value instanceof Matrix)) requireForeign(where, name, value);
  checks.requireWhole(where, name, value as Matrix);
}

export function isMatrix(value: unknown): value is Matrix {
  return value instanceof Matrix || brandOf(value, 'Matrix') !== undefined;
}

export function requireMatrices(where: string, name: string, value: unknown): asserts value is readonly Matrix[] {
  if (!Array.isArray(value)) throw kindError(where, `${name} must be an array`, `got ${describe(value)}`);
  for (let i = 0; i < value.length; i++) requireMatrix(where, `${name}[${i}]`, value[i]);
}
