import { describe, expect, it } from 'vitest';
import { gemm } from '../../../../src/kernels/wasm/calls/products.js';
import { KernelMemory } from '../../../../src/kernels/wasm/memory/memory.js';
import {
  attentionBackwardExports,
  attentionBackwardModule,
} from '../../../../src/kernels/wasm/module/attention-backward.generated.js';
import { entriesOf, whyNoModules, whyNoWasm } from '../../../../src/kernels/wasm/module/launch.js';
import { productsModule } from '../../../../src/kernels/wasm/module/products.generated.js';
import { expectSame } from '../../../support/compare.js';
import { newRuntime } from '../../../support/kernels.js';
import { replacing } from '../../../support/replacing.js';

const problem = () => ({
  m: 9,
  n: 10,
  k: 11,
  a: Float32Array.from({ length: 99 }, (_, i) => Math.sin(i)),
  b: Float32Array.from({ length: 110 }, (_, i) => Math.cos(i)),
});

describe('launching', () => {
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

  it('says why not where modules cannot be compiled', () => {
    expect(whyNoModules()).toBeUndefined();
    class Refusing {
      constructor() {
        throw new Error('blocked by policy');
      }
    }
    replacing('Module', Refusing as never, () => {
      expect(whyNoModules()).toBe('WebAssembly is refused here: blocked by policy');
      expect(whyNoWasm()).toBeUndefined(); // asks without compiling
    });
  });

  it('says why not where an engine compiles only small modules', () => {
    const { Module } = WebAssembly;
    class Limited extends Module {
      constructor(bytes: Uint8Array<ArrayBuffer>) {
        if (bytes.length > 4096) throw new RangeError('too large');
        super(bytes);
      }
    }
    replacing('Module', Limited as never, () => {
      expect(whyNoModules()).toBe('WebAssembly is refused here: too large');
    });
  });

  it('compiles a module once for a memory, with those it needs, also where two memories take turns', () => {
    const [runtime, other] = [newRuntime(), newRuntime()];
    const entries = entriesOf(runtime, attentionBackwardModule);
    const { attention_backward, attention_key_gradients, attention_query_gradients } = attentionBackwardExports;
    expect(Object.keys(entries)).toEqual([attention_backward, attention_key_gradients, attention_query_gradients]);
    expect(entriesOf(runtime, attentionBackwardModule)).toBe(entries);
    expect(productsModule.linked?.runtime).toBe(runtime);
    const others = entriesOf(other, attentionBackwardModule);
    expect(others).not.toBe(entries);
    const products = productsModule.linked?.entries;
    for (let turn = 0; turn < 3; turn++) {
      expect(entriesOf(runtime, attentionBackwardModule)).toBe(entries);
      expect(entriesOf(other, attentionBackwardModule)).toBe(others);
      expect(entriesOf(other, productsModule)).toBe(products);
    }
  });

  it('keeps the linkings of a memory with it, not with the module', () => {
    const runtime = newRuntime();
    const product = gemm(runtime, problem());
    expect([...(runtime.linked?.keys() ?? [])]).toEqual([productsModule]);
    expectSame(gemm(newRuntime(), problem()), product);
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
    expectSame(gemm({ memory }, problem()), gemm({ memory: new KernelMemory() }, problem()));
    memory.enter();
    expect(() => memory.reserve(17 << 20)).toThrow('kernel memory must have room');
  });
});
