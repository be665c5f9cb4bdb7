// core: what every layer needs and none owns: errors and their grammar, random numbers, offsets of packed sequences, stored
// tensors. Imports nothing but itself; knows neither Matrix nor kernels.

import { brandOf, putBrand } from './brands.js';
import { fitsFloat32 } from './float32.js';

/**
 * A shape or a number out of range. Its message reads `where: what must hold: what was given (hint)`. A ShapeError of
 * another copy of the library counts as an instance too.
 *
 * @example try { a.matmul(b); } catch (e) { if (e instanceof ShapeError) console.error(e.message); }
 */
export class ShapeError extends RangeError {
  static override get name(): string {
    return 'ShapeError';
  }

  override readonly name = 'ShapeError';

  /** @internal */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore-start lint/complexity/noThisInStatic: a class that extends this one inherits the method
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    return this === ShapeError && isQkvError(value) && value.name === 'ShapeError';
    // biome-ignore-end lint/complexity/noThisInStatic: as above
  }
}

/**
 * Whether the library threw this on purpose: a ShapeError, or the TypeError or RangeError of a refused call, from any copy
 * of the library in the program. Its message then reads `where: what must hold: what was given (hint)`.
 *
 * @example try { model.forward(ids); } catch (e) { if (!isQkvError(e)) throw e; console.error(e.message); }
 */
export function isQkvError(value: unknown): value is Error {
  return brandOf(value, 'error') === true;
}

function branded<E extends Error>(error: E): E {
  putBrand(error, 'error');
  return error;
}

/** The one message grammar of the library: `where: rule: given (hint)`. */
function message(where: string, rule: string, given: string, hint?: string): string {
  return `${where}: ${rule}: ${given}${hint === undefined ? '' : ` (${hint})`}`;
}

export function shapeError(where: string, rule: string, given: string, hint?: string): ShapeError {
  return branded(new ShapeError(message(where, rule, given, hint)));
}

/** For what the machine could not provide, such as memory. */
export function memoryError(where: string, rule: string, given: string, hint?: string): RangeError {
  return branded(new RangeError(message(where, rule, given, hint)));
}

export function kindError(where: string, rule: string, given: string, hint?: string): TypeError {
  return branded(new TypeError(message(where, rule, given, hint)));
}

/** A short, safe text for any value, for the "what was given" part of a message. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return 'a symbol';
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    const list = value as ArrayLike<unknown>;
    if (typeof list.length !== 'number') return 'a DataView';
    if (list.length > 8) return `${kindOf(value)} of length ${list.length}`;
    return `[${Array.from(list, (entry) => (typeof entry === 'object' && entry ? kindOf(entry) : describe(entry))).join(', ')}]`;
  }
  return kindOf(value);
}

function kindOf(value: object): string {
  if (brandOf(value, 'Matrix') !== undefined) {
    const { rows, cols } = value as { rows: number; cols: number };
    return `a ${shapeText({ rows, cols })} ${brandOf(value, 'Parameter') === true ? 'Parameter' : 'Matrix'}`;
  }
  const isModule = brandOf(value, 'Module') === true;
  const name = isModule ? value.constructor.name : Object.prototype.toString.call(value).slice(8, -1);
  return name === 'Object' ? 'an object' : `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
}

/** `12×64`, the way every message writes a shape. */
export function shapeText(x: { readonly rows: number; readonly cols: number }): string {
  return `${x.rows}×${x.cols}`;
}

export function requireNumber(where: string, name: string, value: unknown): asserts value is number {
  if (typeof value !== 'number') throw kindError(where, `${name} must be a number`, `got ${describe(value)}`);
}

/** The value must be a finite number with low ≤ value ≤ high. */
export function requireFinite(
  where: string,
  name: string,
  value: unknown,
  low = Number.NEGATIVE_INFINITY,
  high = Number.POSITIVE_INFINITY,
): asserts value is number {
  requireNumber(where, name, value);
  if (Number.isFinite(value) && value >= low && value <= high) return;
  throw shapeError(where, `${name} must be a finite number${rangeText(low, high)}`, `got ${value}`);
}

/** The value must be a finite number that is the same to all kernels: see fitsFloat32. */
export function requireFloat32(where: string, name: string, value: unknown, low?: number): asserts value is number {
  requireFinite(where, name, value, low);
  if (fitsFloat32(value)) return;
  throw shapeError(where, `${name} must be 0 or of a size from 1.2e-38 to 3.4e38, as float32 holds it`, `got ${value}`);
}

/** The value must be an integer with low ≤ value ≤ high, exact in a double. */
export function requireInteger(
  where: string,
  name: string,
  value: unknown,
  low = 0,
  high: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  requireNumber(where, name, value);
  if (Number.isSafeInteger(value) && value >= low && value <= high) return;
  throw shapeError(where, `${name} must be an integer${rangeText(low, high)}`, `got ${value}`);
}

/** The largest number of rows, columns or entries: offsets are 32-bit integers. */
const MAX_ENTRIES = 0x7fffffff;

/** To be called before anything of this size is allocated or drawn. */
export function requireSize(where: string, name: string, rows: number, cols: number): void {
  if (rows <= MAX_ENTRIES && cols <= MAX_ENTRIES && rows * cols <= MAX_ENTRIES) return;
  throw shapeError(where, `${name} must have at most ${MAX_ENTRIES} rows, columns and entries`, `got ${rows}×${cols}`);
}

/**
 * The largest number of objects that one call makes, such as the matrix per head and sequence of attentionWeights. A matrix
 * takes 270 bytes of V8's heap (Node 20); on machines with little memory the heap ends at 2 GiB, and so does the process.
 */
const MAX_OBJECTS = 2 ** 22;

/** To be called before `count` objects are made. */
export function requireCount(where: string, name: string, count: number, limit = MAX_OBJECTS): void {
  if (count > limit) throw shapeError(where, `${name} must be at most ${limit}`, `got ${count}`);
}

function rangeText(low: number, high: number): string {
  const below = high < Number.MAX_SAFE_INTEGER;
  if (low > -Number.MAX_SAFE_INTEGER) return below ? ` from ${low} to ${high}` : ` of at least ${low}`;
  return below ? ` of at most ${high}` : '';
}

export function requireBoolean(where: string, name: string, value: unknown): asserts value is boolean {
  if (typeof value === 'boolean') return;
  throw kindError(where, `${name} must be true or false`, `got ${describe(value)}`);
}

/** The value must be one of a fixed list of words. */
export function requireChoice<T extends string>(
  where: string,
  name: string,
  value: unknown,
  choices: readonly T[],
): asserts value is T {
  if ((choices as readonly unknown[]).includes(value)) return;
  const rule = `${name} must be ${choices.map((choice) => `'${choice}'`).join(' or ')}`;
  if (typeof value === 'string') throw shapeError(where, rule, `got ${describe(value)}`);
  throw kindError(where, rule, `got ${describe(value)}`);
}

/** The value must be an array, a typed array, or anything else with a length and numbered entries. */
export function requireArrayLike(where: string, name: string, value: unknown): asserts value is ArrayLike<unknown> {
  const length = typeof value === 'object' && value !== null ? (value as { length?: unknown }).length : undefined;
  const rule = `${name} must be an array or a typed array`;
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0) {
    throw kindError(where, rule, `got ${describe(value)}`);
  }
  // Nothing is allocated for a length that is only claimed: `new Array(2 ** 31)`, `{ length: 2 ** 40 }`.
  if (length > 0 && !(length - 1 in (value as object))) {
    throw kindError(where, rule, `got length ${length} without entry ${length - 1}`);
  }
  if (length > MAX_ENTRIES) {
    throw shapeError(where, `${name} must have at most ${MAX_ENTRIES} entries`, `got ${length}`);
  }
}
