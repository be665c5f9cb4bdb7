import { describe, expect, it } from 'vitest';
import { CacheRows } from '../../../src/ops/cache/rows.js';
import { fc } from '../../support/property.js';

const COLS = 2;
/** The row of a position, told from all others. */
const rowOf = (position: number) => [position, -position];
const rowsOf = (positions: readonly number[]) => positions.flatMap(rowOf);
const span = (from: number, to: number) => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
const plain = (parts: readonly ArrayLike<number>[]) => parts.flatMap((part) => Array.from(part));

describe('CacheRows', () => {
  it('holds the sinks and the last rows, and what the last append still sees, whatever the sizes', () => {
    const sizes = fc.record({
      capacity: fc.integer({ min: 1, max: 9 }),
      sinks: fc.integer({ min: 0, max: 8 }),
      chunks: fc.array(fc.integer({ min: 0, max: 13 }), { maxLength: 8 }),
    });
    fc.assert(
      fc.property(sizes, ({ capacity, sinks: wanted, chunks }) => {
        const sinks = Math.min(wanted, capacity - 1);
        const rows = new CacheRows(capacity, COLS, sinks);
        let position = 0;
        for (const count of chunks) {
          rows.append(Float32Array.from(rowsOf(span(position, position + count))), position);
          const before = position;
          position += count;
          const ring = capacity - sinks;
          const kept =
            position <= capacity ? span(0, position) : [...span(0, sinks), ...span(position - ring, position)];
          expect(Array.from(rows.held(position)).sort()).toEqual(rowsOf(kept).sort());
          if (position <= capacity) continue;
          expect(plain(rows.inOrder(position, false))).toEqual(rowsOf(kept));
          const seen = [...span(0, sinks), ...span(Math.max(sinks, before - ring + 1), position)];
          expect(plain(rows.inOrder(position, true))).toEqual(rowsOf(seen.length < kept.length ? kept : seen));
        }
      }),
    );
  });

  it('forgets what a ring no longer holds, and counts it while it lasts', () => {
    const rows = new CacheRows(4, COLS, 1);
    rows.append(Float32Array.from(rowsOf(span(0, 3))), 0);
    expect(rows.byteLength).toBe(4 * COLS * 4);
    rows.append(Float32Array.from(rowsOf(span(3, 6))), 3);
    expect(rows.byteLength).toBe((4 + 2) * COLS * 4); // rows 1 and 2
    rows.forgetOverwritten();
    expect(plain(rows.inOrder(6, true))).toEqual(rowsOf([0, 3, 4, 5]));
  });

  it('copies into arrays of its own', () => {
    const rows = new CacheRows(4, COLS, 1);
    rows.append(Float32Array.from(rowsOf(span(0, 6))), 0);
    const copy = new CacheRows(4, COLS, 1);
    copy.copyFrom(rows, 6);
    rows.append(Float32Array.from(rowsOf([6])), 6);
    expect(plain(copy.inOrder(6, true))).toEqual(rowsOf(span(0, 6)));
  });
});
