import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { setSeed } from '../../src/kernels/state.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { dropout } from '../../src/ops/dropout.js';
import { forEachTwin } from '../support/twins.js';

const x = Matrix.randomUniform(31, 7, { seed: 1, low: 1, high: 2 });

forEachTwin(() => {
  describe('dropout', () => {
    it('drops the same entries on every twin, and their gradients', () => {
      const y = dropout(x, 0.5, { seed: 3 });
      const dropped = y
        .toArray()
        .flat()
        .map((value) => value === 0);
      expect(dropped.slice(0, 12).map(Number).join('')).toBe('010010100001');
      y.toArray()
        .flat()
        .forEach((value, i) => expect(value).toBe(dropped[i] ? 0 : 2 * x.data[i]));
      const { gradients } = valueAndGrad(() => dropout(x, 0.5, { seed: 3 }).sum());
      expect(Array.from((gradients.get(x) as Matrix).data)).toEqual(dropped.map((is) => (is ? 0 : 2)));
    });

    it('draws a seed where it has none and needs one', () => {
      setSeed(5);
      const [first, second] = [dropout(x, 0.5), dropout(x, 0.5)];
      expect(first.toArray()).not.toEqual(second.toArray());
      setSeed(5);
      expect(dropout(x, 0).toArray()).toEqual(x.toArray()); // draws none
      expect(dropout(x, 0.5).toArray()).toEqual(first.toArray());
    });

    it('at rate 1 gives zeros, also of what is not finite', () => {
      const bad = Matrix.from([[Number.NaN, Number.POSITIVE_INFINITY, 1]]);
      expect(dropout(bad, 1, { seed: 1 }).toArray()).toEqual([[0, 0, 0]]);
    });
  });
});
