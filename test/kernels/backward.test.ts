import { describe, expect, it } from 'vitest';
import { backwardKernels } from '../../src/kernels/backward.js';
import { withKernels } from '../../src/kernels/state.js';

describe('backwardKernels', () => {
  it('allocate as the forward kernels they belong to', () => {
    const sums = () => backwardKernels().sumRows(Float64Array.of(1, 2), 1, 2);
    expect(withKernels('float64', sums)).toBeInstanceOf(Float64Array);
    expect(withKernels('reference', sums)).toBeInstanceOf(Float32Array);
  });

  it('have every backward also where only some run in WASM', () => {
    const [own, plain] = (['wasm-simd', 'reference'] as const).map((twin) => withKernels(twin, backwardKernels));
    expect(Object.keys(own).sort()).toEqual(Object.keys(plain).sort());
    expect(own.attentionBackward).not.toBe(plain.attentionBackward);
    expect(own.gatherRowsBackward.toString()).toBe(plain.gatherRowsBackward.toString());
  });
});
