import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/index.js';
import { grammarFault, names } from './grammar.js';

describe('the grammar', () => {
  test.each([
    'matmul: inner dimensions must agree: a is 12×64, b is 32×64 (pass transposeB: true for a · bᵀ)',
    'attention: cuSeqlens must start at 0, never decrease and end at 24 rows: got [0, 10, 30], entry 2 is 30',
    'MultiHeadAttention.rope: dim must be even: got 3',
    'f: every option must be known: got "a: () b" (did you mean ab?)',
    "Linear.loadStateDict: W must be { dtype: 'F32', shape, data: Float32Array }: got dtype null",
  ])('takes %s', (message) => {
    expect(grammarFault(new ShapeError(message))).toBeUndefined();
    expect(grammarFault(new TypeError(message))).toBeUndefined();
  });

  test.each([
    "Cannot read properties of undefined (reading 'rows')",
    'Invalid typed array length: 1e+18',
    'x.forEach is not a function',
    'matmul: other must be a Matrix',
    'matmul: other must be a Matrix: ',
    'matmul: other is no Matrix: got 3',
    ': rows must be a number: got null',
    '.train: on must be true or false: got 1',
    'two words: rows must be a number: got null',
    'Matrix: rows must be\na number: got null',
    'Matrix: rows must be a number: got null ()',
    'Matrix: rows must be a number: got null ',
    'Matrix: x is odd: got "it must: hold"',
    'Matrix: x must be 1×2: got NaN×2',
    'Matrix: x must be a Matrix: got [object Object]',
  ])('refuses %s', (message) => {
    expect(grammarFault(new ShapeError(message))).toBeDefined();
    expect(grammarFault(new TypeError(message))).toBeDefined();
  });

  test('refuses every other class and what is no error', () => {
    const message = 'Matrix: rows must be a number: got null';
    class Other extends TypeError {}
    for (const error of [new RangeError(message), new Error(message), new SyntaxError(message), new Other(message)]) {
      expect(grammarFault(error)).toBeDefined();
    }
    for (const thrown of [undefined, null, message, { message }]) expect(grammarFault(thrown)).toBeDefined();
  });
});

test('a name is a whole word', () => {
  expect(names('Linear: W must fit: got 2', 'W')).toBe(true);
  expect(names('f: cuSeqlensK must fit: got 2', 'cuSeqlens')).toBe(false);
  expect(names('f: numKvHeads must fit: got 2', 'numHeads')).toBe(false);
  expect(names('f: heads[0] must fit: got 2', 'heads')).toBe(true);
});
