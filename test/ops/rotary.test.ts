import { describe, expect, it } from 'vitest';
import { Matrix } from '../../src/matrix/matrix.js';
import { checkPositions, checkRope, ropeOption, rotary } from '../../src/ops/rotary.js';
import { expectClose, expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

const x = Matrix.randomNormal(9, 16, { seed: 1 });
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((s, v, i) => s + v * b[i], 0);

forEachTwin(({ tolerance }) => {
  describe('rotary', () => {
    it.each([false, true])('turns pair p of position t by t·base^(−2p/dim), interleaved %s', (interleaved) => {
      const [headWidth, dim, base] = [8, 6, 100];
      const got = rotary(x, { numHeads: 2, dim, base, interleaved });
      for (let t = 0; t < 9; t++) {
        const expected = [...x.row(t)];
        for (let h = 0; h < 2; h++) {
          for (let p = 0; p < dim / 2; p++) {
            const [i, j] = interleaved ? [2 * p, 2 * p + 1] : [p, p + dim / 2];
            const [a, b] = [x.get(t, h * headWidth + i), x.get(t, h * headWidth + j)];
            const angle = t * base ** ((-2 * p) / dim);
            expected[h * headWidth + i] = a * Math.cos(angle) - b * Math.sin(angle);
            expected[h * headWidth + j] = a * Math.sin(angle) + b * Math.cos(angle);
          }
        }
        expectClose(got.row(t), expected, tolerance);
      }
    });

    it('makes products depend on the distance of positions alone', () => {
      const at = (row: number, position: number) =>
        rotary(x.sliceRows(row, row + 1), { numHeads: 1, positions: [position] }).data;
      expectClose([dot(at(0, 5), at(1, 2))], [dot(at(0, 103), at(1, 100))], 10 * tolerance);
    });

    it('leaves position 0 and the length of a row alone', () => {
      expectSame(rotary(x, { numHeads: 2, positions: new Array(9).fill(0) }).data, x.data);
      const turned = rotary(x, { numHeads: 2 });
      expectClose([dot(turned.row(8), turned.row(8))], [dot(x.row(8), x.row(8))], 10 * tolerance);
    });
  });
});

describe('rope options', () => {
  it('have their defaults', () => {
    expect(ropeOption('f', true, 8)).toEqual({ base: 10000, dim: 8, interleaved: false });
    expect(ropeOption('f', { dim: 4 }, 8)).toEqual({ base: 10000, dim: 4, interleaved: false });
    expect([ropeOption('f', false, 8), ropeOption('f', undefined, 8)]).toEqual([undefined, undefined]);
    expect(checkRope('f', {}, 6).dim).toBe(6);
    expect(() => checkRope('f', {}, 7)).toThrow('f: dim must be even');
  });

  it('take positions of any list', () => {
    expect(checkPositions('f', Int32Array.of(1, 2), 2)).toEqual(Int32Array.of(1, 2));
    expect(() => checkPositions('f', [1], 2)).toThrow('f: positions must have one entry for each of the 2 rows: got 1');
  });
});
