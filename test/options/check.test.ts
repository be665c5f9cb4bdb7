import { describe, expect, test } from 'vitest';
import { Matrix } from '../../src/index.js';
import { flatten, isSame, outcome, place, type Uses } from './case.js';
import { checkOption } from './check.js';

interface Options {
  factor?: number;
  inner?: { base?: number };
}

function check(call: (options: Options) => unknown, uses: Partial<Uses<Options>>): void {
  for (const one of place<Options>('f', {}, call, uses)) checkOption(one, 1e-9);
}

describe('an option', () => {
  const used = (o: Options) => Matrix.from([[o.factor ?? 1, o.inner?.base ?? 2]]);
  const factor = (expected?: number) => ({
    factor: [{ value: 3, expected: expected === undefined ? undefined : () => Matrix.from([[expected, 2]]) }],
  });

  test('that counts passes', () => {
    check(used, factor());
    check(used, factor(3));
    check(used, { 'inner.base': [{ value: 5 }] });
  });

  test('that is ignored fails', () => {
    expect(() => check(() => Matrix.from([[1]]), factor())).toThrow(/the results are the same/);
    expect(() => check(({ factor }) => factor, { 'inner.base': [{ value: 5 }] })).toThrow(/the results are the same/);
  });

  test('that counts wrongly fails', () => {
    expect(() => check(used, factor(4))).toThrow(/1 of 4 entries differ/);
  });

  test('cannot pass by a call that differs by itself', () => {
    let calls = 0;
    expect(() => check(() => calls++, factor())).toThrow(/the same twice/);
  });

  test('cannot pass by a call that throws', () => {
    const refuses = ({ factor }: Options) => {
      if (factor !== undefined) throw new TypeError('no');
    };
    expect(() => check(refuses, factor())).toThrow(/with it throws/);
    check(refuses, { factor: [{ value: 3, refused: 'shown in this test' }] });
    expect(() => check(used, { factor: [{ value: 3, refused: 'shown in this test' }] })).toThrow(/is refused/);
    expect(() => check(used, { factor: [{ value: 3, needed: true }] })).toThrow(/without it/);
  });

  test('without effect must have none, and be checked', () => {
    const unchanged = { factor: [{ value: 3, unchanged: 'shown in this test', wrong: -1 }] };
    const checked = ({ factor = 0 }: Options) => {
      if (factor < 0) throw new RangeError('no');
    };
    check(checked, unchanged);
    expect(() => check(used, unchanged)).toThrow(/the results are the same/);
    expect(() => check(() => 1, unchanged)).toThrow(/a wrong value is refused/);
  });
});

test('outcomes are compared to the bit, shapes too', () => {
  const same = (a: unknown, b: unknown) => isSame(flatten(a), flatten(b));
  expect(same([Number.NaN], [Number.NaN])).toBe(true);
  expect(same([0], [-0])).toBe(false);
  expect(same([1, 2], [1])).toBe(false);
  expect(same(new Matrix(2, 3), new Matrix(3, 2))).toBe(false);
  expect(same([Matrix.from([[1]])], [Matrix.from([[1 + 2 ** -23]])])).toBe(false);
  expect(same(new Map([['a', 1]]), new Map([['b', 1]]))).toBe(false);
  expect(() => flatten(() => 1)).toThrow(/cannot be compared/);
  expect(outcome(() => Matrix.from([[Number.NaN]]))).toEqual(['rows', 1, 'cols', 1, 'data', Number.NaN]);
});
