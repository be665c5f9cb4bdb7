import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { crossEntropy, meanSquaredError } from '../../src/ops/losses.js';
import { forEachTwin } from '../support/twins.js';

forEachTwin(({ tolerance }) => {
  const close = (got: number, expected: number) =>
    expect(Math.abs(got - expected) <= tolerance * (1 + Math.abs(expected)), `${got} for ${expected}`).toBe(true);

  describe('crossEntropy', () => {
    const logits = Matrix.from([
      [1, 2, 3],
      [0, 0, 0],
      [5, -5, 0],
    ]);

    it('is the mean over the rows that count', () => {
      const first = Math.log(Math.exp(-2) + Math.exp(-1) + 1);
      close(crossEntropy(logits, [2, 0, -100]).get(0, 0), (first + Math.log(3)) / 2);
      close(crossEntropy(logits, [2, 7 - 7, 1], { ignoreIndex: 1 }).get(0, 0), (first + Math.log(3)) / 2);
      expect(crossEntropy(logits, [-100, -100, -100]).get(0, 0)).toBe(0);
      expect(crossEntropy(new Matrix(0, 3), []).get(0, 0)).toBe(0);
    });

    it.each([-1, -2, 3, 0.5, Number.NaN, 2 ** 31, -(2 ** 31)])('refuses the target %s, which is no class', (target) => {
      const rule = 'crossEntropy: targets must be integers from 0 to 2, or ignoreIndex -100: targets[1] is';
      expect(() => crossEntropy(logits, [0, target, 1])).toThrow(`${rule} ${target}`);
    });

    it('takes as ignoreIndex what fits into 32 bits, also a number that is no class and one that is', () => {
      for (const ignoreIndex of [-1, 3, -(2 ** 31), 2 ** 31 - 1]) {
        close(crossEntropy(logits, [ignoreIndex, 0, ignoreIndex], { ignoreIndex }).get(0, 0), Math.log(3));
      }
      for (const ignoreIndex of [2 ** 31, -(2 ** 31) - 1, 0.5]) {
        expect(() => crossEntropy(logits, [0, 0, 0], { ignoreIndex })).toThrow('crossEntropy: ignoreIndex must be');
      }
    });

    it('has no gradient where nothing counts, and none in the rows that do not', () => {
      const gradient = (targets: number[]) => valueAndGrad(() => crossEntropy(logits, targets)).gradients.get(logits);
      expect((gradient([-100, -100, -100]) as Matrix).toArray().flat()).toEqual(new Array(9).fill(0));
      const [row0, row1] = (gradient([-100, 0, 0]) as Matrix).toArray();
      expect(row0).toEqual([0, 0, 0]);
      close(row1[0], (1 / 3 - 1) / 2);
    });

    it('takes any list of integers, and keeps none', () => {
      const targets = Uint8Array.of(2, 0, 1);
      const { value, gradients } = valueAndGrad(() => {
        const loss = crossEntropy(logits, targets);
        targets.fill(0); // before the gradient is computed
        return loss;
      });
      close(value, crossEntropy(logits, [2, 0, 1]).get(0, 0));
      expect(gradients.get(logits)).toEqual(valueAndGrad(() => crossEntropy(logits, [2, 0, 1])).gradients.get(logits));
    });
  });

  it('meanSquaredError is the mean of the squares of the differences', () => {
    const [a, b] = [
      Matrix.from([
        [1, 2],
        [3, 4],
      ]),
      Matrix.from([
        [1, 0],
        [0, 4],
      ]),
    ];
    close(meanSquaredError(a, b).get(0, 0), (4 + 9) / 4);
    const { gradients } = valueAndGrad(() => meanSquaredError(a, b));
    expect((gradients.get(a) as Matrix).toArray()).toEqual([
      [0, 1],
      [1.5, 0],
    ]);
    expect((gradients.get(b) as Matrix).toArray()).toEqual([
      [-0, -1],
      [-1.5, -0],
    ]);
  });
});
