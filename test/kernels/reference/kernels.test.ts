import { describe, expect, it } from 'vitest';
import { float64, reference } from '../../../src/kernels/reference/kernels.js';

describe('the reference kernels', () => {
  it('compute in arrays of their own kind', () => {
    expect(reference.allocate(2)).toBeInstanceOf(Float32Array);
    expect(float64.allocate(2)).toBeInstanceOf(Float64Array);
    const third = { m: 1, n: 1, k: 1, a: Float64Array.of(1 / 3), b: Float64Array.of(1) };
    expect(reference.gemm(third)[0]).toBe(Math.fround(1 / 3));
    expect(float64.gemm(third)[0]).toBe(1 / 3);
  });

  it('have the same operations under two names', () => {
    expect(Object.keys(reference)).toEqual(Object.keys(float64));
    expect([reference.name, float64.name]).toEqual(['reference', 'float64']);
  });
});
