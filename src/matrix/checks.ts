import {
  describe,
  kindError,
  requireArrayLike,
  requireBoolean,
  requireInteger,
  requireNumber,
  requireSize,
  shapeError,
  shapeText,
} from '../core/errors.js';
import { requireOptions } from '../core/options.js';

// What a Matrix asks of its arguments; kept apart so that matrix.ts reads as algebra.

type Shape = { readonly rows: number; readonly cols: number };

/** Integers of at least 0; nested lists belong elsewhere. */
export function requireDimensions(where: string, rows: unknown, cols: unknown): void {
  if (typeof rows === 'object' && rows !== null && 'length' in rows) {
    const hint = 'Matrix.from(rows) takes nested arrays; a typed array stands third: new Matrix(rows, cols, data)';
    throw kindError(where, 'rows must be a number', `got ${describe(rows)}`, hint);
  }
  requireInteger(where, 'rows', rows);
  requireInteger(where, 'cols', cols);
}

/** rows·cols float32 numbers; float64 ones where `allow64`, only asked then, says so. */
export function requireData(where: string, data: unknown, rows: number, cols: number, allow64: () => boolean): void {
  const kind = floatsKind(data);
  if (kind !== 32 && !(kind === 64 && allow64())) {
    throw kindError(where, 'data must be a Float32Array', `got ${describe(data)}`, 'use Float32Array.from(values)');
  }
  const { length } = data as Float32Array;
  if (length === rows * cols) return;
  throw shapeError(where, 'data.length must be rows·cols', `${rows}×${cols} needs ${rows * cols}, got ${length}`);
}

/** By tag where the class does not tell: a Float32Array of another realm (an iframe, a test runner) is one too. */
function floatsKind(data: unknown): 32 | 64 | undefined {
  if (data instanceof Float32Array) return 32;
  const tag = Object.prototype.toString.call(data);
  return tag === '[object Float32Array]' ? 32 : tag === '[object Float64Array]' ? 64 : undefined;
}

/**
 * A matrix must still be one when it is used: plain JavaScript can replace its data, a buffer can be resized or transferred
 * away, and the kernels, which trust sizes, would then compute with what other calls left in their memory.
 */
export function requireWhole(where: string, name: string, x: Shape & { readonly data: unknown }): void {
  if (isWhole(x)) return;
  const { rows, cols, data } = x;
  if (floatsKind(data) === undefined) {
    throw kindError(where, `${name}.data must be a Float32Array`, `got ${describe(data)}`);
  }
  if (!isSize(rows) || !isSize(cols)) {
    const given = `got ${describe(rows)} and ${describe(cols)}`;
    throw shapeError(where, `${name}.rows and ${name}.cols must be integers of at least 0`, given);
  }
  if (holds(data as Float32Array, rows * cols)) return;
  const { length } = data as Float32Array;
  const given = `${rows}×${cols} needs ${rows * cols}, got ${length === rows * cols ? 0 : length}`;
  const hint = 'was it replaced, or its buffer resized or transferred?';
  throw shapeError(where, `${name}.data.length must be rows·cols`, given, hint);
}

/** Of the common kind, in the few instructions that every operation can afford for each of its matrices. */
export function isWhole(x: Shape & { readonly data: unknown }): boolean {
  return fits(x) && holds(x.data as Float32Array, x.rows * x.cols);
}

function fits({ rows, cols, data }: Shape & { readonly data: unknown }): boolean {
  return data instanceof Float32Array && data.length === rows * cols && rows >>> 0 === rows && cols >>> 0 === cols;
}

/**
 * Asks for the last entry too: compiled code of V8 in Node 20 and 22 goes on telling the old length of an array whose buffer
 * was transferred, once it has met resizable buffers.
 */
function holds(data: Float32Array, count: number): boolean {
  return data.length === count && (count === 0 || count - 1 in data);
}

function isSize(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0;
}

/** Of rows, or of columns, none is without entries. */
export function requireEntries(where: string, x: Shape, ofColumns: boolean): void {
  const [count, entries] = ofColumns ? [x.cols, x.rows] : [x.rows, x.cols];
  if (entries > 0 || count === 0) return;
  const what = ofColumns ? 'column' : 'row';
  throw shapeError(where, `every ${what} must have at least one entry`, `the matrix is ${shapeText(x)}`);
}

export function requireIndex(where: string, name: string, index: unknown, count: number): void {
  requireNumber(where, name, index);
  if (Number.isInteger(index) && index >= 0 && index < count) return;
  if (count === 0) throw shapeError(where, `${name} must exist`, `got ${index} where there are 0 ${name}s`);
  throw shapeError(where, `${name} must be an integer from 0 to ${count - 1}`, `got ${index}`);
}

/** The common case of the next, in few instructions: with all of that, a loop over `set` took 4.7 times as long. */
export function isEntry(x: Shape & { readonly data: unknown }, r: unknown, c: unknown): boolean {
  if (!fits(x) || typeof r !== 'number' || typeof c !== 'number') return false;
  return r >>> 0 === r && c >>> 0 === c && r < x.rows && c < x.cols;
}

/** Entry (r, c) must be there; its index. */
export function requireEntry(where: string, x: Shape & { readonly data: unknown }, r: number, c: number): number {
  requireWhole(where, 'this', x);
  requireIndex(where, 'row', r, x.rows);
  requireIndex(where, 'column', c, x.cols);
  return r * x.cols + c;
}

/** Places in a list of `count`, negative ones counted from its end, as [start, end]. */
export function rangeOf(where: string, what: string, start: unknown, end: unknown, count: number): [number, number] {
  requireNumber(where, 'start', start);
  requireNumber(where, 'end', end);
  const place = (index: number) => (index < 0 ? index + count : index);
  const [first, last] = [place(start), place(end)];
  const isRange = Number.isInteger(first) && Number.isInteger(last) && 0 <= first && first <= last && last <= count;
  if (isRange) return [first, last];
  const hint = start < 0 || end < 0 ? 'negative ones count from the end' : undefined;
  throw shapeError(where, `0 ≤ start ≤ end ≤ ${count} ${what} must hold`, `got start ${start}, end ${end}`, hint);
}

/** 0: along the rows, from top to bottom; 1 or −1: along the columns, from left to right; undefined: all entries. */
export function axisOf(where: string, axis: unknown): 0 | 1 | undefined {
  if (axis === undefined || axis === 0 || axis === 1) return axis;
  if (axis === -1) return 1;
  if (axis === -2) return 0;
  const rule = 'axis must be 0 (one result per column) or 1 or -1 (one per row)';
  if (typeof axis === 'number') throw shapeError(where, rule, `got ${axis}`);
  const name = where.slice(where.indexOf('.') + 1);
  throw kindError(where, rule, `got ${describe(axis)}`, isObject(axis) ? `write ${name}(1)` : undefined);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Rows of equal length, all numbers, and that length. */
export function checkRows(where: string, value: unknown): [rows: ArrayLike<ArrayLike<number>>, cols: number] {
  requireArrayLike(where, 'rows', value);
  const rows = value as ArrayLike<ArrayLike<number>>;
  for (let r = 0; r < rows.length; r++) {
    const row = rows[r];
    if (isMatrixLike(row)) {
      throw kindError(where, `row ${r} must be an array or a typed array`, `got ${describe(row)}`, PACKED);
    }
    requireArrayLike(where, `row ${r}`, row);
    if (row.length !== rows[0].length) {
      throw shapeError(
        where,
        'rows must have equal lengths',
        `row 0 has ${rows[0].length}, row ${r} has ${row.length}`,
      );
    }
    for (let c = 0; c < row.length; c++) {
      const entry: unknown = row[c];
      if (typeof entry === 'number') continue;
      const hint = Array.isArray(entry) || ArrayBuffer.isView(entry) ? PACKED : undefined;
      throw kindError(where, `entry (${r}, ${c}) must be a number`, `got ${describe(entry)}`, hint);
    }
  }
  return [rows, rows.length === 0 ? 0 : rows[0].length];
}

/** Where three dimensions or a list of matrices are tried. */
const PACKED = 'a matrix has two dimensions: a batch of sequences is packed into one, see pack and cuSeqlens';

function isMatrixLike(value: unknown): boolean {
  return isObject(value) && 'rows' in value && 'cols' in value;
}

/** rows·cols numbers. */
export function requireFlat(where: string, rows: unknown, cols: unknown, values: unknown): void {
  requireDimensions(where, rows, cols);
  requireSize(where, 'a matrix', rows as number, cols as number);
  requireArrayLike(where, 'values', values);
  const count = (rows as number) * (cols as number);
  if (values.length !== count) {
    throw shapeError(where, 'values.length must be rows·cols', `${rows}×${cols} needs ${count}, got ${values.length}`);
  }
  if (values instanceof Float32Array) return;
  for (let i = 0; i < count; i++) requireNumber(where, `values[${i}]`, values[i]);
}

/** The shape of a reshape of x, with −1 resolved. */
export function reshaped(where: string, x: Shape, rows: unknown, cols: unknown): Shape {
  requireNumber(where, 'rows', rows);
  requireNumber(where, 'cols', cols);
  const count = x.rows * x.cols;
  const shape = {
    rows: rows === -1 && cols > 0 ? count / cols : rows,
    cols: cols === -1 && rows > 0 ? count / rows : cols,
  };
  if (isSize(shape.rows) && isSize(shape.cols) && shape.rows * shape.cols === count) return shape;
  throw shapeError(where, `rows·cols must be ${count}, one of them -1 for what remains`, `got ${rows} and ${cols}`);
}

export interface MatmulOptions {
  /** Use aᵀ: a is then (k × m). */
  transposeA?: boolean;
  /** Use bᵀ: b is then (n × k). */
  transposeB?: boolean;
}

const MATMUL_OPTIONS: readonly (keyof MatmulOptions)[] = ['transposeA', 'transposeB'];

/** op(a) · op(b) is (m × k) · (k × n); the options, with their defaults. */
export function requireProduct(where: string, a: Shape, b: Shape, options: MatmulOptions): Required<MatmulOptions> {
  requireOptions(where, options, MATMUL_OPTIONS);
  const { transposeA = false, transposeB = false } = options;
  requireBoolean(where, 'transposeA', transposeA);
  requireBoolean(where, 'transposeB', transposeB);
  const [m, k] = transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
  const [inner, n] = transposeB ? [b.cols, b.rows] : [b.rows, b.cols];
  if (k !== inner) {
    const text = (name: string, x: Shape, isTransposed: boolean) =>
      `${name} is ${shapeText(x)}${isTransposed ? ' transposed' : ''}`;
    const given = `${text('a', a, transposeA)}, ${text('b', b, transposeB)}`;
    const fits = (transposeB ? b.rows : b.cols) === k; // b would, the other way round
    const hint = fits ? `pass transposeB: ${!transposeB} for a · b${transposeB ? '' : 'ᵀ'}` : undefined;
    throw shapeError(where, 'inner dimensions must agree', given, hint);
  }
  requireSize(where, 'the product', m, n);
  return { transposeA, transposeB };
}

/** The shape of an elementwise result: rows and columns must each be equal, or 1 in one of the two. */
export function broadcastShape(where: string, a: Shape, b: Shape): [rows: number, cols: number] {
  const fits = (x: number, y: number) => x === y || x === 1 || y === 1;
  if (fits(a.rows, b.rows) && fits(a.cols, b.cols)) {
    const [rows, cols] = [a.rows === 1 ? b.rows : a.rows, a.cols === 1 ? b.cols : a.cols];
    requireSize(where, 'the result', rows, cols);
    return [rows, cols];
  }
  const rule = `other must be a number, have the same shape, or be a 1×${a.cols} row, a ${a.rows}×1 column or 1×1`;
  const hint = b.rows === a.cols && b.cols === a.rows ? 'transpose() gives it that shape' : undefined;
  throw shapeError(where, rule, `this is ${shapeText(a)}, other is ${shapeText(b)}`, hint);
}

/** The rows or columns that every matrix of a list has; there must be one. */
export function equalSize(where: string, name: string, what: 'rows' | 'cols', matrices: readonly Shape[]): number {
  if (matrices.length === 0) throw shapeError(where, `${name} must hold at least one matrix`, 'got an empty list');
  const [first] = matrices;
  const other = matrices.findIndex((m) => m[what] !== first[what]);
  if (other === -1) return first[what];
  const given = `${name}[0] is ${shapeText(first)}, ${name}[${other}] is ${shapeText(matrices[other])}`;
  throw shapeError(where, `${name} must have equal ${what === 'rows' ? 'rows' : 'columns'}`, given);
}
