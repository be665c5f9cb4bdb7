import { describe, expect, it } from 'vitest';
import { errorLimit, problemOf, problemOfAnswer, sampleOf, sampleRows } from '../../bench/harness/verify.js';

const UNIT_ROUNDOFF = 2 ** -24;

describe('sampleRows', () => {
  it('takes all of few rows, the ends and some between of many', () => {
    expect(sampleRows(3, 8)).toEqual([0, 1, 2]);
    expect(sampleRows(8, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(sampleRows(512, 8)).toEqual([0, 73, 146, 219, 292, 365, 438, 511]);
    expect(sampleRows(1, 8)).toEqual([0]);
  });
});

describe('errorLimit', () => {
  it('is 4 × the plain error and 16 roundings of the largest entry', () => {
    const exact = Float64Array.of(1, -8, 2);
    expect(errorLimit(exact, Float64Array.of(1, -8, 2))).toBe(16 * UNIT_ROUNDOFF * 8);
    expect(errorLimit(exact, Float64Array.of(1, -8.5, 2.25))).toBe(4 * 0.5 + 16 * UNIT_ROUNDOFF * 8);
  });
});

describe('sampleOf', () => {
  it('evaluates exactly and in float32', () => {
    const third = 1 / 3;
    const sample = sampleOf([5], 1, (_, { round }) => Float64Array.of(round(third)));
    expect(sample.exact[0]).toBe(third);
    expect(sample.limit).toBe(4 * Math.abs(Math.fround(third) - third) + 16 * UNIT_ROUNDOFF * third);
  });
});

describe('problemOf', () => {
  const sample = { rows: [0, 2], cols: 2, exact: Float64Array.of(1, 2, 5, 6), limit: 0.25 };
  const judge = (...numbers: number[]) => problemOf(Float32Array.from(numbers), 3, sample);

  it('accepts what lies within the limit, whatever the other rows hold', () => {
    expect(judge(1, 2, 3, 4, 5, 6)).toBeUndefined();
    expect(judge(1.25, 1.75, -100, 100, 5, 6.25)).toBeUndefined();
  });

  it('names the first entry beyond it', () => {
    expect(judge(1, 2, 3, 4, 5, 6.3)).toMatch(
      /^row 2, column 1 is 6\.3\S*, exactly 6; an error of 2\.5e-1 is allowed$/,
    );
    expect(judge(1, 1.7, 3, 4, 5, 6)).toMatch(/^row 0, column 1 is/);
  });

  it('refuses NaN and infinities anywhere, rows that are not compared included', () => {
    expect(judge(1, Number.NaN, 3, 4, 5, 6)).toBe('row 0, column 1 is NaN');
    expect(judge(1, 2, 3, Number.NaN, 5, 6)).toBe('row 1, column 1 is NaN');
    expect(judge(1, 2, Number.NEGATIVE_INFINITY, 4, 5, 6)).toBe('row 1, column 0 is -Infinity');
  });

  it('accepts nothing when the limit or what is exact is NaN', () => {
    const result = Float32Array.of(1, 2, 3, 4, 5, 6);
    expect(problemOf(result, 3, { ...sample, limit: Number.NaN })).toContain('row 0, column 0');
    const exact = Float64Array.of(1, 2, Number.NaN, 6);
    expect(problemOf(result, 3, { ...sample, exact })).toContain('row 2, column 0');
  });

  it('refuses another size', () => {
    expect(judge(1, 2, 3, 4)).toBe('3×2 numbers expected: got 4');
  });
});

describe('problemOfAnswer', () => {
  const one = (name?: string) => {
    const sample = { rows: [0], cols: 1, exact: Float64Array.of(2), limit: 0.25 };
    return { name, resultRows: 1, sample };
  };
  const two = [one('a'), one('b')];

  it('takes one matrix as it is', () => {
    expect(problemOfAnswer(Float32Array.of(2), [one()])).toBeUndefined();
    expect(problemOfAnswer(Float32Array.of(3), [one()])).toMatch(/^row 0, column 0 is 3/);
  });

  it('names the first of several that is wrong', () => {
    expect(problemOfAnswer([Float32Array.of(2), Float32Array.of(2)], two)).toBeUndefined();
    expect(problemOfAnswer([Float32Array.of(2), Float32Array.of(3)], two)).toMatch(/^b: row 0, column 0 is 3/);
    expect(problemOfAnswer([Float32Array.of(2), Float32Array.of(Number.NaN)], two)).toBe('b: row 0, column 0 is NaN');
  });

  it('refuses another number of them', () => {
    expect(problemOfAnswer([Float32Array.of(2)], two)).toBe('2 matrices expected: got 1');
    expect(problemOfAnswer(Float32Array.of(2), two)).toBe('2 matrices expected: got 1');
    expect(problemOfAnswer([], [one()])).toBe('1 matrices expected: got 0');
  });
});
