import { describe, expect, test } from 'vitest';
import { Matrix } from '../../src/index.js';
import { type Uses, uses } from '../calls/callable.js';
import { flatten, isSame, outcome } from '../calls/outcome.js';
import { checkOption } from './check.js';

interface Options {
  factor?: number;
  inner?: { base?: number };
}

async function check(call: (options: Options) => unknown, table: Partial<Uses<Options>>): Promise<void> {
  for (const one of uses<Options>({}, call, table)('f')) await checkOption(one, 1e-9);
}

describe('an option', () => {
  const used = (o: Options) => Matrix.from([[o.factor ?? 1, o.inner?.base ?? 2]]);
  const factor = (expected?: number) => ({
    factor: [{ value: 3, expected: expected === undefined ? undefined : () => Matrix.from([[expected, 2]]) }],
  });

  test('that counts passes', async () => {
    await check(used, factor());
    await check(used, factor(3));
    await check(used, { 'inner.base': [{ value: 5 }] });
  });

  test('that is ignored fails', async () => {
    await expect(check(() => Matrix.from([[1]]), factor())).rejects.toThrow(/the results are the same/);
    await expect(check(({ factor }) => factor, { 'inner.base': [{ value: 5 }] })).rejects.toThrow(
      /the results are the same/,
    );
  });

  test('that counts wrongly fails', async () => {
    await expect(check(used, factor(4))).rejects.toThrow(/1 of 4 entries differ/);
  });

  test('cannot pass by a call that differs by itself', async () => {
    let calls = 0;
    await expect(check(() => calls++, factor())).rejects.toThrow(/the same twice/);
  });

  test('cannot pass by a call that throws', async () => {
    const refuses = ({ factor }: Options) => {
      if (factor !== undefined) throw new TypeError('no');
    };
    await expect(check(refuses, factor())).rejects.toThrow(/with it throws/);
    await check(refuses, { factor: [{ value: 3, refused: 'shown in this test' }] });
    await expect(check(used, { factor: [{ value: 3, refused: 'shown in this test' }] })).rejects.toThrow(/is refused/);
    await expect(check(used, { factor: [{ value: 3, needed: true }] })).rejects.toThrow(/without it/);
  });

  test('without effect must have none, and be checked', async () => {
    const unchanged = { factor: [{ value: 3, unchanged: 'shown in this test', wrong: -1 }] };
    const checked = ({ factor = 0 }: Options) => {
      if (factor < 0) throw new RangeError('no');
    };
    await check(checked, unchanged);
    await expect(check(used, unchanged)).rejects.toThrow(/the results are the same/);
    await expect(check(() => 1, unchanged)).rejects.toThrow(/a wrong value is refused/);
  });
});

test('outcomes are compared to the bit, shapes too', async () => {
  const same = (a: unknown, b: unknown) => isSame(flatten(a), flatten(b));
  expect(same([Number.NaN], [Number.NaN])).toBe(true);
  expect(same([0], [-0])).toBe(false);
  expect(same([1, 2], [1])).toBe(false);
  expect(same(new Matrix(2, 3), new Matrix(3, 2))).toBe(false);
  expect(same([Matrix.from([[1]])], [Matrix.from([[1 + 2 ** -23]])])).toBe(false);
  expect(same(new Map([['a', 1]]), new Map([['b', 1]]))).toBe(false);
  expect(() => flatten(() => 1)).toThrow(/cannot be compared/);
  expect(await outcome(() => Matrix.from([[Number.NaN]]))).toEqual(['rows', 1, 'cols', 1, 'data', Number.NaN]);
});
