import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  capabilities,
  drawSeed,
  momentArray,
  parameterArray,
  setKernels,
  setSeed,
  table,
  withKernels,
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
      expect(capabilities().kernels).toBe(name);
    }
    setKernels('reference');
    expect(capabilities().reasons).toEqual(["setKernels('reference') was called"]);
  });

  it('stay as they are when an unknown choice is refused', () => {
    setKernels('javascript');
    expect(() => setKernels('gpu' as never)).toThrow('got "gpu"');
    expect(capabilities().kernels).toBe('javascript');
  });

  it('are others for one call, and come back with the choice that made them, also from an error', () => {
    for (const choice of ['auto', 'javascript'] as const) {
      setKernels(choice);
      const before = capabilities();
      expect(withKernels('float64', () => capabilities().kernels)).toBe('float64');
      expect(withKernels('float64', () => table(1))).toBeInstanceOf(Float64Array);
      expect(table(1)).toBeInstanceOf(Float32Array);
      expect(capabilities()).toEqual(before);
      const failing = () => {
        setKernels('reference');
        throw new Error('inside');
      };
      expect(() => withKernels('float64', failing)).toThrow('inside');
      expect(capabilities()).toEqual(before);
      expect(() => withKernels('gpu' as never, () => 1)).toThrow('got "gpu"');
      expect(capabilities()).toEqual(before);
    }
  });
});

describe('arrays of parameters', () => {
  it('are zeros, in kernel memory only where its kernels are chosen', () => {
    expect(parameterArray(3).buffer).toBeInstanceOf(SharedArrayBuffer);
    expect([...parameterArray(3)]).toEqual([0, 0, 0]);
    setKernels('float64');
    expect(parameterArray(3).buffer).toBeInstanceOf(ArrayBuffer);
  });

  it('and of moments, too; ordinary ones where they would take more than half of the memory', () => {
    expect(momentArray(3).buffer).toBeInstanceOf(SharedArrayBuffer);
    expect([...momentArray(3)]).toEqual([0, 0, 0]);
    expect(momentArray(2 ** 28).buffer).toBeInstanceOf(ArrayBuffer); // 1 GiB of nearly 2
    setKernels('javascript');
    expect(momentArray(3).buffer).toBeInstanceOf(ArrayBuffer);
  });
});

/** What the module says when it first looks at an engine that lacks something; `body` runs in that engine. */
async function without<T>(
  missing: 'all' | 'simd' | 'memory' | 'compiling',
  body: (
    state: typeof import('../../src/kernels/state.js'),
    families: typeof import('../../src/kernels/families.js'),
  ) => T,
): Promise<T> {
  vi.resetModules();
  const state = await import('../../src/kernels/state.js');
  const families = await import('../../src/kernels/families.js');
  const refuse = (message: string) =>
    class {
      constructor() {
        throw new Error(message);
      }
    };
  const changed = {
    all: undefined,
    simd: { ...members, validate: () => false },
    memory: { ...members, Memory: refuse('out of memory') },
    compiling: { ...members, Module: refuse('blocked by the content security policy') },
  };
  vi.stubGlobal('WebAssembly', changed[missing]);
  try {
    return body(state, families);
  } finally {
    vi.unstubAllGlobals();
  }
}
const { Memory, Module, Instance, validate } = WebAssembly;
const members = { Memory, Module, Instance, validate };

describe('where the WASM kernels cannot run', () => {
  it.each([
    ['all', 'WebAssembly does not exist here'],
    ['simd', 'WebAssembly has no 128-bit SIMD here'],
    ['memory', 'WebAssembly memory is refused here: out of memory'],
    ['compiling', 'WebAssembly is refused here: blocked by the content security policy'],
  ] as const)('(%s missing) JavaScript computes, and the reason is told', async (missing, reason) => {
    await without(missing, (state, { products }) => {
      expect(state.capabilities()).toEqual({ kernels: 'javascript', threads: 1, reasons: [reason] });
      expect(() => state.setKernels('wasm-simd')).toThrow(
        `setKernels: kernels 'wasm-simd' must be possible here: ${reason} (use 'auto')`,
      );
      expect(state.parameterArray(3).buffer).toBeInstanceOf(ArrayBuffer);
      const identity = Float32Array.of(1, 0, 0, 1);
      expect([...products().gemm({ m: 2, n: 2, k: 2, a: identity, b: identity })]).toEqual([1, 0, 0, 1]);
    });
  });

  it('a parameter made before that was known serves JavaScript', async () => {
    await without('compiling', (state, { products }) => {
      const early = state.parameterArray(1);
      early[0] = 3;
      expect([...products().gemm({ m: 1, n: 1, k: 1, a: early, b: early })]).toEqual([9]);
    });
  });

  it('such a parameter is released like any other, and later ones are ordinary arrays', async () => {
    await without('compiling', (state) => {
      const early = state.parameterArray(1);
      expect(state.capabilities().kernels).toBe('javascript');
      const later = state.parameterArray(1);
      expect([early.buffer, later.buffer].map((buffer) => buffer instanceof ArrayBuffer)).toEqual([false, true]);
      for (const array of [early, later]) state.releaseArray(array);
      expect([...early, ...later]).toEqual([Number.NaN, 0]); // a released one reads NaN; an ordinary one is left alone
    });
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
