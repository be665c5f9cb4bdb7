import { join } from 'node:path';
import { setKernels } from 'qkv';
import { afterEach, describe, expect, it } from 'vitest';
import { gemm } from '../../../../src/kernels/wasm/calls/products.js';
import { KernelMemory } from '../../../../src/kernels/wasm/memory/memory.js';
import { Matrix } from '../../../../src/matrix/matrix.js';
import { Parameter } from '../../../../src/matrix/parameter.js';
import { Linear } from '../../../../src/nn/layers/linear.js';
import { requireBuilt } from '../../../support/built.js';
import { node } from '../../../support/processes.js';
import { replacing } from '../../../support/replacing.js';
import { projectRoot } from '../../../support/source-modules.js';

afterEach(() => setKernels('auto'));

/** Runs a module against the built package, with the collector at hand. */
function withCollector(body: string): string {
  const source = `import { Adam, Linear, Matrix, Parameter, setKernels, valueAndGrad } from ${JSON.stringify(join(projectRoot, 'dist/index.js'))};
    const turn = () => new Promise((resolve) => setTimeout(resolve));
    ${body}`;
  const { code, stdout, stderr } = node(['--expose-gc', '--input-type=module', '-e', source], projectRoot);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

describe('KernelMemory', () => {
  it('hands a resident array to the kernels where it lies, any other as a copy', () => {
    const memory = new KernelMemory();
    memory.enter();
    const resident = memory.residentArray(5);
    expect(memory.copyIn(resident)).toBe(resident.byteOffset);
    expect(memory.copyIn(resident.subarray(2))).toBe(resident.byteOffset + 8);
    const plain = Float32Array.of(1, 2, 3);
    expect([...memory.copyOut(memory.copyIn(plain), 3)]).toEqual([1, 2, 3]);
    expect([...memory.copyOut(memory.copyIn(Float64Array.of(0.1)), 1)]).toEqual([Math.fround(0.1)]);
  });

  it('knows its arrays also where the engine has exchanged memory.buffer for an equal object', () => {
    const memory = new KernelMemory();
    // V8 does so some time after another memory of the process has grown.
    Object.defineProperty(memory.memory, 'buffer', { value: new SharedArrayBuffer(1 << 20) });
    memory.enter();
    const resident = memory.residentArray(5).fill(3);
    expect(memory.copyIn(resident)).toBe(resident.byteOffset);
    expect([...memory.copyOut(resident.byteOffset, 5)]).toEqual([3, 3, 3, 3, 3]);
  });

  it('keeps its views and addresses when it grows', () => {
    const memory = new KernelMemory();
    memory.enter();
    const before = memory.memory.buffer.byteLength;
    const resident = memory.residentArray(3);
    resident.set([1, 2, 3]);
    const held = memory.copyIn(Float32Array.of(4, 5));
    memory.reserve(before * 2);
    expect(memory.memory.buffer.byteLength).toBeGreaterThan(before);
    expect([...resident]).toEqual([1, 2, 3]);
    expect([...memory.copyOut(held, 2)]).toEqual([4, 5]);
    expect(memory.copyIn(resident)).toBe(resident.byteOffset);
    const later = memory.residentArray(3);
    expect(later.buffer).not.toBe(resident.buffer);
    expect(memory.copyIn(later)).toBe(later.byteOffset);
  });

  it('copies out into ordinary memory', () => {
    const memory = new KernelMemory();
    memory.enter();
    expect(memory.copyOut(memory.reserve(16), 4).buffer).toBeInstanceOf(ArrayBuffer);
  });

  it('is full with a clear error, and usable afterwards', () => {
    const memory = new KernelMemory(200); // pages: 12.5 MiB
    memory.residentArray(1 << 20);
    expect(() => memory.residentArray(1 << 22)).toThrow(
      'Parameter: kernel memory must have room for 16777216 bytes: 1 live parameters hold 4194304 bytes, 0 live caches 0 ' +
        '(release() those of no more use; dropped ones count until the event loop has turned, which await null does not ' +
        'make it do, but await new Promise((resolve) => setTimeout(resolve)) does)',
    );
    for (let i = 0; i < 4; i++) memory.residentArray(1 << 10, 'KVCache');
    expect(() => memory.residentArray(1 << 22, 'KVCache')).toThrow(
      'KVCache: kernel memory must have room for 16777216 bytes: 1 live parameters hold 4194304 bytes, 2 live caches 16384 (',
    );
    memory.enter();
    expect(() => memory.reserve(1 << 24)).toThrow(RangeError);
    memory.enter();
    expect([...memory.copyOut(memory.copyIn(Float32Array.of(7)), 1)]).toEqual([7]);
    expect(memory.residentArray(4).length).toBe(4);
  });

  it('holds moments while they leave others half of it, and says what they take', () => {
    const memory = new KernelMemory(200); // pages: 12.5 MiB
    const moment = memory.momentArray(1 << 20);
    expect(moment?.length).toBe(1 << 20);
    expect(moment?.every((x) => x === 0)).toBe(true);
    expect(memory.momentArray(1 << 20)).toBeUndefined(); // 8 of 12.5
    expect(memory.momentArray(1 << 18)?.length).toBe(1 << 18);
    memory.enter();
    const at = memory.reserve(1 << 20);
    expect(memory.momentArray(1 << 18)).toBeUndefined(); // what a call takes counts, too
    expect(memory.reserve(64)).toBeGreaterThan(at);
    expect(() => memory.residentArray(1 << 22)).toThrow(
      '0 live parameters hold 0 bytes, 0 live caches 0, the moments of optimizers 5242880 (release()',
    );
  });

  it('copies back, and shows doubles, where they lie', () => {
    const memory = new KernelMemory();
    memory.enter();
    const at = memory.copyIn(Float32Array.of(1, 2, 3));
    const [ordinary, exact] = [new Float32Array(2), new Float64Array(3)];
    memory.copyTo(ordinary, at);
    memory.copyTo(exact, at);
    expect([[...ordinary], [...exact]]).toEqual([
      [1, 2],
      [1, 2, 3],
    ]);
    const doubles = memory.doublesAt(memory.reserve(16), 2);
    doubles.set([1 / 3, 2 / 3]);
    expect([...memory.doublesAt(doubles.byteOffset, 2)]).toEqual([1 / 3, 2 / 3]);
  });

  it('refuses what passes 32 bits, and leaves the parameters alone', () => {
    const memory = new KernelMemory(400);
    memory.enter();
    memory.reserve(64);
    for (const bytes of [2 ** 31 - 127, 2 ** 31, 2 ** 32 - 64, 2 ** 32, 2 ** 32 + 1000, 2 ** 33]) {
      expect(() => memory.reserve(bytes), String(bytes)).toThrow('kernels: kernel memory must have room for');
    }
  });

  it('starts a call where parameters lie between the blocks of the last one', () => {
    const memory = new KernelMemory(200); // 12.5 MiB: blocks of 3 and 4 MiB fit, 7 in one piece do not
    memory.enter();
    memory.reserve(3 << 20);
    memory.residentArray((3 << 20) / 4);
    memory.reserve((4 << 20) - 1000);
    memory.residentArray((3 << 19) / 4);
    memory.enter();
    expect(memory.reserve(64)).toBeGreaterThan(0);
  });

  it('gives zeros where a call has written before', () => {
    const memory = new KernelMemory();
    memory.enter();
    const huge = new Float32Array(20 << 20).fill(Number.NaN);
    memory.copyIn(huge);
    memory.enter(); // the call before used it all: kept
    memory.enter(); // this one used nothing: given back
    const resident = memory.residentArray(1000);
    expect(resident.every((value) => value === 0)).toBe(true);
  });

  it('keeps parameters whole when a call asks for more than there is', () => {
    const runtime = { memory: new KernelMemory(1000) };
    runtime.memory.enter();
    runtime.memory.reserve(4); // so that the arena lies before the parameter
    const parameter = runtime.memory.residentArray(1 << 20).fill(3);
    const side = new Float32Array(32768).fill(7);
    // 32768² floats: 4 GiB, 2^32 bytes.
    expect(() => gemm(runtime, { m: 32768, n: 32768, k: 1, a: side, b: side })).toThrow('must have room');
    expect(parameter.every((x) => x === 3)).toBe(true);
  });

  it('gives the room of an arena nobody uses to a parameter, or to a larger block', () => {
    const memory = new KernelMemory(2048); // 128 MiB
    memory.enter();
    memory.reserve(60 << 20);
    memory.enter();
    memory.reserve(100 << 20);
    expect(memory.residentArray(20 << 20).length).toBe(20 << 20); // 80 MiB
    memory.enter();
    memory.reserve(30 << 20);
    expect(memory.liveBytes).toBeLessThan(111 << 20);
  });

  it('reserves less where the engine refuses so much, and grows within it', () => {
    const { Memory } = WebAssembly;
    const asked: unknown[] = [];
    class Narrow extends Memory {
      constructor(descriptor: { initial: number; maximum?: number; shared?: boolean }) {
        asked.push(descriptor.maximum);
        if (Number(descriptor.maximum) > 8192) throw new RangeError('could not allocate memory');
        super(descriptor);
      }
    }
    const memory = replacing('Memory', Narrow, () => new KernelMemory());
    expect(asked).toEqual([32767, 16384, 8192]);
    expect(memory.shared).toBe(true);
    memory.enter();
    memory.reserve(100 << 20);
    expect(() => memory.reserve(500 << 20)).toThrow('must have room');
  });

  it('uses one arena again and again, and gives back a huge one that is no longer needed', () => {
    const memory = new KernelMemory();
    for (let call = 0; call < 100; call++) {
      memory.enter();
      memory.reserve(1 << 20);
      memory.reserve(3 << 20);
    }
    const usual = memory.liveBytes;
    expect(usual).toBeLessThan(16 << 20);
    memory.enter();
    memory.reserve(100 << 20);
    memory.enter();
    memory.reserve(1000);
    memory.enter();
    memory.reserve(1000);
    expect(memory.liveBytes).toBeLessThanOrEqual(usual);
  });
});

describe('KernelMemory.release', () => {
  it('gives the memory of a cache to the next one, and of a parameter in the end', () => {
    const memory = new KernelMemory(200); // 12.5 MiB
    for (let i = 0; i < 100; i++) memory.release(memory.residentArray(1 << 20, 'KVCache'));
    expect(memory.memory.buffer.byteLength).toBeLessThan(10 << 20);
    for (let i = 0; i < 100; i++) memory.release(memory.residentArray(1 << 20));
    expect(memory.liveBytes).toBeLessThan(13 << 20);
    expect(memory.residentArray(5 << 19).every((x) => x === 0)).toBe(true); // 10 MiB: nothing is left of them
  });

  it('keeps at most 64 MiB of released parameters from others', () => {
    const memory = new KernelMemory();
    for (let i = 0; i < 100; i++) {
      memory.release(memory.residentArray(1 << 20));
      expect(memory.liveBytes).toBeLessThan((64 << 20) + 200 * 64);
    }
    expect(memory.liveBytes).toBeGreaterThan(60 << 20);
    const mine = memory.residentArray(1 << 20).fill(3);
    for (let i = 0; i < 40; i++) memory.release(memory.residentArray(1 << 20));
    expect(mine.every((x) => x === 3)).toBe(true);
  });

  it('makes a parameter NaN to whoever still holds it, and gives its memory to nobody at once', () => {
    const memory = new KernelMemory();
    const array = memory.residentArray(1000).fill(5);
    memory.release(array);
    for (let i = 0; i < 50; i++) memory.residentArray(1000).fill(7);
    expect(array.every(Number.isNaN)).toBe(true);
  });

  it('leaves views what they show', () => {
    const memory = new KernelMemory(200);
    const array = memory.residentArray(1 << 19).fill(5);
    const view = array.subarray(3, 1000);
    memory.release(array);
    memory.release(array);
    expect(() => {
      for (;;) memory.residentArray(1 << 10).fill(7);
    }).toThrow('must have room');
    expect(view.every((x) => x === 5)).toBe(true);
    expect(array.every((x) => x === 5)).toBe(true);
  });

  it('does nothing twice, to views, or to arrays of other memories', () => {
    const [memory, other] = [new KernelMemory(), new KernelMemory()];
    const [a, b] = [memory.residentArray(100, 'KVCache'), other.residentArray(100, 'KVCache')];
    memory.release(a);
    const next = memory.residentArray(100, 'KVCache').fill(2); // where a was
    expect(next.byteOffset).toBe(a.byteOffset);
    const live = memory.liveBytes;
    memory.release(next.subarray(1));
    memory.release(b);
    expect(memory.liveBytes).toBe(live);
  });

  it('is not followed by the collector: what lies there now stays', { timeout: 60_000 }, () => {
    requireBuilt();
    const out = withCollector(`
      const size = () => new Parameter(1, 1).data.buffer.byteLength;
      const make = () => { for (let i = 0; i < 80; i++) new Parameter(1, 1 << 18).release(); };
      make();
      const kept = Array.from({ length: 80 }, (_, i) => new Parameter(1, 1 << 18, new Float32Array(1 << 18).fill(i)));
      const before = size();
      for (let i = 0; i < 5; i++) { globalThis.gc(); await turn(); }
      for (let i = 0; i < 80; i++) new Parameter(1, 1 << 18);
      console.log(kept.every(({ data }, i) => data.every((x) => x === i)), before < 200e6);`);
    expect(out).toBe('true true');
  });
});

describe('a Parameter in kernel memory', () => {
  it('is a copy, and shared memory where the kernels can read it', () => {
    const data = Float32Array.of(1, 2);
    const parameter = new Parameter(1, 2, data);
    data[0] = 9;
    expect([...parameter.data]).toEqual([1, 2]);
    expect(parameter.data.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('gives ordinary arrays from clone, stateDict and slices', () => {
    const layer = new Linear(2, 2, { seed: 1 });
    expect(layer.W.clone().data.buffer).toBeInstanceOf(ArrayBuffer);
    expect(layer.W.sliceRows(0, 1).data.buffer).toBeInstanceOf(ArrayBuffer);
    expect(layer.stateDict().get('W')?.data.buffer).toBeInstanceOf(ArrayBuffer);
  });

  it('shows a direct write to the very next operation, at every number of rows', () => {
    for (const rows of [1, 2, 3, 8, 40, 100]) {
      const weight = new Parameter(16, 16);
      const x = Matrix.randomNormal(rows, 16, { seed: 1 });
      expect(x.matmul(weight).data.every((value) => value === 0)).toBe(true);
      weight.data[5] = 2; // entry (0, 5)
      const product = x.matmul(weight);
      expect(product.get(rows - 1, 5)).toBe(Math.fround(2 * x.get(rows - 1, 0)));
      weight.set(0, 5, 0);
      expect(x.matmul(weight).get(rows - 1, 5)).toBe(0);
    }
  });

  it('is an ordinary array under the other kernels, and serves all of them wherever it lies', () => {
    const resident = new Parameter(2, 2, Float32Array.of(1, 2, 3, 4));
    setKernels('reference');
    const ordinary = new Parameter(2, 2, resident.data);
    expect(ordinary.data.buffer).toBeInstanceOf(ArrayBuffer);
    const expected = [...resident.matmul(ordinary).data];
    for (const kernels of ['javascript', 'wasm-simd', 'float64'] as const) {
      setKernels(kernels);
      expect([...resident.matmul(ordinary).data]).toEqual(expected);
      expect([...ordinary.matmul(resident).data]).toEqual(expected);
    }
  });

  it('compiles nothing when it is made', () => {
    requireBuilt();
    const out = withCollector(`
      const { Module } = WebAssembly;
      let compiled = 0;
      WebAssembly.Module = class extends Module { constructor(bytes) { super(bytes); compiled++; } };
      const parameter = new Parameter(2, 2, Float32Array.of(1, 2, 3, 4));
      const before = compiled;
      parameter.matmul(parameter);
      console.log(before, compiled);`);
    expect(out).toBe('0 2'); // a trial of whether modules may be compiled, and the products
  });

  it.each([
    'parameter.data',
    'parameter.row(1)',
    'parameter.data.subarray(5, 100)',
    'parameter.row(1).subarray(3)',
    'new Matrix(1, 8, parameter.data.subarray(8, 16)).data',
    'parameter.data.slice()',
  ])('stays while %s is held, and goes when nothing is', { timeout: 60_000 }, (held) => {
    requireBuilt();
    const out = withCollector(`
      const make = () => { const parameter = new Parameter(2, 1 << 16); parameter.data.fill(5); return ${held}; };
      let view = make();
      for (let i = 0; i < 20; i++) { globalThis.gc(); await turn(); new Parameter(2, 1 << 16); }
      const whole = view.every((x) => x === 5);
      view = undefined;
      const bytes = new Parameter(1, 1).data.buffer.byteLength;
      // 100 MB of them fit into less than half as much, so most were freed.
      for (let i = 0; i < 200; i++) { globalThis.gc(); await turn(); new Parameter(2, 1 << 16); }
      console.log(whole, new Parameter(1, 1).data.buffer.byteLength - bytes < 50e6);`);
    expect(out).toBe('true true');
  });

  it('has the moments of dropped optimizers back, and keeps those that step', { timeout: 60_000 }, () => {
    requireBuilt();
    const out = withCollector(`
      const p = new Parameter(1, 1 << 18);
      const { gradients } = valueAndGrad(() => p.sum());
      const kept = new Adam([p], { learningRate: 1 });
      for (let i = 0; i < 300; i++) {
        new Adam([p], { learningRate: 1 }).step(gradients);
        if (i % 20 === 0) { globalThis.gc(); await turn(); }
      }
      kept.step(gradients);
      const moment = kept.stateDict().get('0.firstMoment').data;
      console.log(moment.every((x) => x === Math.fround(0.1)), new Parameter(1, 1).data.buffer.byteLength < 200e6);`);
    expect(out).toBe('true true');
  });

  it('lets 10 000 layers come and go in flat memory', { timeout: 120_000 }, () => {
    requireBuilt();
    const out = withCollector(`
      const buffer = () => new Parameter(1, 1).data.buffer.byteLength;
      let early = 0;
      for (let i = 0; i < 10000; i++) {
        new Linear(64, 64, { seed: i });
        if (i % 20 === 0) await turn();
        if (i === 5000) early = buffer();
      }
      console.log(buffer() - early);`);
    // The second half alone drops 82 MB; the heap grows in steps of 4 MiB.
    expect(Number(out)).toBeLessThan(20e6);
  });
});
