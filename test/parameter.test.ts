import { describe, expect, it } from 'vitest';
import { Matrix } from '../src/matrix.js';
import { Parameter } from '../src/parameter.js';
import { forEachTwin } from './support/twins.js';

forEachTwin(() => {
  describe('Parameter', () => {
    it('is a matrix with a copy of the data', () => {
      const data = Float32Array.of(1, 2, 3, 4);
      const parameter = new Parameter(2, 2, data);
      data.fill(0);
      expect(parameter).toBeInstanceOf(Matrix);
      expect(parameter.toArray()).toEqual([
        [1, 2],
        [3, 4],
      ]);
      expect(new Parameter(1, 2).toArray()).toEqual([[0, 0]]);
      expect(new Parameter(0, 3).rows).toBe(0);
    });

    it('shows what is written to it', () => {
      const parameter = new Parameter(2, 2, Float32Array.of(1, 0, 0, 1));
      const x = Matrix.from([[1, 1]]);
      parameter.data[0] = 5;
      expect(x.matmul(parameter).toArray()).toEqual([[5, 1]]);
      parameter.row(1)[1] = 7;
      expect(x.matmul(parameter).toArray()).toEqual([[5, 7]]);
      parameter.set(0, 0, 2);
      expect(parameter.matmul(parameter).toArray()).toEqual([
        [4, 0],
        [0, 49],
      ]);
    });

    it('has no name of its own', () => {
      expect(new Parameter(1, 1).name).toBe('');
    });
  });
});
