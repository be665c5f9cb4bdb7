import { describe, expect, it } from 'vitest';
import { rotary } from '../../../src/kernels/reference/rotary.js';

const allocate = (length: number) => new Float64Array(length);
const x = Float64Array.of(1, 2, 3, 4, 5, 6);
const quarter = { cos: Float64Array.of(0, 1), sin: Float64Array.of(1, 0) }; // pair 0 by 90°, pair 1 not at all

describe('rotary', () => {
  it('turns pairs (p, p + dim/2) of each head, or (2p, 2p + 1)', () => {
    const problem = { x: x.slice(0, 4), rows: 1, numHeads: 1, headDim: 4, dim: 4, ...quarter };
    expect([...rotary(allocate, { ...problem, interleaved: false })]).toEqual([-3, 2, 1, 4]);
    expect([...rotary(allocate, { ...problem, interleaved: true })]).toEqual([-2, 1, 3, 4]);
  });

  it('copies the columns from dim on, and gives every head the angles of its row', () => {
    const problem = { x, rows: 1, numHeads: 2, headDim: 3, dim: 2, interleaved: false };
    expect([...rotary(allocate, { ...problem, cos: Float64Array.of(0), sin: Float64Array.of(1) })]).toEqual([
      -2, 1, 3, -5, 4, 6,
    ]);
    const rows = { ...problem, rows: 2, numHeads: 1, cos: Float64Array.of(1, -1), sin: Float64Array.of(0, 0) };
    expect([...rotary(allocate, rows)]).toEqual([1, 2, 3, -4, -5, 6]);
  });
});
