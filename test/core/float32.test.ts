import { expect, test } from 'vitest';
import { fitsFloat32 } from '../../src/core/float32.js';

const LARGEST = (2 - 2 ** -23) * 2 ** 127;
const ROUNDS_UP = (2 - 2 ** -24) * 2 ** 127;

test.each([
  0,
  -0,
  1,
  0.1,
  -0.1,
  2 ** -126,
  -(2 ** -126),
  LARGEST,
  -LARGEST,
  LARGEST * (1 + 1e-9),
  Infinity,
  -Infinity,
  NaN,
])('%d means the same in float32', (x) => expect(fitsFloat32(x)).toBe(true));

test.each([2 ** -126 * 0.999, -1e-40, 1e-46, 5e-324, ROUNDS_UP, -1e39, 1e308])('%d does not', (x) =>
  expect(fitsFloat32(x)).toBe(false),
);
