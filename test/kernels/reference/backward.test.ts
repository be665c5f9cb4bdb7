import { expect, it } from 'vitest';
import { referenceBackward } from '../../../src/kernels/reference/backward.js';

it('referenceBackward computes in whatever arrays it is given', () => {
  const backward = referenceBackward((length) => new Float64Array(length));
  const y = Float64Array.of(0.25, 0.75);
  const dX = backward.softmaxBackward(y, Float64Array.of(1, 0), 1, 2);
  expect(dX).toEqual(Float64Array.of(0.25 * 0.75, 0.75 * -0.25));
});
