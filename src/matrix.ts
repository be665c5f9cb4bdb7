import { record } from './autograd/tape.js';
import {
  describe,
  kindError,
  requireBoolean,
  requireCount,
  requireInteger,
  requireNumber,
  requireOptions,
  requireSize,
  shapeError,
  shapeText,
} from './core/errors.js';
import type { BinaryOperation, Floats, UnaryOperation } from './kernels/contract.js';
import { isFloat64 } from './kernels/state.js';
import * as algebra from './matrix-algebra.js';
import { checkRows, equalSize, requireData, requireIndex, requireProduct, requireRange } from './matrix-checks.js';
import { normalDraws, type RandomNormalOptions, type RandomUniformOptions, uniformDraws } from './matrix-random.js';

export interface MatmulOptions {
  /** Use aᵀ: a is then (k × m). */
  transposeA?: boolean;
  /** Use bᵀ: b is then (n × k). */
  transposeB?: boolean;
}

const MATMUL_OPTIONS: readonly (keyof MatmulOptions)[] = ['transposeA', 'transposeB'];
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
  readonly data: Float32Array;

  /**
   * @param data  rows·cols numbers, kept, not copied; zeros when absent
   * @throws ShapeError  if a size is no integer of at least 0 or the length differs; TypeError if data is no Float32Array
   * @example new Matrix(2, 3, Float32Array.of(1, 2, 3, 4, 5, 6));
   */
  constructor(rows: number, cols: number, data?: Float32Array) {
    requireInteger('Matrix', 'rows', rows);
    requireInteger('Matrix', 'cols', cols);
    requireSize('Matrix', 'a matrix', rows, cols);
    if (data !== undefined) requireData('Matrix', data, rows, cols, isFloat64);
    this.rows = rows;
    this.cols = cols;
    this.data = data ?? new Float32Array(rows * cols);
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
    const cols = checkRows('Matrix.from', rows);
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
    const [out, draw] = [new Matrix(rows, cols), draws()]; // in this order: a refused size must not draw a seed
    for (let i = 0; i < out.data.length; i++) out.data[i] = draw();
    return out;
  }

  /**
   * (rows × cols) of independent numbers, uniform in [low, high), the same for the same seed.
   *
   * @throws ShapeError  if low > high or a number is not finite
   * @example Matrix.randomUniform(4, 8, { seed: 1, low: -1, high: 1 });
   */
  static randomUniform(rows: number, cols: number, options: RandomUniformOptions = {}): Matrix {
    const draws = uniformDraws('Matrix.randomUniform', options);
    const [out, draw] = [new Matrix(rows, cols), draws()];
    for (let i = 0; i < out.data.length; i++) out.data[i] = draw();
    return out;
  }

  /** Entry (r, c). @throws ShapeError  if it lies outside */
  get(r: number, c: number): number {
    return this.data[this.#index('get', r, c)];
  }

  /** Writes entry (r, c). @throws ShapeError  if it lies outside; TypeError if value is no number */
  set(r: number, c: number, value: number): void {
    const index = this.#index('set', r, c);
    requireNumber('set', 'value', value);
    this.data[index] = value;
  }

  #index(where: string, r: number, c: number): number {
    requireIndex(where, 'row', r, this.rows);
    requireIndex(where, 'column', c, this.cols);
    return r * this.cols + c;
  }

  /** Row r as a view: writing to it writes to the matrix. @throws ShapeError  if it lies outside */
  row(r: number): Float32Array {
    requireIndex('row', 'row', r, this.rows);
    return this.data.subarray(r * this.cols, (r + 1) * this.cols);
  }

  /** The entries as nested arrays, rows first. @throws ShapeError  if they would be more than arrays can hold */
  toArray(): number[][] {
    requireCount('toArray', 'rows', this.rows);
    requireCount('toArray', 'the number of entries', this.rows * this.cols, 2 ** 27); // 1 GiB of V8's heap
    return Array.from({ length: this.rows }, (_, r) => Array.from(this.row(r)));
  }

  /** A copy with memory of its own. */
  clone(): Matrix {
    return result([this], algebra.copied(this));
  }

  /**
   * The product: this (m × k) times other (k × n) gives (m × n).
   *
   * @throws ShapeError  if the inner dimensions differ
   * @example const scores = q.matmul(k, { transposeB: true }); // q · kᵀ
   */
  matmul(other: Matrix, options: MatmulOptions = {}): Matrix {
    requireMatrix('matmul', 'other', other);
    requireOptions('matmul', options, MATMUL_OPTIONS);
    const { transposeA = false, transposeB = false } = options;
    requireBoolean('matmul', 'transposeA', transposeA);
    requireBoolean('matmul', 'transposeB', transposeB);
    requireProduct('matmul', this, other, transposeA, transposeB);
    return result([this, other], algebra.product(this, other, transposeA, transposeB));
  }

  /** (cols × rows). @example q.matmul(k.transpose()); */
  transpose(): Matrix {
    return result([this], algebra.transposed(this));
  }

  /** Every entry times s. @example scores.scale(1 / Math.sqrt(dK)); */
  scale(s: number): Matrix {
    requireNumber('scale', 's', s);
    return result([this], algebra.scaled(this, s));
  }

  /** Softmax of every row. A row that is all −∞ gives zeros. @example const weights = scores.softmax(); */
  softmax(): Matrix {
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
    return unary(this, 'exp');
  }

  /** The natural logarithm of every entry. */
  log(): Matrix {
    return unary(this, 'log');
  }

  /** The square root of every entry. */
  sqrt(): Matrix {
    return unary(this, 'sqrt');
  }

  /** The hyperbolic tangent of every entry. */
  tanh(): Matrix {
    return unary(this, 'tanh');
  }

  /** The column of the largest entry of every row, the first of equals; a NaN counts as largest. */
  argmax(): Int32Array {
    if (this.cols === 0 && this.rows > 0) {
      throw shapeError('argmax', 'every row must have at least one entry', `the matrix is ${shapeText(this)}`);
    }
    const { rows, cols, data } = this;
    return Int32Array.from({ length: rows }, (_, r) => {
      let best = 0;
      for (let c = 1; c < cols && !Number.isNaN(data[r * cols + best]); c++) {
        if (!(data[r * cols + c] <= data[r * cols + best])) best = c;
      }
      return best;
    });
  }

  /** Rows [start, end) as a new matrix; end defaults to rows. @throws ShapeError  unless 0 ≤ start ≤ end ≤ rows */
  sliceRows(start: number, end: number = this.rows): Matrix {
    requireRange('sliceRows', 'rows', start, end, this.rows);
    return result([this], algebra.rowSlice(this, start, end));
  }

  /** Columns [start, end) as a new matrix; end defaults to cols. @throws ShapeError  unless 0 ≤ start ≤ end ≤ cols */
  sliceColumns(start: number, end: number = this.cols): Matrix {
    requireRange('sliceColumns', 'columns', start, end, this.cols);
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
    const cols = equalSize('Matrix.concatRows', 'matrices', 'cols', matrices);
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
    const rows = equalSize('Matrix.concatColumns', 'matrices', 'rows', matrices);
    const cols = matrices.reduce((total, m) => total + m.cols, 0);
    requireSize('Matrix.concatColumns', 'the result', rows, cols);
    const parts = [...matrices]; // the list stays its owner's
    return result(parts, algebra.sideBySide(parts, rows));
  }

  /** The sum of all entries, 1×1. */
  sum(): Matrix {
    return result([this], algebra.total(this, 1));
  }

  /** The mean of all entries, 1×1; NaN for an empty matrix. */
  mean(): Matrix {
    return result([this], algebra.total(this, 1 / this.data.length));
  }
}

/** A matrix around an array that a kernel made: 64-bit numbers when the oracle made it. */
export function wrap(rows: number, cols: number, data: Floats): Matrix {
  return new Matrix(rows, cols, data as Float32Array);
}

/** The result of an operation on `inputs`, known to the tape that records now. */
export function result(inputs: readonly Matrix[], { rows, cols, data, backward }: algebra.Computed): Matrix {
  return record(wrap(rows, cols, data), inputs, backward);
}

export function unary(x: Matrix, operation: UnaryOperation): Matrix {
  return result([x], algebra.entrywise(operation, x));
}

function binary(a: Matrix, operation: BinaryOperation, b: Matrix): Matrix {
  requireMatrix(operation, 'other', b);
  if (a.cols !== b.cols || (a.rows !== b.rows && b.rows !== 1)) {
    const rule = `other must have the same shape or be a 1×${a.cols} row`;
    throw shapeError(operation, rule, `this is ${shapeText(a)}, other is ${shapeText(b)}`);
  }
  return result([a, b], algebra.elementwise(operation, a, b));
}

export function requireMatrix(where: string, name: string, value: unknown): asserts value is Matrix {
  if (value instanceof Matrix) return;
  throw kindError(where, `${name} must be a Matrix`, `got ${describe(value)}`);
}

export function requireMatrices(where: string, name: string, value: unknown): asserts value is readonly Matrix[] {
  if (!Array.isArray(value)) throw kindError(where, `${name} must be an array`, `got ${describe(value)}`);
  for (let i = 0; i < value.length; i++) requireMatrix(where, `${name}[${i}]`, value[i]);
}
