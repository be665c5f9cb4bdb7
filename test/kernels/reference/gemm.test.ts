import { describe, expect, it } from 'vitest';
import { gemm as javascript } from '../../../src/kernels/javascript/gemm.js';
import { gemm as reference } from '../../../src/kernels/reference/gemm.js';
import { fc } from '../../support/property.js';

const allocate = (length: number) => new Float32Array(length);
const size = fc.integer({ min: 0, max: 13 });

const gemms = { reference, javascript };

describe.each(Object.entries(gemms))('gemm, %s', (_, gemm) => {
  it('is alpha · op(A) · op(B) + beta · C, rounded once', () => {
    fc.assert(
      fc.property(
        size,
        size,
        size,
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(1, -2, 0),
        fc.constantFrom(0, 1, 0.5),
        (m, n, k, transposeA, transposeB, alpha, beta) => {
          const entry = (i: number) => Math.fround(Math.sin(i * 12.9898) * 5);
          const a = Float32Array.from({ length: m * k }, (_, i) => entry(i));
          const b = Float32Array.from({ length: k * n }, (_, i) => entry(i + 1000));
          const c = Float32Array.from({ length: m * n }, (_, i) => entry(i + 2000));
          const got = gemm(allocate, { m, n, k, a, b, transposeA, transposeB, alpha, beta, c: c.slice() });
          for (let i = 0; i < m; i++) {
            for (let j = 0; j < n; j++) {
              let sum = 0;
              for (let p = 0; p < k; p++) {
                sum += a[transposeA ? p * m + i : i * k + p] * b[transposeB ? j * k + p : p * n + j];
              }
              const exact = alpha * sum + (beta === 0 ? 0 : beta * c[i * n + j]);
              expect(got[i * n + j] + 0).toBe(Math.fround(exact) + 0); // + 0: −0 is 0
            }
          }
        },
      ),
    );
  });

  it('sums k ascending', () => {
    // 1e20 swallows a 1 that is added to it: only in this order does the 1 survive.
    const b = Float64Array.of(1, 1, 1);
    const sum = (...a: number[]) => [...gemm(allocate, { m: 1, n: 1, k: 3, a: Float64Array.from(a), b })];
    expect([sum(1e20, -1e20, 1), sum(1, 1e20, -1e20)]).toEqual([[1], [0]]);
  });

  it('overwrites NaN with beta = 0, multiplies it otherwise', () => {
    const problem = { m: 1, n: 1, k: 1, a: Float32Array.of(2), b: Float32Array.of(3) };
    expect([...gemm(allocate, { ...problem, c: Float32Array.of(Number.NaN) })]).toEqual([6]);
    expect([...gemm(allocate, { ...problem, beta: 1, c: Float32Array.of(Number.NaN) })]).toEqual([Number.NaN]);
  });

  it('writes the C it is given, or a new one', () => {
    const c = new Float32Array(1);
    const problem = { m: 1, n: 1, k: 1, a: Float32Array.of(2), b: Float32Array.of(3) };
    expect(gemm(allocate, { ...problem, c })).toBe(c);
    expect(gemm(allocate, problem)).not.toBe(c);
  });

  it('lets NaN of A and B through, alpha = 0 too', () => {
    const problem = { m: 1, n: 1, k: 2, a: Float32Array.of(0, Number.NaN), b: Float32Array.of(1, 0), alpha: 0 };
    expect([...gemm(allocate, problem)]).toEqual([Number.NaN]);
  });
});
