import { describe, expect, it } from 'vitest';
import { checkOffsets, checkReach } from '../../../src/ops/attention/reach.js';

describe('checkOffsets', () => {
  it('places the queries: bottom-right of each sequence, or where it is told', () => {
    const [cuSeqlens, cuSeqlensK] = [Int32Array.of(0, 1, 3), Int32Array.of(0, 4, 5)];
    const offsets = (options: Parameters<typeof checkOffsets>[1]) => [
      ...checkOffsets('f', options, cuSeqlens, cuSeqlensK),
    ];
    expect(offsets({ causal: true })).toEqual([3, -1]);
    expect(offsets({ causal: 'top-left' })).toEqual([0, 0]);
    expect(offsets({ causal: 'top-left', causalOffset: 0 })).toEqual([0, 0]);
    expect(offsets({ causalOffset: 7 })).toEqual([7, 7]);
  });
});

describe('checkReach', () => {
  it('reads the window: a number looks back only where it is causal', () => {
    const reach = (options: Parameters<typeof checkReach>[1]) => Object.values(checkReach('f', options));
    expect(reach({})).toEqual([Infinity, Infinity]);
    expect(reach({ causal: true })).toEqual([Infinity, 0]);
    expect(reach({ window: 2 })).toEqual([2, 2]);
    expect(reach({ window: 2, causal: true })).toEqual([2, 0]);
    expect(reach({ window: [1, 3] })).toEqual([1, 3]);
    expect(reach({ window: [1, 3], causal: true })).toEqual([1, 0]);
    expect(reach({ window: [Infinity, 0] })).toEqual([Infinity, 0]);
  });
});
