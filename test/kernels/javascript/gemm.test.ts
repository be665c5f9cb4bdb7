import { describe, expect, it } from 'vitest';
import { gemm } from '../../../src/kernels/javascript/gemm.js';
import { gemm as reference } from '../../../src/kernels/reference/gemm.js';
import { expectSame } from '../../support/compare.js';
import { fc } from '../../support/property.js';

const allocate = (length: number) => new Float32Array(length);
const size = fc.integer({ min: 0, max: 70 });

// Its other laws are tested beside the reference's.
describe('gemm in JavaScript', () => {
  it('sums in the order of the reference: the same bits at every size and transpose', () => {
    fc.assert(
      fc.property(size, size, size, fc.boolean(), fc.boolean(), (m, n, k, transposeA, transposeB) => {
        const a = Float32Array.from({ length: m * k }, (_, i) => Math.sin(i * 12.9898));
        const b = Float32Array.from({ length: k * n }, (_, i) => Math.cos(i * 78.233));
        const problem = { m, n, k, a, b, transposeA, transposeB };
        expectSame(gemm(allocate, problem), reference(allocate, problem));
      }),
      { numRuns: 60 },
    );
  });

  it('reads nothing past its operands', () => {
    const poisoned = new Float32Array(100).fill(Number.NaN);
    const [a, b] = [poisoned.subarray(5, 20).fill(1), poisoned.subarray(40, 55).fill(1)];
    const got = gemm(allocate, { m: 3, n: 3, k: 5, a, b });
    expect([...got]).toEqual(Array(9).fill(5));
  });
});
