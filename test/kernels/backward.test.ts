import { describe, expect, it } from 'vitest';
import { backwardKernels } from '../../src/kernels/backward.js';
import { float64, reference } from '../../src/kernels/reference/kernels.js';
import { KernelMemory } from '../../src/kernels/wasm/memory/memory.js';
import { loadKernels } from '../../src/kernels/wasm/module/loader.js';

describe('backwardKernels', () => {
  it('allocate as the forward kernels they belong to', () => {
    expect(backwardKernels(float64, undefined).sumRows(Float64Array.of(1, 2), 1, 2)).toBeInstanceOf(Float64Array);
    expect(backwardKernels(reference, undefined).sumRows(Float32Array.of(1, 2), 1, 2)).toBeInstanceOf(Float32Array);
  });

  it('have every backward also where only some run in WASM', () => {
    const runtime = loadKernels(new KernelMemory());
    const [own, plain] = [backwardKernels(reference, runtime), backwardKernels(reference, undefined)];
    expect(Object.keys(own).sort()).toEqual(Object.keys(plain).sort());
    expect(own.attentionBackward).not.toBe(plain.attentionBackward);
  });
});
