import { describe, expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { permuteRotary } from '../../../src/nn/weights/permute-rotary.js';
import { rotary } from '../../../src/ops/rotary.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const INTERLEAVED = { numHeads: 2, from: 'interleaved', to: 'half-split' } as const;
const HALVES = { numHeads: 2, from: 'half-split', to: 'interleaved' } as const;

forEachTwin(({ tolerance }) => {
  it.each([undefined, 4, 0])('permuteRotary gives the scores of the other layout, dim %s', (dim) => {
    const [x, W_Q, W_K] = [normal(7, 5, 1), normal(5, 12, 2), normal(5, 12, 3)];
    const scores = (q: Matrix, k: Matrix, interleaved: boolean) => {
      const turn = (W: Matrix) => rotary(x.matmul(W), { numHeads: 2, dim, interleaved }).sliceColumns(6);
      return turn(q).matmul(turn(k), { transposeB: true }).data;
    };
    const moved = [W_Q, W_K].map((W) => permuteRotary(W, { ...INTERLEAVED, dim }));
    expectClose(scores(moved[0], moved[1], false), scores(W_Q, W_K, true), tolerance);
  });
});

describe('permuteRotary', () => {
  it('moves the columns of every head, as Hugging Face converts LLaMA', () => {
    const row = Matrix.from([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]]);
    expect([...permuteRotary(row, INTERLEAVED).data]).toEqual([0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15]);
    const part = permuteRotary(row, { ...INTERLEAVED, dim: 4 });
    expect([...part.data]).toEqual([0, 2, 1, 3, 4, 5, 6, 7, 8, 10, 9, 11, 12, 13, 14, 15]);
  });

  it('goes there and back to the bit, and leaves W alone', () => {
    const W = normal(3, 16, 4);
    const before = W.clone();
    expectSame(permuteRotary(permuteRotary(W, INTERLEAVED), HALVES).data, W.data);
    const same = permuteRotary(W, { numHeads: 2, from: 'half-split', to: 'half-split' });
    expectSame(same.data, W.data);
    same.data.fill(0);
    expectSame(W.data, before.data);
  });
});
