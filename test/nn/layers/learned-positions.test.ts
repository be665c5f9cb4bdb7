import { describe, expect, it } from 'vitest';
import type { SparseGradient } from '../../../src/autograd/gradients.js';
import { valueAndGrad } from '../../../src/autograd/value-and-grad.js';
import { LearnedPositions } from '../../../src/nn/layers/learned-positions.js';
import { forEachTwin } from '../../support/twins.js';

forEachTwin(() => {
  it('looks positions up, from 0 or those of a list', () => {
    const positions = new LearnedPositions(4, 3, { seed: 1 });
    const rows = (list: number[]) => list.map((p) => [...positions.table.row(p)]);
    expect(positions.forward(3).toArray()).toEqual(rows([0, 1, 2]));
    expect(positions.forward([3, 0, 3]).toArray()).toEqual(rows([3, 0, 3]));
    expect(positions.forward(4).rows).toBe(4);
    expect(positions.forward(0).rows).toBe(0);
  });

  it('learns the rows that were read', () => {
    const positions = new LearnedPositions(4, 2, { seed: 1 });
    const { gradients } = valueAndGrad(() => positions.forward([3, 1, 3]).sum());
    const { rows, values } = gradients.get(positions.table) as SparseGradient;
    expect([...rows]).toEqual([1, 3]);
    expect(values.toArray()).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});

describe('LearnedPositions', () => {
  it('has an end', () => {
    const positions = new LearnedPositions(4, 3, { seed: 1 });
    expect(() => positions.forward(5)).toThrow('LearnedPositions: positions must be at most capacity = 4: got 5');
    expect(() => positions.forward([4])).toThrow('LearnedPositions: positions must be integers from 0 to 3');
  });

  it('starts normal with variance 1/dModel', () => {
    const { data } = new LearnedPositions(100, 50, { seed: 1 }).table;
    const share = data.reduce((sum, x) => sum + x * x, 0) / 100;
    expect(Math.abs(share - 1)).toBeLessThan(5 * Math.sqrt(2 / 5000)); // five standard errors
  });
});
