// matrix: Matrix and its algebra, Parameter, the tape of operations. Knows kernels, not who plays the tape back.

import type { AnyBuffer, OwnIntegers } from '../core/array-types.js';
import { brandOf } from '../core/brands.js';
import { describe, kindError, requireCount, requireInteger, requireNumber, requireSize } from '../core/errors.js';
import type { BinaryOperation, ElementaryOperation, Floats } from '../kernels/contract.js';
import { isFloat64 } from '../kernels/state.js';
import * as algebra from './algebra.js';
import type { MatmulOptions } from './checks.js';
import * as checks from './checks.js';
import { putOrigin, requireForeign } from './origin.js';
import { filled, normalDraws, type RandomNormalOptions, type RandomUniformOptions, uniformDraws } from './random.js';
import { record } from './tape.js';

/** What the constructor takes as it is, in the place of data: an array that kernels made. */
class Made {
  constructor(
    readonly data: Floats,
    /** Of an operation. */
    readonly isResult: boolean,
  ) {}
}

let hasBrand = false;

/**
 * A (rows × cols) table of float32 numbers, row-major in one Float32Array. Rows are tokens.
 *
 * Every method leaves its operands alone and returns a new Matrix that shares no memory with them.
 *
 * @example const c = Matrix.from([[1, 2], [3, 4]]).matmul(Matrix.identity(2));
 */
export class Matrix {
  static get name(): string {
    return 'Matrix';
  }

  readonly rows: number;
  readonly cols: number;
  /** rows·cols numbers; entry (r, c) is data[r·cols + c]. Writes are seen by the next operation. */
  readonly data: Float32Array & AnyBuffer;
  readonly #isResult: boolean;

  /**
   * @param data  rows·cols numbers, kept, not copied; zeros when absent
   * @throws ShapeError  if a size is no integer of at least 0 or the length differs; TypeError if data is no Float32Array
   * @example new Matrix(2, 3, Float32Array.of(1, 2, 3, 4, 5, 6));
   */
  constructor(rows: number, cols: number, data?: Float32Array) {
    const given: unknown = data;
    const made = given instanceof Made ? given : undefined;
    if (made === undefined) {
      requireInteger('Matrix', 'rows', rows);
      requireInteger('Matrix', 'cols', cols);
    }
    requireSize('Matrix', 'a matrix', rows, cols);
    if (data !== undefined && made === undefined) checks.requireData('Matrix', data, rows, cols, isFloat64);
    this.rows = rows;
    this.cols = cols;
    this.data = (made?.data as Float32Array | undefined) ?? data ?? new Float32Array(rows * cols);
    this.#isResult = made?.isResult ?? false;
    if (!hasBrand) hasBrand = putOrigin(Matrix.prototype, (m: Matrix) => m.#isResult);
  }

  /** (rows × cols) of zeros. @example Matrix.zeros(2, 3); */
  static zeros(rows: number, cols: number): Matrix {
    return new Matrix(rows, cols);
  }

  /**
   * A matrix from a list of rows of equal length.
   *
   * @throws ShapeError  if the rows differ in length; TypeError if a row is no array or an entry no number
   * @example Matrix.from([[1, 2, 3], [4, 5, 6]]); // 2×3
   */
  static from(rows: ArrayLike<ArrayLike<number>>): Matrix {
    const cols = checks.checkRows('Matrix.from', rows);
    const out = new Matrix(rows.length, cols); // allocated only where the rows are really there
    for (let r = 0; r < rows.length; r++) out.row(r).set(rows[r]);
    return out;
  }

  /** The (n × n) identity. @example Matrix.identity(3); */
  static identity(n: number): Matrix {
    requireInteger('Matrix.identity', 'n', n);
    const out = new Matrix(n, n);
    for (let i = 0; i < n; i++) out.data[i * n + i] = 1;
    return out;
  }

  /**
   * (rows × cols) of independent normal numbers, the same for the same seed.
   *
   * @throws ShapeError  if std is negative or a number is not finite
   * @example Matrix.randomNormal(4, 8, { seed: 1, std: 0.02 });
   */
  static randomNormal(rows: number, cols: number, options: RandomNormalOptions = {}): Matrix {
    const draws = normalDraws('Matrix.randomNormal', options); // checked before anything is allocated
    return filled(new Matrix(rows, cols), draws); // a refused size must not draw a seed
  }

  /**
   * (rows × cols) of independent numbers, uniform in [low, high), the same for the same seed.
   *
   * @throws ShapeError  if low > high or a number is not finite
   * @example Matrix.randomUniform(4, 8, { seed: 1, low: -1, high: 1 });
   */
  static randomUniform(rows: number, cols: number, options: RandomUniformOptions = {}): Matrix {
    const draws = uniformDraws('Matrix.randomUniform', options);
    return filled(new Matrix(rows, cols), draws);
  }

  /** Entry (r, c). @throws ShapeError  if it lies outside */
  get(r: number, c: number): number {
    const value = checks.isEntry(this, r, c) ? this.data[r * this.cols + c] : undefined;
    return value ?? this.data[checks.requireEntry('get', this, r, c)];
  }

  /** Writes entry (r, c). @throws ShapeError  if it lies outside; TypeError if value is no number */
  set(r: number, c: number, value: number): void {
    const index = checks.isEntry(this, r, c) ? r * this.cols + c : checks.requireEntry('set', this, r, c);
    requireNumber('set', 'value', value);
    this.data[index] = value;
    if (this.data[index] === undefined) checks.requireEntry('set', this, r, c);
  }

  /** Row r as a view: writing to it writes to the matrix. @throws ShapeError  if it lies outside */
  row(r: number): Float32Array & AnyBuffer {
    requireMatrix('row', 'this', this);
    checks.requireIndex('row', 'row', r, this.rows);
    return this.data.subarray(r * this.cols, (r + 1) * this.cols);
  }

  /** The entries as nested arrays, rows first. @throws ShapeError  if they would be more than arrays can hold */
  toArray(): number[][] {
    requireMatrix('toArray', 'this', this);
    requireCount('toArray', 'rows', this.rows);
    requireCount('toArray', 'the number of entries', this.rows * this.cols, 2 ** 27); // 1 GiB of V8's heap
    return Array.from({ length: this.rows }, (_, r) => Array.from(this.row(r)));
  }

  /** A copy with memory of its own. */
  clone(): Matrix {
    requireMatrix('clone', 'this', this);
    return result([this], algebra.cloned(this));
  }

  /**
   * The product: this (m × k) times other (k × n) gives (m × n).
   *
   * @throws ShapeError  if the inner dimensions differ
   * @example const scores = q.matmul(k, { transposeB: true }); // q · kᵀ
   */
  matmul(other: Matrix, options: MatmulOptions = {}): Matrix {
    requireMatrix('matmul', 'this', this);
    requireMatrix('matmul', 'other', other);
    const { transposeA, transposeB } = checks.requireProduct('matmul', this, other, options);
    return result([this, other], algebra.product(this, other, transposeA, transposeB));
  }

  /** (cols × rows). @example q.matmul(k.transpose()); */
  transpose(): Matrix {
    requireMatrix('transpose', 'this', this);
    return result([this], algebra.transposed(this));
  }

  /** Every entry times s. @example scores.scale(1 / Math.sqrt(dK)); */
  scale(s: number): Matrix {
    requireMatrix('scale', 'this', this);
    requireNumber('scale', 's', s);
    return result([this], algebra.scaled(this, s));
  }

  /** Softmax of every row. A row that is all −∞ gives zeros. @example const weights = scores.softmax(); */
  softmax(): Matrix {
    requireMatrix('softmax', 'this', this);
    return result([this], algebra.softmaxRows(this));
  }

  /** this + other; other has the same shape, or is a (1 × cols) row for every row. @throws ShapeError  if neither */
  add(other: Matrix): Matrix {
    return binary(this, 'add', other);
  }

  /** this − other, elementwise; shapes as in add. @throws ShapeError  if they do not fit */
  subtract(other: Matrix): Matrix {
    return binary(this, 'subtract', other);
  }

  /** this ∘ other, elementwise; shapes as in add. @throws ShapeError  if they do not fit */
  multiply(other: Matrix): Matrix {
    return binary(this, 'multiply', other);
  }

  /** this / other, elementwise; shapes as in add. @throws ShapeError  if they do not fit */
  divide(other: Matrix): Matrix {
    return binary(this, 'divide', other);
  }

  /** e^x of every entry. */
  exp(): Matrix {
    return elementary('exp', this);
  }

  /** The natural logarithm of every entry. */
  log(): Matrix {
    return elementary('log', this);
  }

  /** The square root of every entry. */
  sqrt(): Matrix {
    return elementary('sqrt', this);
  }

  /** The hyperbolic tangent of every entry. */
  tanh(): Matrix {
    return elementary('tanh', this);
  }

  /** The column of the largest entry of every row, the first of equals; a NaN counts as largest. */
  argmax(): OwnIntegers {
    requireMatrix('argmax', 'this', this);
    checks.requireRowEntries('argmax', this);
    return algebra.largestOfRows(this);
  }

  /** Rows [start, end) as a new matrix; end defaults to rows. @throws ShapeError  unless 0 ≤ start ≤ end ≤ rows */
  sliceRows(start: number, end: number = this.rows): Matrix {
    requireMatrix('sliceRows', 'this', this);
    checks.requireRange('sliceRows', 'rows', start, end, this.rows);
    return result([this], algebra.rowSlice(this, start, end));
  }

  /** Columns [start, end) as a new matrix; end defaults to cols. @throws ShapeError  unless 0 ≤ start ≤ end ≤ cols */
  sliceColumns(start: number, end: number = this.cols): Matrix {
    requireMatrix('sliceColumns', 'this', this);
    checks.requireRange('sliceColumns', 'columns', start, end, this.cols);
    return result([this], algebra.columnSlice(this, start, end));
  }

  /**
   * The matrices below one another.
   *
   * @throws ShapeError  if they differ in columns or the list is empty
   * @example Matrix.concatRows([a, b]); // (a.rows + b.rows) × cols
   */
  static concatRows(matrices: readonly Matrix[]): Matrix {
    requireMatrices('Matrix.concatRows', 'matrices', matrices);
    const cols = checks.equalSize('Matrix.concatRows', 'matrices', 'cols', matrices);
    const rows = matrices.reduce((total, m) => total + m.rows, 0);
    requireSize('Matrix.concatRows', 'the result', rows, cols);
    const parts = [...matrices]; // the list stays its owner's
    return result(parts, algebra.stacked(parts, cols));
  }

  /**
   * The matrices side by side.
   *
   * @throws ShapeError  if they differ in rows or the list is empty
   * @example Matrix.concatColumns([head0, head1]); // rows × (head0.cols + head1.cols)
   */
  static concatColumns(matrices: readonly Matrix[]): Matrix {
    requireMatrices('Matrix.concatColumns', 'matrices', matrices);
    const rows = checks.equalSize('Matrix.concatColumns', 'matrices', 'rows', matrices);
    const cols = matrices.reduce((total, m) => total + m.cols, 0);
    requireSize('Matrix.concatColumns', 'the result', rows, cols);
    const parts = [...matrices]; // the list stays its owner's
    return result(parts, algebra.sideBySide(parts, rows));
  }

  /** The sum of all entries, 1×1. */
  sum(): Matrix {
    requireMatrix('sum', 'this', this);
    return result([this], algebra.total(this, 1));
  }

  /** The mean of all entries, 1×1; NaN for an empty matrix. */
  mean(): Matrix {
    requireMatrix('mean', 'this', this);
    return result([this], algebra.total(this, 1 / this.data.length));
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

function elementary(operation: ElementaryOperation, x: Matrix): Matrix {
  requireMatrix(operation, 'this', x);
  return result([x], algebra.elementary(operation, x));
}

function binary(a: Matrix, operation: BinaryOperation, b: Matrix): Matrix {
  requireMatrix(operation, 'this', a);
  requireMatrix(operation, 'other', b);
  checks.requireSameOrRow(operation, a, b);
  return result([a, b], algebra.elementwise(operation, a, b));
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
