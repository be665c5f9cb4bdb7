import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../../support/compare.js';
import { kernelsOf } from '../../../support/kernels.js';

const [wasm, reference] = (['wasm-simd', 'reference'] as const).map(kernelsOf);
const x = Float32Array.from({ length: 5 * 13 }, (_, i) => 4 * Math.sin(i * 78.233));
const gain = x.slice(0, 13);
const bias = x.slice(13, 26);
// A norm of 13 numbers is good to a few roundings: 1e-6 of size 1.
const TOLERANCE = 1e-6;

describe('norms on WASM', () => {
  it('are those of the reference', () => {
    const before = x.slice();
    const norm = { x, rows: 5, cols: 13, gain, bias, epsilon: 1e-5 };
    for (const problem of [norm, { ...norm, gain: undefined }, { ...norm, bias: undefined }]) {
      const [a, b] = [wasm.layerNorm(problem), reference.layerNorm(problem)];
      expectClose(a.out, b.out, TOLERANCE);
      expectClose(a.mean, b.mean, TOLERANCE);
      expectClose(a.inverseStd, b.inverseStd, TOLERANCE);
      expectClose(wasm.rmsNorm(problem).out, reference.rmsNorm(problem).out, TOLERANCE);
      expectClose(wasm.rmsNorm(problem).inverseRms, reference.rmsNorm(problem).inverseRms, TOLERANCE);
    }
    expectSame(x, before);
    expect(wasm.rmsNorm({ x: new Float32Array(0), rows: 0, cols: 3, epsilon: 1 }).out.length).toBe(0);
  });
});
