import { describe, expect, it } from 'vitest';
import { Matrix } from '../../src/matrix.js';
import { scaledDotProductAttention } from '../../src/ops/attention.js';
import { KVCache } from '../../src/ops/cache.js';
import { expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const rows = 21;
const [q, k, v] = [normal(rows, 4 * 5, 1), normal(rows, 2 * 5, 2), normal(rows, 2 * 3, 3)];
const sizes = { capacity: 40, numKvHeads: 2, dK: 5, dV: 3 };
const whole = (options = {}) =>
  scaledDotProductAttention(q, k, v, { numHeads: 4, numKvHeads: 2, causal: true, ...options });

/** The outputs of appending and attending to so many rows at a time. */
function steps(chunk: number, options = {}): Matrix {
  const cache = new KVCache(sizes);
  const out: Matrix[] = [];
  for (let from = 0; from < rows; from += chunk) {
    const to = Math.min(from + chunk, rows);
    cache.append(k.sliceRows(from, to), v.sliceRows(from, to));
    out.push(cache.attend(q.sliceRows(from, to), { numHeads: 4, ...options }));
  }
  return Matrix.concatRows(out);
}

forEachTwin(() => {
  describe('KVCache', () => {
    it.each([1, 2, 5, 21])('gives the bits of one causal attention, %i rows at a time', (chunk) => {
      expectSame(steps(chunk).data, whole().data);
    });

    it('takes the options that mean something against a cache', () => {
      const sinks = normal(1, 4, 5);
      for (const options of [{ window: 3 }, { softcap: 2 }, { alibi: true }, { sinks }, { scale: 0.3 }]) {
        expectSame(steps(4, options).data, whole(options).data, Object.keys(options)[0]);
      }
    });

    it('forgets rows from a place on, and goes on from there', () => {
      const cache = new KVCache(sizes);
      cache.append(k, v);
      cache.truncate(7);
      expect(cache.length).toBe(7);
      cache.append(k.sliceRows(7, 9), v.sliceRows(7, 9));
      expectSame(cache.attend(q.sliceRows(7, 9), { numHeads: 4 }).data, whole().sliceRows(7, 9).data);
      cache.reset();
      expect(cache.length).toBe(0);
    });

    it('forks into caches that do not touch each other', () => {
      const cache = new KVCache(sizes);
      cache.append(k.sliceRows(0, 9), v.sliceRows(0, 9));
      const copy = cache.fork();
      expect([copy.length, copy.capacity, copy.dV]).toEqual([9, 40, 3]);
      copy.truncate(2);
      copy.append(normal(5, 10, 8), normal(5, 6, 9));
      expectSame(cache.attend(q.sliceRows(8, 9), { numHeads: 4 }).data, whole().row(8));
    });

    it('is left as it was by rows that do not fit', () => {
      const cache = new KVCache({ ...sizes, capacity: 22 });
      cache.append(k, v);
      expect(() => cache.append(k.sliceRows(0, 2), v.sliceRows(0, 2))).toThrow(
        'KVCache.append: the rows must fit: 21 held, 2 more, capacity 22 (build it with more capacity, or truncate or reset it)',
      );
      expect(cache.length).toBe(21);
      expectSame(cache.attend(q.sliceRows(20), { numHeads: 4 }).data, whole().row(20));
    });
  });
});

describe('KVCache', () => {
  it('knows its size', () => {
    expect(new KVCache(sizes).byteLength).toBe(40 * (10 + 6) * 4);
    expect(new KVCache({ capacity: 1, dK: 4 })).toMatchObject({ numKvHeads: 1, dV: 4, length: 0 });
  });

  it('copies what it is given', () => {
    const cache = new KVCache(sizes);
    const mine = k.clone();
    cache.append(mine, v);
    mine.data.fill(0);
    expectSame(cache.attend(q.sliceRows(20), { numHeads: 4 }).data, whole().row(20));
  });
});
