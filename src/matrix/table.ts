import { requireArguments } from '../core/arguments.js';
import type { AnyBuffer } from '../core/array-types.js';
import {
  describe,
  kindError,
  requireCount,
  requireInteger,
  requireNumber,
  requireSize,
  shapeError,
  shapeText,
} from '../core/errors.js';
import { prepareClass } from '../core/prepared-class.js';
import type { Floats } from '../kernels/contract.js';
import { isFloat64 } from '../kernels/state.js';
import * as checks from './checks.js';
import { putOrigin } from './origin.js';
import { jsonRows, pictureOf, rowsFromJson } from './picture.js';
import { filled, normalDraws, type RandomNormalOptions, type RandomUniformOptions, uniformDraws } from './random.js';

/** What the constructor takes as it is, in the place of data: an array that kernels made. */
export class Made {
  constructor(
    readonly data: Floats,
    /** Of an operation. */
    readonly isResult: boolean,
  ) {}
}

/** Of the prototype, at the first matrix: nothing happens at import. */
let isPrepared = false;

/** Rows and columns of numbers, and how they are read and written; a Matrix also computes. */
export class Table {
  static get name(): string {
    return 'Table';
  }

  readonly rows: number;
  readonly cols: number;
  /** rows·cols numbers; entry (r, c) is data[r·cols + c]. Writes are seen by the next operation. */
  readonly data: Float32Array & AnyBuffer;
  readonly #isResult: boolean;

  /**
   * @param data  rows·cols numbers, kept, not copied; zeros when absent
   * @throws ShapeError  if a size is not an integer of at least 0 or the length differs; TypeError if data is not a
   *   Float32Array
   * @example new Matrix(2, 3, Float32Array.of(1, 2, 3, 4, 5, 6));
   */
  constructor(rows: number, cols: number, data?: Float32Array) {
    const where = 'Matrix';
    const given: unknown = data;
    const made = given instanceof Made ? given : undefined;
    if (made === undefined) {
      requireArguments(where, arguments.length, 3);
      checks.requireDimensions(where, rows, cols);
    }
    requireSize(where, 'a matrix', rows, cols);
    if (data !== undefined && made === undefined) checks.requireData(where, data, rows, cols, isFloat64);
    this.rows = rows;
    this.cols = cols;
    this.data = (made?.data as Float32Array | undefined) ?? data ?? new Float32Array(rows * cols);
    this.#isResult = made?.isResult ?? false;
    if (!isPrepared) {
      isPrepared = putOrigin(Table.prototype, (m: Table) => m.#isResult);
      prepareClass<Table>(this, Table.prototype, { picture: String });
    }
  }

  /** (rows × cols) of zeros. @example Matrix.zeros(2, 3); */
  static zeros<M extends Table>(this: TableClass<M>, rows: number, cols: number): M {
    return newOf('zeros', this, rows, cols, arguments.length);
  }

  /** (rows × cols) of ones. @example Matrix.ones(2, 3); */
  static ones<M extends Table>(this: TableClass<M>, rows: number, cols: number): M {
    return filledWith(1, newOf('ones', this, rows, cols, arguments.length));
  }

  /** (rows × cols), every entry the same. @throws TypeError  if value is not a number @example Matrix.full(2, 3, -1); */
  static full<M extends Table>(this: TableClass<M>, rows: number, cols: number, value: number): M {
    requireNumber('Matrix.full', 'value', value);
    return filledWith(value, newOf('full', this, rows, cols, arguments.length, 3));
  }

  /**
   * A matrix from a list of rows of equal length.
   *
   * @throws ShapeError  if the rows differ in length; TypeError if a row is not an array or an entry not a number
   * @example Matrix.from([[1, 2, 3], [4, 5, 6]]); // 2×3
   */
  static from<M extends Table>(this: TableClass<M>, rows: ArrayLike<ArrayLike<number>>): M {
    requireArguments('Matrix.from', arguments.length, 1, 'Matrix.fromFlat(rows, cols, values) takes one list');
    return fromRows('from', this, rows);
  }

  /**
   * A matrix from one list of its entries, row after row; they are copied.
   *
   * @throws ShapeError  if there are not rows·cols of them; TypeError if one is not a number
   * @example Matrix.fromFlat(2, 3, [1, 2, 3, 4, 5, 6]);
   */
  static fromFlat<M extends Table>(this: TableClass<M>, rows: number, cols: number, values: ArrayLike<number>): M {
    checks.requireFlat('Matrix.fromFlat', rows, cols, values);
    const out = newOf('fromFlat', this, rows, cols, arguments.length, 3);
    out.data.set(values);
    return out;
  }

  /**
   * The matrix that JSON.stringify(matrix) wrote, to the bit; one without rows has no columns either.
   *
   * @throws ShapeError  if the rows differ in length; TypeError if the text is not that of a matrix
   * @example Matrix.fromJSON(JSON.stringify(matrix));
   */
  static fromJSON<M extends Table>(this: TableClass<M>, text: string): M {
    requireArguments('Matrix.fromJSON', arguments.length, 1);
    return fromRows('fromJSON', this, rowsFromJson('Matrix.fromJSON', text));
  }

  /** The (n × n) identity. @example Matrix.identity(3); */
  static identity<M extends Table>(this: TableClass<M>, n: number): M {
    requireArguments('Matrix.identity', arguments.length, 1);
    requireInteger('Matrix.identity', 'n', n);
    const out = newOf('identity', this, n, n);
    for (let i = 0; i < n; i++) out.data[i * n + i] = 1;
    return out;
  }

  /**
   * (rows × cols) of independent normal numbers, the same for the same seed.
   *
   * @throws ShapeError  if std is negative or a number is not finite
   * @example Matrix.randomNormal(4, 8, { seed: 1, std: 0.02 });
   */
  static randomNormal<M extends Table>(
    this: TableClass<M>,
    rows: number,
    cols: number,
    options: RandomNormalOptions = {},
  ): M {
    const draws = normalDraws('Matrix.randomNormal', options); // checked before anything is allocated
    return filled(newOf('randomNormal', this, rows, cols, arguments.length, 3), draws); // a refused size draws no seed
  }

  /**
   * (rows × cols) of independent numbers, uniform in [low, high), the same for the same seed.
   *
   * @throws ShapeError  if low > high or a number is not finite
   * @example Matrix.randomUniform(4, 8, { seed: 1, low: -1, high: 1 });
   */
  static randomUniform<M extends Table>(
    this: TableClass<M>,
    rows: number,
    cols: number,
    options: RandomUniformOptions = {},
  ): M {
    const draws = uniformDraws('Matrix.randomUniform', options);
    return filled(newOf('randomUniform', this, rows, cols, arguments.length, 3), draws);
  }

  /** [rows, cols]. */
  get shape(): [rows: number, cols: number] {
    return [this.rows, this.cols];
  }

  /** The number of entries: rows·cols. */
  get size(): number {
    return this.rows * this.cols;
  }

  /** Entry (r, c). @throws ShapeError  if it lies outside */
  get(r: number, c: number): number {
    const isPlain = arguments.length === 2 && checks.isEntry(this, r, c);
    const value = isPlain ? this.data[r * this.cols + c] : undefined;
    if (value !== undefined) return value;
    requireArguments('Matrix.get', arguments.length, 2);
    return this.data[checks.requireEntry('Matrix.get', this, r, c)];
  }

  /** Writes entry (r, c). @throws ShapeError  if it lies outside; TypeError if value is not a number */
  set(r: number, c: number, value: number): void {
    const where = 'Matrix.set';
    requireArguments(where, arguments.length, 3);
    const index = checks.isEntry(this, r, c) ? r * this.cols + c : checks.requireEntry(where, this, r, c);
    requireNumber(where, 'value', value);
    this.data[index] = value;
    if (this.data[index] === undefined) checks.requireEntry(where, this, r, c);
  }

  /** The entry of a 1×1 matrix, such as a loss. @throws ShapeError  if it has another shape @example loss.item(); */
  item(): number {
    const where = 'Matrix.item';
    requireCall(where, this, arguments.length, 0);
    if (this.rows === 1 && this.cols === 1) return this.data[0];
    throw shapeError(where, 'the matrix must be 1×1', `it is ${shapeText(this)}`, 'get(row, column) reads any entry');
  }

  /** Row r as a view: writing to it writes to the matrix. @throws ShapeError  if it lies outside */
  row(r: number): Float32Array & AnyBuffer {
    requireCall('Matrix.row', this, arguments.length, 1);
    checks.requireIndex('Matrix.row', 'row', r, this.rows);
    return this.data.subarray(r * this.cols, (r + 1) * this.cols);
  }

  /** Its rows, as row() gives them. @example for (const row of matrix) console.log(row[0]); */
  *[Symbol.iterator](): Generator<Float32Array & AnyBuffer, void, undefined> {
    for (let r = 0; r < this.rows; r++) yield this.row(r);
  }

  /** The entries as nested arrays, rows first. @throws ShapeError  if they would be more than arrays can hold */
  toArray(): number[][] {
    const where = 'Matrix.toArray';
    requireCall(where, this, arguments.length, 0);
    requireCount(where, 'rows', this.rows);
    requireCount(where, 'the number of entries', this.rows * this.cols, 2 ** 27); // 1 GiB of V8's heap
    return Array.from({ length: this.rows }, (_, r) => Array.from(this.row(r)));
  }

  /** For people: the shape and the entries; of a large matrix those at its corners, with four digits. */
  toString(): string {
    requireCall('Matrix.toString', this, arguments.length, 0);
    return pictureOf(Object.getPrototypeOf(this).constructor.name, this);
  }

  /**
   * What JSON.stringify writes: the rows as nested lists. JSON has no NaN, infinities or −0: they become text. Matrix.fromJSON
   * reads it. Models and other large ones belong into writeSafetensors.
   */
  toJSON(): (number | string)[][] {
    checks.requireWhole('Matrix.toJSON', 'this', this);
    return jsonRows(this);
  }
}

/** Matrix, Parameter, or a class of a user with such a constructor: what each of them makes is one of its own. */
type TableClass<M> = new (rows: number, cols: number, data?: Float32Array) => M;

function newOf<M>(method: string, self: TableClass<M>, rows: number, cols: number, given = 0, most = 2): M {
  requireArguments(`Matrix.${method}`, given, most);
  if (typeof self === 'function') return new self(rows, cols);
  throw kindError(
    `Matrix.${method}`,
    'it must be called on its class',
    `got ${describe(self)}`,
    `write Matrix.${method}`,
  );
}

function fromRows<M extends Table>(method: string, self: TableClass<M>, value: unknown): M {
  const [rows, cols] = checks.checkRows(`Matrix.${method}`, value);
  const out = newOf(method, self, rows.length, cols); // allocated only where the rows are really there
  for (let r = 0; r < rows.length; r++) out.data.set(rows[r], r * cols);
  return out;
}

function filledWith<M extends Table>(value: number, matrix: M): M {
  matrix.data.fill(value);
  return matrix;
}

/** First in every method: it is called on a whole matrix, with no more arguments than it reads. */
function requireCall(where: string, self: Table, given: number, most: number): void {
  requireArguments(where, given, most);
  if (!checks.isWhole(self)) checks.requireWhole(where, 'this', self);
}
