import { describe, expect, it } from 'vitest';
import { dropout } from '../../../../src/kernels/wasm/calls/dropout.js';
import { dropoutExports, dropoutModule } from '../../../../src/kernels/wasm/module/dropout.generated.js';
import { expectSame } from '../../../support/compare.js';
import { kernelsOf, newRuntime, withEntries } from '../../../support/kernels.js';

const [wasm, reference] = (['wasm-simd', 'reference'] as const).map(kernelsOf);

describe('dropout on WASM', () => {
  it('drops what the reference drops, and scales the rest by a float32', () => {
    for (const rate of [0, 1e-9, 0.1, 0.5, 0.999, 1]) {
      for (const length of [...Array(70).keys(), 5003]) {
        const given = {
          x: Float32Array.from({ length }, (_, i) => i + 1),
          rate,
          seedLow: 0xfedcba98,
          seedHigh: length,
        };
        const [got, expected] = [wasm.dropout(given), reference.dropout(given)];
        const factor = Math.fround(1 / (1 - rate));
        expectSame(
          got,
          expected.map((y, i) => (y === 0 ? 0 : (i + 1) * factor)),
        );
      }
    }
    const poison = wasm.dropout({ x: new Float32Array(400).fill(Number.NaN), rate: 0.5, seedLow: 1, seedHigh: 0 });
    const kept = poison.filter(Number.isNaN).length;
    expect(poison.filter((y) => Object.is(y, 0)).length).toBe(400 - kept);
    expect(Math.abs(kept - 200)).toBeLessThan(50); // five standard deviations
  });

  it('gives the same bits in whatever order its units run', () => {
    const runtime = newRuntime();
    const given = { x: new Float32Array(5003).fill(1), rate: 0.3, seedLow: 3, seedHigh: 4 };
    const whole = dropout(runtime, given);
    const oneByOne = withEntries(
      runtime,
      dropoutModule,
      dropoutExports,
      ({ drop_entries: entry }) => ({
        drop_entries: (record, x, count, from, to, scratch) => {
          for (let unit = to - 1; unit >= from; unit--) entry(record, x, count, unit, unit + 1, scratch);
        },
      }),
      () => dropout(runtime, given),
    );
    expectSame(oneByOne, whole);
    expect(whole.some((value) => value === 0)).toBe(true);
  });
});
