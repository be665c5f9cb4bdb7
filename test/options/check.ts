import { expect } from 'vitest';
import type { OptionCase } from '../calls/callable.js';
import { flatten, isSame, outcome } from '../calls/outcome.js';
import { expectClose } from '../support/compare.js';

/**
 * That an option counts. An ignored one makes both calls the same call, and the same call gives the same twice: then what
 * is asked here cannot hold.
 */
export async function checkOption(one: OptionCase, tolerance: number): Promise<void> {
  const label = `${one.key}, use ${one.use}`;
  const having = await outcome(one.with);
  const without = await outcome(one.without);
  expect(isSame(await outcome(one.without), without), `${label}: the same call gives the same twice`).toBe(true);
  expect(without[0] === 'throws', `${label}: without it ${without.slice(0, 2)}`).toBe(one.needed);
  if (one.refused !== undefined) {
    expect(having[0], `${label} is refused`).toBe('throws');
    return;
  }
  expect(having[0] === 'throws', `${label}: with it ${having.slice(0, 2)}`).toBe(false);
  expect(isSame(having, without), `${label}: the results are the same`).toBe(one.unchanged !== undefined);
  if (one.unchanged !== undefined)
    expect((await outcome(one.wrong))[0], `${label}: a wrong value is refused`).toBe('throws');
  if (one.expected !== undefined) expectFlat(having, flatten(one.expected()), tolerance, label);
}

/** Words must be the same, numbers close. */
function expectFlat(got: (number | string)[], expected: (number | string)[], tolerance: number, label: string): void {
  const words = (flat: (number | string)[]) => flat.map((entry) => (typeof entry === 'number' ? '#' : entry));
  const numbers = (flat: (number | string)[]) => flat.filter((entry) => typeof entry === 'number');
  expect(words(got), label).toEqual(words(expected));
  expectClose(numbers(got), numbers(expected), tolerance, label);
}
