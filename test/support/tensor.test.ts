import { describe, expect, it } from 'vitest';
import { batchMask, flagsOfBias, isBand, maskOptions, packedMaskOptions } from './masks.js';
import { decode, halfToFloat } from './safetensors.js';
import { broadcast, entry, flatten, resizeLast, sequence, swapAxes, type Tensor } from './tensor.js';

const { NEGATIVE_INFINITY: never, POSITIVE_INFINITY: open } = Number;
const counting = (...shape: number[]): Tensor => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
});
const flags = (shape: number[], ...data: number[]): Tensor => ({ shape, data: Uint8Array.from(data) });

describe('tensor', () => {
  it('broadcasts from the right', () => {
    expect([...broadcast(counting(3), [2, 3]).data]).toEqual([0, 1, 2, 0, 1, 2]);
    expect([...broadcast(counting(2, 1), [2, 3]).data]).toEqual([0, 0, 0, 1, 1, 1]);
    expect([...broadcast(counting(2, 1, 2), [2, 2, 2]).data]).toEqual([0, 1, 0, 1, 2, 3, 2, 3]);
    expect(() => broadcast(counting(2), [2, 3])).toThrow('cannot broadcast [2] to [2,3]');
  });
  it('swaps axes', () => {
    expect([...swapAxes(counting(2, 3), 0, 1).data]).toEqual([0, 3, 1, 4, 2, 5]);
    const swapped = swapAxes(counting(2, 3, 2), 0, 2);
    expect(swapped.shape).toEqual([2, 3, 2]);
    expect([...swapped.data]).toEqual([0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
  });
  it('resizes the last axis', () => {
    expect([...resizeLast(counting(2, 2), 3, -1).data]).toEqual([0, 1, -1, 2, 3, -1]);
    expect([...resizeLast(counting(2, 3), 2, -1).data]).toEqual([0, 1, 3, 4]);
  });
  it('flattens to rows and columns', () => {
    expect(flatten(counting(2, 3, 4), 1)).toMatchObject({ rows: 2, cols: 12 });
    expect(flatten(counting(2, 3, 4), -1)).toMatchObject({ rows: 6, cols: 4 });
    expect([...entry(counting(2, 2), 1).data]).toEqual([2, 3]);
  });
  it('lays heads side by side', () => {
    const second = sequence(counting(2, 2, 3, 1), 1); // heads 6 7 8 and 9 10 11
    expect(second).toMatchObject({ rows: 3, cols: 2 });
    expect([...(second.data as Float32Array)]).toEqual([6, 9, 7, 10, 8, 11]);
    expect([...(sequence(counting(2, 2, 2), 1).data as Float32Array)]).toEqual([4, 5, 6, 7]);
  });
  it('reads half precision', () => {
    const bits = [0x3c00, 0xc000, 0x3555, 0x0001, 0x0400, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x8000];
    const values = [1, -2, 0.333251953125, 2 ** -24, 2 ** -14, 65504, open, never, Number.NaN, -0];
    expect(bits.map(halfToFloat)).toEqual(values);
  });
  it('reads every element kind, refuses others', () => {
    expect([...decode('F64', Float64Array.of(0.1).buffer)]).toEqual([0.1]);
    expect([...decode('I64', BigInt64Array.of(-100n, 7n).buffer)]).toEqual([-100, 7]);
    expect([...decode('BOOL', Uint8Array.of(1, 0).buffer)]).toEqual([1, 0]);
    expect([...decode('float16', Uint16Array.of(0x3c00).buffer)]).toEqual([1]);
    expect(() => decode('C64', new ArrayBuffer(8))).toThrow('C64');
  });
});

describe('masks', () => {
  it('fills up the last axis with "may not attend"', () => {
    expect([...batchMask(flags([1, 2], 1, 1), [1, 1, 1, 3]).data]).toEqual([1, 1, 0]);
    expect([...batchMask(counting(1, 2), [1, 1, 1, 3]).data]).toEqual([0, 1, never]);
  });
  it('keeps one row for all heads where the mask has no axis of heads', () => {
    expect(batchMask(counting(2, 3), [2, 4, 2, 3]).shape).toEqual([2, 1, 2, 3]);
    expect(batchMask(counting(2, 1, 2, 3), [2, 4, 2, 3]).shape).toEqual([2, 1, 2, 3]);
    expect(batchMask(counting(4, 2, 3), [2, 4, 2, 3]).shape).toEqual([2, 4, 2, 3]);
  });
  it('orders rows by head, then sequence, then query', () => {
    const bias = counting(2, 2, 1, 2); // sequence 0: 0 1 | 2 3, sequence 1: 4 5 | 6 7
    expect(maskOptions({ bias }, 1).bias?.toArray()).toEqual([
      [4, 5],
      [6, 7],
    ]);
    expect(packedMaskOptions({ bias }).bias?.toArray()).toEqual([
      [0, 1],
      [4, 5],
      [2, 3],
      [6, 7],
    ]);
  });
  it('knows a band', () => {
    const causal = flags([2, 3], 1, 1, 0, 1, 1, 1);
    expect(isBand(causal, 1, open, 0)).toBe(true);
    expect(isBand(causal, 0, open, 0)).toBe(false);
    expect(isBand(flags([2, 2], 1, 0, 0, 1), 0, 0, 0)).toBe(true);
    expect(isBand(flags([2, 2], 1, 0, 1, 1), 0, 0, 0)).toBe(false);
  });
  it('takes flags from a bias of 0 and −∞ only', () => {
    const bias = (...data: number[]): Tensor => ({ shape: [1, 2], data: Float32Array.from(data) });
    expect(flagsOfBias(bias(0, never))?.data).toEqual(Uint8Array.of(1, 0));
    expect(flagsOfBias(bias(0, -1))).toBeUndefined();
  });
});
