import { describe, expect, it } from 'vitest';
import { ResidentArray } from '../../../../src/kernels/wasm/memory/resident-array.js';

const buffer = new SharedArrayBuffer(64);
const make = () => new ResidentArray(buffer, 16, 8);

describe('ResidentArray', () => {
  it('is a view of the buffer', () => {
    const array = make().fill(3);
    expect(array).toBeInstanceOf(Float32Array);
    expect([array.byteOffset, array.length]).toEqual([16, 8]);
    expect([...new Float32Array(buffer, 12, 3)]).toEqual([0, 3, 3]);
  });

  it('gives views that keep what they were taken from', () => {
    const array = make();
    const view = array.subarray(2, 6);
    const inner = view.subarray(-1);
    expect(view.kept).toBe(array);
    expect(inner.kept).toBe(view);
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

  it('weighs as many bytes as it has', () => {
    expect(make().kept.byteLength).toBe(32);
  });

  it('copies into ordinary memory', () => {
    const array = make();
    for (const copy of [array.slice(), array.slice(1, 2), array.map((x) => x), array.filter(() => true)]) {
      expect(copy.constructor).toBe(Float32Array);
      expect(copy.buffer).toBeInstanceOf(ArrayBuffer);
    }
  });
});
