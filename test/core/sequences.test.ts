import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../src/core/errors.js';
import {
  checkCuSeqlens,
  cuSeqlensFromLengths,
  longestSequence,
  packedPositions,
  singleSequence,
} from '../../src/core/sequences.js';

describe('packed sequences', () => {
  it('turn lengths into offsets', () => {
    expect([...cuSeqlensFromLengths([3, 0, 2])]).toEqual([0, 3, 3, 5]);
    expect([...cuSeqlensFromLengths(Uint8Array.of(4))]).toEqual([0, 4]);
    expect([...cuSeqlensFromLengths([])]).toEqual([0]);
    expect(() => cuSeqlensFromLengths([2 ** 30, 2 ** 30])).toThrow(ShapeError);
  });

  it('check offsets and copy them', () => {
    const given = [0, 2, 2, 6];
    const checked = checkCuSeqlens('test', 'cuSeqlens', given, 6);
    given[1] = 9;
    expect([...checked]).toEqual([0, 2, 2, 6]);
  });

  it.each([
    [[], 'got [], no entry'],
    [[1, 6], 'entry 0 is 1'],
    [[0, 4, 3, 6], 'entry 2 is 3'],
    [[0, 7, 6], 'entry 1 is 7'],
    [[0, 5], 'entry 1 is 5'],
    [[0, 1.5, 6], 'entry 1 is 1.5'],
    [[0, Number.NaN, 6], 'entry 1 is NaN'],
  ])('refuse %j', (offsets, found) => {
    const check = () => checkCuSeqlens('test', 'cuSeqlens', offsets, 6);
    expect(check).toThrow(ShapeError);
    expect(check).toThrow('test: cuSeqlens must start at 0, never decrease and end at 6 rows: ');
    expect(check).toThrow(found);
  });

  it('know their longest, their positions, and the batch of one', () => {
    expect(longestSequence(Int32Array.of(0, 2, 2, 7))).toBe(5);
    expect(longestSequence(Int32Array.of(0))).toBe(0);
    expect([...packedPositions(Int32Array.of(0, 3, 3, 5))]).toEqual([0, 1, 2, 0, 1]);
    expect([...singleSequence(4)]).toEqual([0, 4]);
  });
});
