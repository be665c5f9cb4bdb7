import { describe, kindError, shapeText } from '../core/errors.js';
import type { Floats } from '../kernels/contract.js';

// How a matrix looks as text: for people, with its corners; for JSON, with every number.

interface Table {
  readonly rows: number;
  readonly cols: number;
  readonly data: Floats;
}

/** Rows and columns that are shown at either end; where there are no more than both ends, all of them. */
const SHOWN = 3;
const DIGITS = 4;

/**
 * `Matrix 2×3` and its rows below, columns aligned, four digits per number; of a large one the corners.
 *
 * @param name  of its class
 */
export function pictureOf(name: string, { rows, cols, data }: Table): string {
  const title = `${name} ${shapeText({ rows, cols })}`;
  if (rows === 0 || cols === 0) return title;
  const [shownRows, shownCols] = [ends(rows), ends(cols)];
  const texts = shownRows.map((r) =>
    shownCols.map((c) => (r === undefined ? '⋮' : c === undefined ? '…' : short(data[r * cols + c]))),
  );
  const widths = shownCols.map((_, i) => Math.max(...texts.map((row) => row[i].length)));
  const lines = texts.map((row) => `  ${row.map((text, i) => text.padStart(widths[i])).join('  ')}`);
  return [title, ...lines].join('\n');
}

/** The first and the last places of `count`, undefined between them where some are left out. */
function ends(count: number): (number | undefined)[] {
  const all = Array.from({ length: Math.min(count, 2 * SHOWN) }, (_, i) => i);
  if (count <= 2 * SHOWN) return all;
  const last = all.slice(0, SHOWN).map((i) => count - SHOWN + i);
  return [...all.slice(0, SHOWN), undefined, ...last];
}

function short(x: number): string {
  return Object.is(x, -0) ? '-0' : String(Number(x.toPrecision(DIGITS)));
}

/** Its rows as nested lists; what JSON has no number for, as text: "NaN", "Infinity", "-Infinity", "-0". */
export function jsonRows({ rows, cols, data }: Table): (number | string)[][] {
  const entry = (x: number) => (Number.isFinite(x) && !Object.is(x, -0) ? x : short(x));
  return Array.from({ length: rows }, (_, r) => Array.from(data.subarray(r * cols, (r + 1) * cols), entry));
}

/** What stands for them in JSON. */
const WORDS = ['NaN', 'Infinity', '-Infinity', '-0'];

/** The rows again, numbers only; whatever else stands there is left for the caller to refuse. */
export function rowsFromJson(where: string, text: unknown): unknown {
  if (typeof text !== 'string')
    throw kindError(where, 'text must be a string', `got ${describe(text)}`, 'as JSON.stringify gives it');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw kindError(where, 'text must be JSON', `got ${describe(text)}`);
  }
  const number = (entry: unknown) => (WORDS.includes(entry as string) ? Number(entry) : entry);
  return Array.isArray(value) ? value.map((row) => (Array.isArray(row) ? row.map(number) : row)) : value;
}
