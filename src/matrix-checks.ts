import {
  describe,
  kindError,
  requireArrayLike,
  requireNumber,
  type ShapeError,
  shapeError,
  shapeText,
} from './core/errors.js';

// What a Matrix asks of its arguments; kept apart so that matrix.ts reads as algebra.

type Shape = { readonly rows: number; readonly cols: number };

/** By tag, not by class: a Float32Array of another realm (an iframe, a test runner) is one too. */
export function requireFloats(where: string, data: unknown, allow64: boolean): void {
  if (data instanceof Float32Array) return;
  const tag = Object.prototype.toString.call(data).slice(8, -1);
  if (tag === 'Float32Array' || (tag === 'Float64Array' && allow64)) return;
  throw kindError(where, 'data must be a Float32Array', `got ${describe(data)}`, 'use Float32Array.from(values)');
}

export function requireIndex(where: string, name: string, index: unknown, count: number): void {
  requireNumber(where, name, index);
  if (Number.isInteger(index) && index >= 0 && index < count) return;
  throw shapeError(where, `${name} must be an integer from 0 to ${count - 1}`, `got ${index}`);
}

export function requireRange(where: string, what: string, start: unknown, end: unknown, count: number): void {
  requireNumber(where, 'start', start);
  requireNumber(where, 'end', end);
  if (Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= count) return;
  throw shapeError(where, `0 ≤ start ≤ end ≤ ${count} ${what} must hold`, `got start ${start}, end ${end}`);
}

export function rowLength(where: string, row: unknown, r: number): number {
  requireArrayLike(where, `row ${r}`, row);
  return row.length;
}

export function innerDimensionsError(a: Shape, b: Shape, transposeA: boolean, transposeB: boolean): ShapeError {
  const rule = 'inner dimensions must agree';
  const given =
    `a is ${shapeText(a)}${transposeA ? ' transposed' : ''}, b is ${shapeText(b)}${transposeB ? ' transposed' : ''}`;
  const k = transposeA ? a.rows : a.cols;
  const hint = (transposeB ? b.rows : b.cols) === k ? `pass transposeB: ${!transposeB} for a · b${transposeB ? '' : 'ᵀ'}` : undefined;
  return shapeError('matmul', rule, given, hint);
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
