import {
  describe,
  kindError,
  requireArrayLike,
  requireNumber,
  requireSize,
  shapeError,
  shapeText,
} from './core/errors.js';

// What a Matrix asks of its arguments; kept apart so that matrix.ts reads as algebra.

type Shape = { readonly rows: number; readonly cols: number };

/** rows·cols float32 numbers; float64 ones where `allow64`, only asked then, says so. */
export function requireData(where: string, data: unknown, rows: number, cols: number, allow64: () => boolean): void {
  if (!(data instanceof Float32Array)) {
    // By tag, not by class: a Float32Array of another realm (an iframe, a test runner) is one too.
    const tag = Object.prototype.toString.call(data).slice(8, -1);
    if (tag !== 'Float32Array' && !(tag === 'Float64Array' && allow64())) {
      throw kindError(where, 'data must be a Float32Array', `got ${describe(data)}`, 'use Float32Array.from(values)');
    }
  }
  const { length } = data as Float32Array;
  if (length === rows * cols) return;
  throw shapeError(where, 'data.length must be rows·cols', `${rows}×${cols} needs ${rows * cols}, got ${length}`);
}

export function requireIndex(where: string, name: string, index: unknown, count: number): void {
  requireNumber(where, name, index);
  if (Number.isInteger(index) && index >= 0 && index < count) return;
  if (count === 0) throw shapeError(where, `${name} must exist`, `got ${index} where there are 0 ${name}s`);
  throw shapeError(where, `${name} must be an integer from 0 to ${count - 1}`, `got ${index}`);
}

export function requireRange(where: string, what: string, start: unknown, end: unknown, count: number): void {
  requireNumber(where, 'start', start);
  requireNumber(where, 'end', end);
  if (Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= count) return;
  throw shapeError(where, `0 ≤ start ≤ end ≤ ${count} ${what} must hold`, `got start ${start}, end ${end}`);
}

/** Rows of equal length, all numbers; that length. */
export function checkRows(where: string, rows: ArrayLike<ArrayLike<number>>): number {
  requireArrayLike(where, 'rows', rows);
  for (let r = 0; r < rows.length; r++) {
    const row = rows[r];
    requireArrayLike(where, `row ${r}`, row);
    if (row.length !== rows[0].length) {
      throw shapeError(
        where,
        'rows must have equal lengths',
        `row 0 has ${rows[0].length}, row ${r} has ${row.length}`,
      );
    }
    for (let c = 0; c < row.length; c++) requireNumber(where, `entry (${r}, ${c})`, row[c]);
  }
  return rows.length === 0 ? 0 : rows[0].length;
}

/** op(a) · op(b) is (m × k) · (k × n). */
export function requireProduct(where: string, a: Shape, b: Shape, transposeA: boolean, transposeB: boolean): void {
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
