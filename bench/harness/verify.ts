import { type Arithmetic, exactly, inFloat32 } from '../contenders/arithmetic.js';
import type { Answer } from './contender.js';

// Every contender is checked before it is timed: a fast wrong answer is no answer.

/** Rows of the result that are compared, all columns of each. */
export interface Sample {
  readonly rows: readonly number[];
  readonly cols: number;
  /** rows.length × cols, computed in float64. */
  readonly exact: Float64Array;
  /** The largest error allowed. */
  readonly limit: number;
}

/** What one matrix of an answer has to be. */
export interface Expected {
  /** Needed where an answer is several matrices. */
  readonly name?: string;
  readonly resultRows: number;
  readonly sample: Sample;
}

const UNIT_ROUNDOFF = 2 ** -24;

/**
 * The error law: 4 × the largest error that plain loops in float32 make on the same rows, plus 16 roundings of the largest
 * entry. The plain loop adds one by one, which is the worst order in use; 4 leaves room for another order and another
 * exp, and the floor for a sample on which the plain loop happens to be exact.
 */
export function errorLimit(exact: Float64Array, plain: Float64Array): number {
  let error = 0;
  let size = 0;
  for (let i = 0; i < exact.length; i++) {
    error = Math.max(error, Math.abs(plain[i] - exact[i]));
    size = Math.max(size, Math.abs(exact[i]));
  }
  return 4 * error + 16 * UNIT_ROUNDOFF * size;
}

/** Evaluates the rows twice, exactly and in float32. */
export function sampleOf(
  rows: readonly number[],
  cols: number,
  evaluate: (rows: readonly number[], arithmetic: Arithmetic) => Float64Array,
): Sample {
  const exact = evaluate(rows, exactly);
  return { rows, cols, exact, limit: errorLimit(exact, evaluate(rows, inFloat32)) };
}

/** All rows if there are at most `most`, else so many at even distances, the first and the last among them. */
export function sampleRows(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.floor((i * (count - 1)) / (most - 1)));
}

/** What is wrong with an answer, or undefined. */
export function problemOfAnswer(answer: Answer, expected: readonly Expected[]): string | undefined {
  const results = Array.isArray(answer) ? answer : [answer];
  if (results.length !== expected.length) return `${expected.length} matrices expected: got ${results.length}`;
  for (const [i, { name, resultRows, sample }] of expected.entries()) {
    const problem = problemOf(results[i], resultRows, sample);
    if (problem !== undefined) return name === undefined ? problem : `${name}: ${problem}`;
  }
  return undefined;
}

/** What is wrong with a result, or undefined. NaN is always wrong, also in rows that are not compared. */
export function problemOf(result: Float32Array, totalRows: number, sample: Sample): string | undefined {
  const { rows, cols, exact, limit } = sample;
  if (!(result instanceof Float32Array)) return 'the result must be a Float32Array';
  if (result.length !== totalRows * cols) return `${totalRows}×${cols} numbers expected: got ${result.length}`;
  const notFinite = result.findIndex((x) => !Number.isFinite(x));
  if (notFinite >= 0) return `row ${Math.floor(notFinite / cols)}, column ${notFinite % cols} is ${result[notFinite]}`;
  for (let r = 0; r < rows.length; r++) {
    for (let c = 0; c < cols; c++) {
      const got = result[rows[r] * cols + c];
      const expected = exact[r * cols + c];
      if (!(Math.abs(got - expected) <= limit)) {
        return `row ${rows[r]}, column ${c} is ${got}, exactly ${expected}; an error of ${limit.toExponential(1)} is allowed`;
      }
    }
  }
  return undefined;
}
