import { describe, expect, it } from 'vitest';
import { gemm as javascript } from '../../../src/kernels/javascript/gemm.js';
import { gemm as reference } from '../../../src/kernels/reference/gemm.js';
import { fc } from '../../support/property.js';

const allocate = (length: number) => new Float32Array(length);
const size = fc.integer({ min: 0, max: 13 });

const gemms = { reference, javascript };

describe.each(Object.entries(gemms))('gemm, %s', (_, gemm) => {
  it('is op(A) · op(B), rounded once', () => {
    fc.assert(
      fc.property(size, size, size, fc.boolean(), fc.boolean(), (m, n, k, transposeA, transposeB) => {
        const entry = (i: number) => Math.fround(Math.sin(i * 12.9898) * 5);
        const a = Float32Array.from({ length: m * k }, (_, i) => entry(i));
        const b = Float32Array.from({ length: k * n }, (_, i) => entry(i + 1000));
        const got = gemm(allocate, { m, n, k, a, b, transposeA, transposeB });
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let p = 0; p < k; p++) {
              sum += a[transposeA ? p * m + i : i * k + p] * b[transposeB ? j * k + p : p * n + j];
            }
            expect(got[i * n + j] + 0).toBe(Math.fround(sum) + 0); // + 0: −0 is 0
          }
        }
      }),
    );
  });

  it('sums k ascending', () => {
    // 1e20 swallows a 1 that is added to it: only in this order does the 1 survive.
    const b = Float64Array.of(1, 1, 1);
    const sum = (...a: number[]) => [...gemm(allocate, { m: 1, n: 1, k: 3, a: Float64Array.from(a), b })];
    expect([sum(1e20, -1e20, 1), sum(1, 1e20, -1e20)]).toEqual([[1], [0]]);
  });

  it('lets NaN of A and B through', () => {
    const problem = { m: 1, n: 1, k: 2, a: Float32Array.of(0, Number.NaN), b: Float32Array.of(1, 0) };
    expect([...gemm(allocate, problem)]).toEqual([Number.NaN]);
  });
});
