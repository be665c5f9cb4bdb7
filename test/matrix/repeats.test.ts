import { describe, expect, it } from 'vitest';
import { columnSums, repeatedColumn, repeatedRow, rowSums } from '../../src/matrix/repeats.js';
import { forEachTwin } from '../support/twins.js';

const x = Float32Array.of(1, -2, 3, 4, 5, -6);

forEachTwin(() => {
  describe('repeats and sums', () => {
    it('repeat a row and a column, whatever stands in it', () => {
      const row = Float32Array.of(Number.NaN, -0, Number.POSITIVE_INFINITY);
      expect([...repeatedRow(row, 2, 3)]).toEqual([...row, ...row]); // −0 too
      expect([...repeatedColumn(row, 3, 2)]).toEqual([row[0], row[0], row[1], row[1], row[2], row[2]]);
      expect([...repeatedColumn(Float32Array.of(1, 2), 2, 3)]).toEqual([1, 1, 1, 2, 2, 2]);
      expect([...repeatedRow(row, 0, 3)]).toEqual([]);
    });

    it('sum columns and rows', () => {
      expect([...columnSums(x, 2, 3)]).toEqual([5, 3, -3]);
      expect([...rowSums(x, 2, 3)]).toEqual([2, 3]);
      expect([...columnSums(new Float32Array(0), 0, 2)]).toEqual([0, 0]);
    });
  });
});
