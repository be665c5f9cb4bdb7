import { describe, expect, it } from 'vitest';
import type { ElementwiseKernels } from '../../../../src/kernels/contract.js';
import { FEW, sum, sumOfBlocks } from '../../../../src/kernels/wasm/calls/sums.js';
import { blockSums } from '../../../../src/kernels/wasm/module/elementwise.generated.js';
import { expectSame } from '../../../support/compare.js';
import { kernelsOf, newRuntime } from '../../../support/kernels.js';

const runtime = newRuntime();
const reference = kernelsOf('reference');
const none = {} as ElementwiseKernels;

/** Partial sums of two lanes each, in blocks: the order that emit/sums.ts states. */
function expected(x: Float32Array): number {
  let total = 0;
  for (let first = 0; first < x.length; first += 4096) {
    const block = x.subarray(first, first + 4096);
    const parts = Array.from({ length: 4 }, () => [0, 0]);
    const whole = block.length - (block.length % 8);
    block.forEach((value, i) => {
      parts[i < whole ? (i >> 1) % 4 : 0][i % 2] += value;
    });
    const [low, high] = [0, 1].map((lane) => parts.map((part) => part[lane]).reduce((a, b) => a + b));
    total += low + high;
  }
  return total;
}

describe('the sum of all entries', () => {
  it.each([0, 1, 7, 8, 9, 255, 256, 257, 263, 264, 4095, 4096, 4097, 8192, 12_345])(
    'of %i: in blocks, each in partial sums, in float64; of a resident array, too',
    (length) => {
      const x = Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * 78.233) * 10 ** (i % 9));
      const resident = runtime.memory.residentArray(length);
      resident.set(x);
      expect(sumOfBlocks(runtime, blockSums, x)).toBe(expected(x));
      expect(sumOfBlocks(runtime, blockSums, resident)).toBe(expected(x));
      expect(sumOfBlocks(runtime, blockSums, x, 2 ** 60)).not.toBe(expected(x));
    },
  );

  it('is rounded once', () => {
    const x = new Float32Array(1000).fill(1);
    x[0] = 2 ** 24;
    expectSame(sum(runtime, x, none), [2 ** 24 + 1000]);
    expectSame(sum(runtime, x.fill(3e38), none), [Number.POSITIVE_INFINITY]);
  });

  it('keeps NaN and infinities, and has no −0', () => {
    const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: minus } = Number;
    const of = (...values: number[]) => {
      const x = new Float32Array(5000).fill(-0);
      values.forEach((value, i) => {
        x[4999 - i * 4500] = value;
      });
      return sum(runtime, x, none)[0];
    };
    expectSame([of(), of(nan), of(infinity), of(minus), of(infinity, minus)], [0, nan, infinity, minus, nan]);
  });

  it('is left to the reference: few entries, and 64 bits', () => {
    expectSame(sum(runtime, new Float32Array(FEW - 1).fill(1), reference), [FEW - 1]);
    const exact = new Float64Array(FEW);
    exact.set([2 ** 25 + 1, -(2 ** 25)]); // in float32 these add up to 0
    expectSame(sum(runtime, exact, reference), [1]);
    expect(() => sum(runtime, new Float32Array(FEW), none)).not.toThrow();
  });
});
