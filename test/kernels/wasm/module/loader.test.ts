import { describe, expect, it } from 'vitest';
import { gemm } from '../../../../src/kernels/wasm/calls/gemm.js';
import { KernelMemory } from '../../../../src/kernels/wasm/memory/memory.js';
import { loadKernels, whyNoWasm } from '../../../../src/kernels/wasm/module/loader.js';
import { expectSame } from '../../../support/compare.js';
import { replacing } from '../../../support/replacing.js';

const problem = () => ({
  m: 9,
  n: 10,
  k: 11,
  a: Float32Array.from({ length: 99 }, (_, i) => Math.sin(i)),
  b: Float32Array.from({ length: 110 }, (_, i) => Math.cos(i)),
});

describe('loadKernels', () => {
  it('links to shared memory here', () => {
    expect(whyNoWasm()).toBeUndefined();
    expect(new KernelMemory().shared).toBe(true);
  });

  it('says why not where there is no SIMD', () => {
    replacing(
      'validate',
      () => false,
      () => expect(whyNoWasm()).toMatch('no 128-bit SIMD'),
    );
    const refuse = () => {
      throw new Error('blocked by policy');
    };
    replacing('validate', refuse, () => expect(whyNoWasm()).toMatch('blocked by policy'));
  });

  it('computes the same bits in unshared memory, which never grows', () => {
    const { Memory } = WebAssembly;
    class Unshared extends Memory {
      constructor(descriptor: { initial: number; maximum?: number; shared?: boolean }) {
        if (descriptor.shared) throw new TypeError('no shared memory');
        super(descriptor);
      }
    }
    const memory = replacing('Memory', Unshared, () => new KernelMemory(256));
    expect(memory.shared).toBe(false);
    const shared = loadKernels(new KernelMemory());
    expectSame(gemm(loadKernels(memory), problem()), gemm(shared, problem()));
    memory.enter();
    expect(() => memory.reserve(17 << 20)).toThrow('kernel memory must have room');
  });
});
