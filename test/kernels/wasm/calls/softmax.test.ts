import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../../support/compare.js';
import { kernelsOf } from '../../../support/kernels.js';

const [wasm, reference] = (['wasm-simd', 'reference'] as const).map(kernelsOf);
const x = Float32Array.from({ length: 5 * 13 }, (_, i) => 4 * Math.sin(i * 78.233));
// The vector exp is good to 4 roundings: 1e-6 of size 1.
const TOLERANCE = 1e-6;

describe('softmax on WASM', () => {
  it('is that of the reference', () => {
    const before = x.slice();
    expectClose(wasm.softmax(x, 5, 13), reference.softmax(x, 5, 13), TOLERANCE);
    expectSame(x, before);
    expect(wasm.softmax(new Float32Array(0), 0, 4).length).toBe(0);
  });
});
