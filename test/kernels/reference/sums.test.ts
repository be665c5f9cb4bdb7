import { expect, it } from 'vitest';
import { rounded } from '../../../src/kernels/reference/sums.js';

it('rounds every sum once, into an array of the kernels', () => {
  const sums = Float64Array.of(1 + 2 ** -30, 0.1, -0, Number.NaN, 1e40);
  expect(rounded((n) => new Float32Array(n), sums)).toEqual(Float32Array.from(sums));
  const exact = rounded((n) => new Float64Array(n), sums);
  expect(exact).toEqual(sums);
  expect(exact.buffer).not.toBe(sums.buffer);
});
