import { describe, expect, it } from 'vitest';
import { sinusoidalPositions } from '../../src/ops/positions.js';
import { expectClose, expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

const angle = (p: number, i: number, d: number) => p / 10000 ** ((2 * i) / d);

forEachTwin(({ tolerance }) => {
  describe('sinusoidalPositions', () => {
    it.each([6, 7])('has sin(p / 10000^(2i/d)) in column 2i and its cosine in 2i + 1, d = %i', (d) => {
      const pe = sinusoidalPositions(40, d);
      for (let p = 0; p < 40; p++) {
        const expected = Array.from({ length: d }, (_, c) => (c % 2 ? Math.cos : Math.sin)(angle(p, c >> 1, d)));
        expectClose(pe.row(p), expected, tolerance);
      }
    });

    it('can have all sines first, and start later', () => {
      const d = 5;
      const halves = sinusoidalPositions(3, d, { layout: 'halves' });
      const expected = [0, 1, 2].map((i) => Math.sin(angle(2, i, d)));
      expectClose(halves.row(2), [...expected, Math.cos(angle(2, 0, d)), Math.cos(angle(2, 1, d))], tolerance);
      expectSame(sinusoidalPositions(3, d, { offset: 7 }).row(1), sinusoidalPositions(9, d).row(8));
    });

    it('keeps its angles exact at large positions', () => {
      expectClose(sinusoidalPositions(1, 2, { offset: 1e6 }).data, [Math.sin(1e6), Math.cos(1e6)], tolerance);
      expect(sinusoidalPositions(0, 4).rows).toBe(0);
    });
  });
});
