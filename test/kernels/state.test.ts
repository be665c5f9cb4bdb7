import { afterEach, describe, expect, it } from 'vitest';
import {
  capabilities,
  drawSeed,
  kernels,
  parameterArray,
  setKernels,
  setSeed,
  viewOf,
} from '../../src/kernels/state.js';

afterEach(() => {
  setKernels('auto');
  setSeed(0);
});

describe('the chosen kernels', () => {
  it('are the fastest here unless something else is asked for', () => {
    expect(capabilities()).toEqual({ kernels: 'wasm-simd', threads: 1, reasons: [] });
    for (const name of ['reference', 'javascript', 'float64', 'wasm-simd'] as const) {
      setKernels(name);
      expect(kernels().name).toBe(name);
      expect(capabilities().kernels).toBe(name);
    }
    setKernels('reference');
    expect(capabilities().reasons).toEqual(["setKernels('reference') was called"]);
  });

  it('stay as they are when an unknown choice is refused', () => {
    setKernels('javascript');
    expect(() => setKernels('gpu' as never)).toThrow('got "gpu"');
    expect(kernels().name).toBe('javascript');
  });
});

describe('arrays of parameters', () => {
  it('are zeros, in kernel memory only where its kernels are chosen', () => {
    expect(parameterArray(3).buffer).toBeInstanceOf(SharedArrayBuffer);
    expect([...parameterArray(3)]).toEqual([0, 0, 0]);
    setKernels('float64');
    expect(parameterArray(3).buffer).toBeInstanceOf(ArrayBuffer);
  });

  it('are seen through their views', () => {
    const array = parameterArray(4);
    viewOf(array, 1, 3).fill(5);
    expect([...array]).toEqual([0, 5, 5, 0]);
  });
});

describe('the stream of seeds', () => {
  it('starts again where it is told to', () => {
    setSeed(4);
    const first = [drawSeed(), drawSeed()];
    setSeed(4);
    expect([drawSeed(), drawSeed()]).toEqual(first);
    expect(first[0]).not.toBe(first[1]);
    setSeed(5);
    expect(drawSeed()).not.toBe(first[0]);
  });
});
