import { describe, it } from 'vitest';
import { expectClose } from '../../../support/compare.js';
import { kernelsOf } from '../../../support/kernels.js';

const [wasm, reference] = (['wasm-simd', 'reference'] as const).map(kernelsOf);
const x = Float32Array.from({ length: 5 * 13 }, (_, i) => 4 * Math.sin(i * 78.233));
// Two products and a sum: 1e-6 of size 4.
const TOLERANCE = 1e-6;

describe('rotary on WASM', () => {
  it('is that of the reference', () => {
    const angles = Float32Array.from({ length: 10 }, (_, i) => i);
    for (const interleaved of [false, true]) {
      const [cos, sin] = [angles.map(Math.cos), angles.map(Math.sin)];
      const problem = { x, rows: 5, numHeads: 1, headDim: 13, dim: 4, interleaved, cos, sin };
      expectClose(wasm.rotary(problem), reference.rotary(problem), TOLERANCE);
    }
  });
});
