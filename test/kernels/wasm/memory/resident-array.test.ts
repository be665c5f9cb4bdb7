import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ResidentArray } from '../../../../src/kernels/wasm/memory/resident-array.js';
import { collectGarbage, countAlive } from '../../../support/garbage.js';

const buffer = new SharedArrayBuffer(64);
const make = () => new ResidentArray(buffer, 16, 8);

describe('ResidentArray', () => {
  it('is a view of the buffer', () => {
    const array = make().fill(3);
    expect(array).toBeInstanceOf(Float32Array);
    expect([array.byteOffset, array.length]).toEqual([16, 8]);
    expect([...new Float32Array(buffer, 12, 3)]).toEqual([0, 3, 3]);
  });

  it('gives views that write to the array', () => {
    const array = make();
    const view = array.subarray(2, 6);
    const inner = view.subarray(-1);
    expect([view.byteOffset, view.length, inner.byteOffset, inner.length]).toEqual([24, 4, 36, 1]);
    inner[0] = 9;
    expect(array[5]).toBe(9);
  });

  it.each([
    [undefined, undefined],
    [0, 0],
    [-3, undefined],
    [2, -2],
    [5, 3],
    [-100, 100],
  ])('cuts from %s to %s where a plain Float32Array does', (begin, end) => {
    const plain = new Float32Array(buffer, 16, 8);
    const [got, expected] = [make().subarray(begin, end), plain.subarray(begin, end)];
    expect([got.byteOffset, got.length]).toEqual([expected.byteOffset, expected.length]);
  });

  it('lives as long as a view of it or of a view', async () => {
    const taken = (take: (array: ResidentArray) => ResidentArray) => {
      const array = make();
      return { array: new WeakRef(array), view: take(array) as ResidentArray | undefined };
    };
    const all = [taken((array) => array.subarray(1)), taken((array) => array.subarray(1).subarray(1))];
    const alive = async () => {
      await turn();
      collectGarbage();
      return countAlive(all.map(({ array }) => array));
    };
    expect(await alive()).toBe(2);
    for (const one of all) one.view = undefined;
    expect(await alive()).toBe(0);
  });

  it('weighs as many bytes as it has', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const arrays = Array.from({ length: 4 }, () => new ResidentArray(new SharedArrayBuffer(1 << 22), 0, 1 << 20));
    expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThanOrEqual(2 * arrays.length * 2 ** 22);
  });

  it('copies into ordinary memory', () => {
    const array = make();
    for (const copy of [array.slice(), array.slice(1, 2), array.map((x) => x), array.filter(() => true)]) {
      expect(copy.constructor).toBe(Float32Array);
      expect(copy.buffer).toBeInstanceOf(ArrayBuffer);
    }
  });
});
