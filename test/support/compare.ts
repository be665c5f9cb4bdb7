import type { Table } from './tensor.js';

/**
 * Whether |got − expected| / (1 + |expected|) ≤ tolerance: relative for large numbers, absolute for small ones.
 * NaN passes only where NaN is expected, an infinity only where the same one is.
 */
export function isClose(got: number, expected: number, tolerance: number): boolean {
  if (Number.isNaN(expected)) return Number.isNaN(got);
  if (!Number.isFinite(got) || !Number.isFinite(expected)) return got === expected;
  return Math.abs(got - expected) / (1 + Math.abs(expected)) <= tolerance;
}

/** Every entry isClose. Lengths must agree. */
export function expectClose(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  label = 'result',
): void {
  requireTolerance(tolerance);
  const wrong = differences(label, got, expected, (a, b) => isClose(a, b, tolerance));
  if (wrong.length > 0) throw new Error(report(label, got, expected, wrong, (i) => `index ${i}`, tolerance));
}

/** The same for matrices, whose rows and columns must agree, too. */
export function expectTable(got: Table, expected: Table, tolerance: number, label = 'result'): void {
  requireTolerance(tolerance);
  if (got.rows !== expected.rows || got.cols !== expected.cols) {
    throw new Error(`${label}: got ${got.rows}×${got.cols}, expected ${expected.rows}×${expected.cols}`);
  }
  const wrong = differences(label, got.data, expected.data, (a, b) => isClose(a, b, tolerance));
  const place = (i: number) => `row ${Math.floor(i / got.cols)}, column ${i % got.cols}`;
  if (wrong.length > 0) throw new Error(report(label, got.data, expected.data, wrong, place, tolerance));
}

/** Every entry satisfies |got − expected| ≤ relative·|expected| + absolute, for numbers far below 1. */
export function expectRelative(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  relative: number,
  absolute: number,
  label = 'result',
): void {
  requireTolerance(relative);
  requireTolerance(absolute);
  const wrong = differences(label, got, expected, (a, b) => {
    if (!Number.isFinite(a) || !Number.isFinite(b)) return isClose(a, b, 0);
    return Math.abs(a - b) <= relative * Math.abs(b) + absolute;
  });
  if (wrong.length > 0) throw new Error(report(label, got, expected, wrong, (i) => `index ${i}`, relative));
}

/** Every entry is the same number: −0 is not 0, NaN is NaN. */
export function expectSame(got: ArrayLike<number>, expected: ArrayLike<number>, label = 'result'): void {
  const wrong = differences(label, got, expected, Object.is);
  if (wrong.length > 0) throw new Error(report(label, got, expected, wrong, (i) => `index ${i}`, 0));
}

/** With a NaN tolerance every comparison would fail, with an infinite one none: both are mistakes. */
function requireTolerance(tolerance: number): void {
  if (!(tolerance >= 0 && tolerance < 1))
    throw new Error(`a tolerance must be at least 0 and below 1: got ${tolerance}`);
}

function differences(
  label: string,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  agree: (got: number, expected: number) => boolean,
): number[] {
  if (got.length !== expected.length) {
    throw new Error(`${label}: got ${got.length} entries, expected ${expected.length}`);
  }
  const wrong: number[] = [];
  for (let i = 0; i < got.length; i++) if (!agree(got[i], expected[i])) wrong.push(i);
  return wrong;
}

function report(
  label: string,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  wrong: readonly number[],
  place: (index: number) => string,
  tolerance: number,
): string {
  const [i] = wrong;
  const error = Math.abs(got[i] - expected[i]) / (1 + Math.abs(expected[i]));
  const values = `got ${text(got[i])}, expected ${text(expected[i])}`;
  return `${label}: ${wrong.length} of ${got.length} entries differ, first ${place(i)}: ${values}, error ${error}, tolerance ${tolerance}`;
}

function text(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}
