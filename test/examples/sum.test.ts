import { Matrix } from 'qkv';
import { describe, expect, it } from 'vitest';
import { Page } from '../../examples/explain/page.js';
import { checkSum, writeSum } from '../../examples/explain/sum.js';

// Two heads of two columns, three tokens.
const v = Matrix.from([
  [1, 2, 10, 20],
  [3, 4, 30, 40],
  [5, 6, 50, 60],
]);
const weights = [0.5, 0.25, 0.25];
const exact = [2.5, 3.5, 25, 35];
const focus = { row: 2, weights, v, dV: 2 };

describe('checkSum', () => {
  it('sums the columns of its head', () => {
    expect(checkSum({ ...focus, head: 0, output: exact })).toMatchObject({
      sum: [2.5, 3.5],
      holds: true,
      difference: 0,
    });
    expect(checkSum({ ...focus, head: 1, output: exact })).toMatchObject({ sum: [25, 35], holds: true, difference: 0 });
  });

  it.each([
    [0, [2.5, 3.5001, 25, 35], false],
    [0, [2.4999, 3.5, 25, 35], false],
    [0, [2.5, 3.5, 99, 99], true],
    [1, [2.5, 3.5, 99, 99], false],
    [0, [Number.NaN, 3.5, 25, 35], false],
    [0, [2.5, Number.NaN, 25, 35], false],
  ])('head %i of %j: %j', (head, output, holds) => {
    expect(checkSum({ ...focus, head, output }).holds).toBe(holds);
  });

  it('reports the entry that fails', () => {
    const { difference, allowed } = checkSum({ ...focus, head: 0, output: [2.5, 4.5, 25, 35] });
    expect(difference).toBe(1);
    expect(allowed).toBe((3 + 8) * 2 ** -24 * 3.5);
  });
});

it('a sum that is not the output is written as such, and reported', () => {
  const page = new Page({ color: false, width: 80 });
  expect(writeSum(page, { ...focus, head: 0, output: exact }, ['a', 'b', 'c'], [0, 1, 2])).toBe(true);
  expect(page.toString()).not.toContain('DIFFERS');
  expect(writeSum(page, { ...focus, head: 0, output: [2, 3, 4, 5] }, ['a', 'b', 'c'], [0, 1, 2])).toBe(false);
  expect(page.toString()).toContain('✗ DIFFERS');
});
