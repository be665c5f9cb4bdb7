import { describe, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { scaledDotProductAttention } from '../../../src/ops/attention/attention.js';
import type { AttentionOptions, Mask } from '../../../src/ops/attention/options.js';
import { KVCache, type KVCacheAttendOptions } from '../../../src/ops/cache/kv-cache.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

// A ring gives the rows of one attention over everything, in which a query sees the sinks and the last positions.

const ROWS = 23;
const normal = (cols: number, seed: number) => Matrix.randomNormal(ROWS, cols, { seed });
const [q, k, v] = [normal(4 * 5, 1), normal(2 * 5, 2), normal(2 * 3, 3)];

const ringMask = (capacity: number, sinkTokens: number): Mask =>
  Array.from({ length: ROWS }, (_, i) =>
    Array.from({ length: ROWS }, (_, j) => j < sinkTokens || j > i - (capacity - sinkTokens)),
  );

function whole(capacity: number, sinkTokens: number, options: AttentionOptions): Matrix {
  const mask = ringMask(capacity, sinkTokens);
  return scaledDotProductAttention(q, k, v, { numHeads: 4, numKvHeads: 2, causal: true, mask, ...options });
}

function steps(cache: KVCache, chunk: number, options: KVCacheAttendOptions): Matrix {
  const out: Matrix[] = [];
  for (let from = 0; from < ROWS; from += chunk) {
    const to = Math.min(from + chunk, ROWS);
    cache.append(k.sliceRows(from, to), v.sliceRows(from, to));
    out.push(cache.attend(q.sliceRows(from, to), { numHeads: 4, ...options }));
  }
  return Matrix.concatRows(out);
}

const OPTIONS: Record<string, KVCacheAttendOptions> = {
  plain: {},
  'a window inside the ring': { window: 3 },
  'a window as wide as the ring': { window: 7 },
  'a window beyond the ring': { window: 12 },
  'an open window': { window: [Number.POSITIVE_INFINITY, 0] },
  alibi: { alibi: true },
  'alibi and a window': { alibi: Float32Array.of(0.1, 0.2, 0.4, 0), window: 4 },
  'softcap, scale and sinks': { softcap: 2, scale: 0.7, sinks: Matrix.from([[0.5, -1, 0, 2]]) },
};

forEachTwin(({ tolerance }) => {
  describe.each([
    [8, 0],
    [8, 1],
    [9, 3],
    [2, 1],
    [1, 0],
    [23, 2],
  ])('a ring of %i rows, %i of them sinks', (capacity, sinkTokens) => {
    for (const [name, options] of Object.entries(OPTIONS)) {
      it.each([1, 2, 5, 12, 23])(`gives the rows of one attention: ${name}, %i at a time`, (chunk) => {
        const cache = new KVCache({ capacity, sinkTokens, mode: 'ring', dK: 5, dV: 3, numKvHeads: 2 });
        const got = steps(cache, chunk, options);
        expectClose(got.data, whole(capacity, sinkTokens, options).data, tolerance, name);
      });
    }
  });

  it('goes on from a fork as the original does', () => {
    const cache = new KVCache({ capacity: 8, sinkTokens: 2, mode: 'ring', dK: 5, dV: 3, numKvHeads: 2 });
    cache.append(k.sliceRows(0, 13), v.sliceRows(0, 13));
    const copy = cache.fork();
    const last = (held: KVCache) => held.attend(q.sliceRows(10, 13), { numHeads: 4 });
    expectSame(last(copy).data, last(cache).data);
    cache.reset();
    copy.append(k.sliceRows(13, 14), v.sliceRows(13, 14));
    const expected = whole(8, 2, {}).row(13);
    expectClose(copy.attend(q.sliceRows(13, 14), { numHeads: 4 }).data, expected, tolerance);
  });

  it('lets every query see what is held where attention is not causal', () => {
    for (const sinkTokens of [0, 2]) {
      const cache = new KVCache({ capacity: 8, sinkTokens, mode: 'ring', dK: 5, dV: 3, numKvHeads: 2 });
      cache.append(k, v);
      const last = ROWS - (8 - sinkTokens);
      const rows = (m: Matrix) => Matrix.concatRows([m.sliceRows(0, sinkTokens), m.sliceRows(last)]);
      const three = q.sliceRows(ROWS - 3);
      const expected = scaledDotProductAttention(three, rows(k), rows(v), { numHeads: 4, numKvHeads: 2 });
      expectClose(cache.attend(three, { numHeads: 4, causal: false }).data, expected.data, tolerance);
    }
  });
});
