import { beforeAll, describe, expect, it } from 'vitest';
import { backwardKernels } from '../../src/kernels/backward.js';
import { provideBackward } from '../../src/kernels/state.js';
import { columnSlice, elementwise, product, sideBySide, stacked, total } from '../../src/matrix/algebra.js';
import { forEachTwin } from '../support/twins.js';

beforeAll(() => provideBackward(backwardKernels)); // as valueAndGrad does

// What the rest of the suite shows by finite differences, here by hand.
const shaped = (rows: number, cols: number, ...data: number[]) => ({ rows, cols, data: Float32Array.from(data) });
const lists = (gradients: readonly unknown[]) => gradients.map((g) => Array.from(g as Float32Array));

forEachTwin(() => {
  describe('pairs of forward and backward', () => {
    const a = shaped(1, 2, 1, 2);
    const b = shaped(2, 3, 1, 2, 3, 4, 5, 6);
    const dC = Float32Array.of(1, 0, -1);

    it('of a product, whatever is transposed', () => {
      const aT = shaped(2, 1, 1, 2);
      const bT = shaped(3, 2, 1, 4, 2, 5, 3, 6);
      const dA = [-2, -2];
      expect(lists(product(a, b, false, false).backward(dC))).toEqual([dA, [1, 0, -1, 2, 0, -2]]);
      expect(lists(product(aT, b, true, false).backward(dC))).toEqual([dA, [1, 0, -1, 2, 0, -2]]);
      expect(lists(product(a, bT, false, true).backward(dC))).toEqual([dA, [1, 2, 0, 0, -1, -2]]);
      expect(lists(product(aT, bT, true, true).backward(dC))).toEqual([dA, [1, 2, 0, 0, -1, -2]]);
    });

    it('of a row that stands for many: its gradient is the sum of theirs', () => {
      const x = shaped(2, 2, 1, 2, 3, 4);
      const row = shaped(1, 2, 2, 4);
      const d = Float32Array.of(1, 1, 1, 1);
      expect(lists(elementwise('add', x, row).backward(d))[1]).toEqual([2, 2]);
      expect(lists(elementwise('subtract', x, row).backward(d))[1]).toEqual([-2, -2]);
      expect(lists(elementwise('multiply', x, row).backward(d))).toEqual([
        [2, 4, 2, 4],
        [4, 6],
      ]);
      expect(lists(elementwise('divide', x, row).backward(d))).toEqual([
        [0.5, 0.25, 0.5, 0.25],
        [-1, -6 / 16],
      ]);
    });

    it('of cutting and joining', () => {
      const x = shaped(2, 3, 1, 2, 3, 4, 5, 6);
      expect(lists(columnSlice(x, 1, 2).backward(Float32Array.of(7, 8)))).toEqual([[0, 7, 0, 0, 8, 0]]);
      const parts = [shaped(1, 2, 1, 2), shaped(2, 2, 3, 4, 5, 6)];
      expect(lists(stacked(parts, 2).backward(Float32Array.of(1, 2, 3, 4, 5, 6)))).toEqual([
        [1, 2],
        [3, 4, 5, 6],
      ]);
      const beside = sideBySide([shaped(2, 1, 1, 2), shaped(2, 2, 3, 4, 5, 6)], 2);
      expect(lists(beside.backward(Float32Array.of(1, 2, 3, 4, 5, 6)))).toEqual([
        [1, 4],
        [2, 3, 5, 6],
      ]);
      expect(lists(total(x, 0.5).backward(Float32Array.of(4)))).toEqual([[2, 2, 2, 2, 2, 2]]);
    });
  });
});
