import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../../src/autograd/value-and-grad.js';
import { withKernels } from '../../../src/kernels/state.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { MultiHeadAttention } from '../../../src/nn/attention/multi-head-attention.js';
import { scaledDotProductAttention } from '../../../src/ops/attention/attention.js';
import { KVCache } from '../../../src/ops/cache/kv-cache.js';
import { expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

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

    it('truncates a ring to no rows, or to all, and to nothing else once it has overwritten some', () => {
      const ring = new KVCache({ ...sizes, capacity: 8, mode: 'ring', sinkTokens: 2 });
      const fill = () => ring.append(k, v);
      fill();
      const before = ring.attend(q.sliceRows(20), { numHeads: 4 });
      for (let n = 1; n < 8; n++) {
        expect(() => ring.truncate(n)).toThrow(
          'KVCache.truncate: a ring must not have overwritten rows: 21 appended, capacity 8 (reset it, or fork it before)',
        );
      }
      for (const n of [-1, 9, 21]) expect(() => ring.truncate(n)).toThrow(`n must be an integer from 0 to 8: got ${n}`);
      ring.truncate(8); // all it holds
      expect([ring.length, ring.position]).toEqual([8, 21]);
      expectSame(ring.attend(q.sliceRows(20), { numHeads: 4 }).data, before.data);
      ring.truncate(0);
      expect([ring.length, ring.position]).toEqual([0, 0]);
      expect(ring.byteLength).toBe(new KVCache({ ...sizes, capacity: 8 }).byteLength); // nothing overwritten is kept
      fill();
      expectSame(ring.attend(q.sliceRows(20), { numHeads: 4 }).data, before.data);
      const full = new KVCache({ ...sizes, capacity: 8, mode: 'ring' });
      full.append(k.sliceRows(0, 8), v.sliceRows(0, 8));
      full.truncate(3); // full, but nothing overwritten
      expect([full.length, full.position]).toEqual([3, 3]);
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

    it('is left as it was by keys or values of another shape, whichever of them it is', () => {
      const cache = new KVCache(sizes);
      cache.append(k.sliceRows(0, 20), v.sliceRows(0, 20));
      const before = cache.attend(q.sliceRows(19, 20), { numHeads: 4 });
      const [one, value] = [k.sliceRows(20), v.sliceRows(20)];
      for (const [badK, badV, given] of [
        [one, new Matrix(1, 5), 'k is 1×10, v is 1×5'],
        [one, new Matrix(1, 10), 'k is 1×10, v is 1×10'],
        [new Matrix(1, 6), value, 'k is 1×6, v is 1×6'],
        [one, new Matrix(2, 6), 'k is 1×10, v is 2×6'],
        [new Matrix(0, 10), value, 'k is 0×10, v is 1×6'],
      ] as const) {
        expect(() => cache.append(badK, badV)).toThrow(
          `KVCache.append: k and v must be (rows × 10) and (rows × 6): ${given}`,
        );
      }
      expect(cache.length).toBe(20);
      expectSame(cache.attend(q.sliceRows(19, 20), { numHeads: 4 }).data, before.data);
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

it('a ring of the oracle keeps 64 bits, also of what it overwrites, after other kernels were chosen', () => {
  const cut = (from: number, to: number) => withKernels('float64', () => q.softmax().sliceRows(from, to));
  const parts = [cut(0, 7), cut(7, 8), cut(8, 20)];
  const ring = withKernels('float64', () => new KVCache({ capacity: 3, dK: 20, mode: 'ring' }));
  ring.append(parts[0], parts[0]);
  const read = () => withKernels('float64', () => ring.attend(cut(0, 3)).data);
  const before = read();
  const mark = ring.mark();
  for (const part of parts.slice(1)) ring.append(part, part);
  expect(read()).not.toEqual(before);
  ring.endMark(mark, true);
  expectSame(read(), before);
});

describe('KVCache', () => {
  it('gives the memory of its keys back where its values do not fit', () => {
    const full = () => {
      try {
        new KVCache({ capacity: 1024, dK: 1, dV: 524_286 }); // the values alone fill a memory
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(full()).toMatch(/room for 2147475456 bytes/);
    expect(full()).toBe(full()); // the message counts live caches and their bytes
  });

  it('after truncate the rows appended last are no more those that a query may be of', () => {
    for (const mode of ['linear', 'ring'] as const) {
      const cache = new KVCache({ ...sizes, mode });
      cache.append(k.sliceRows(0, 3), v.sliceRows(0, 3));
      cache.truncate(1);
      expect(() => cache.attend(q.sliceRows(0, 2), { numHeads: 4 })).toThrow(
        'KVCache.attend: q must have at most the rows held: q has 2, the cache holds 1',
      );
    }
  });

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

forEachTwin(() => {
  describe('a released KVCache', () => {
    it('holds nothing, and is refused at every door', () => {
      for (const mode of ['linear', 'ring'] as const) {
        const attention = new MultiHeadAttention({ dModel: 4, numHeads: 2, seed: 1 });
        const x = normal(3, 4, 1);
        const [cache, live] = [2, 2].map((capacity) => attention.createCache({ capacity, mode }));
        attention.step(x.sliceRows(0, 2), cache);
        cache.release();
        cache.release();
        expect([cache.length, cache.position, cache.byteLength]).toEqual([0, 0, 0]);
        const doors: Record<string, [() => unknown, string]> = {
          append: [
            () => cache.append(x, x),
            'KVCache.append: the cache must not be released: it was (make another one)',
          ],
          attend: [() => cache.attend(x), 'KVCache.attend: the cache must not be released'],
          truncate: [() => cache.truncate(0), 'KVCache.truncate: the cache must not be released'],
          reset: [() => cache.reset(), 'KVCache.reset: the cache must not be released'],
          fork: [() => cache.fork(), 'KVCache.fork: the cache must not be released'],
          step: [() => attention.step(x, cache), 'MultiHeadAttention.step: the cache must not be released'],
          steps: [
            () => attention.step(x.sliceRows(0, 2), [live, cache]),
            'MultiHeadAttention.step: caches[1] must not be released',
          ],
        };
        for (const [door, [call, message]] of Object.entries(doors)) {
          expect(call, door).toThrow(TypeError);
          expect(call, door).toThrow(message);
        }
        expect(live.length).toBe(0);
      }
    });

    it('leaves its forks alone', () => {
      const cache = new KVCache(sizes);
      cache.append(k, v);
      const fork = cache.fork();
      cache.release();
      for (let i = 0; i < 9; i++) new KVCache(sizes).append(normal(40, 10, 3), normal(40, 6, 4));
      expectSame(fork.attend(q, { numHeads: 4 }).data, whole().data);
    });

    it('inside valueAndGrad leaves the gradient of what was read', () => {
      const x = normal(2, 4, 1);
      const W = normal(4, 4, 2);
      const gradient = (isReleased: boolean) =>
        valueAndGrad(() => {
          const cache = new KVCache({ capacity: 4, dK: 4 });
          cache.append(x, x);
          const out = cache.attend(x.matmul(W));
          if (isReleased) cache.release();
          new KVCache({ capacity: 4, dK: 4 }).append(W, W);
          return out.multiply(x).sum();
        }).gradients.get(W) as Matrix;
      expectSame(gradient(true).data, gradient(false).data);
    });

    it('in the hook of a step ends the step, and no other array is read or written', () => {
      const attention = new MultiHeadAttention({ dModel: 4, numHeads: 2, seed: 1 });
      const x = normal(3, 4, 1);
      for (const name of ['hook_k', 'hook_pattern', 'hook_z'] as const) {
        const cache = attention.createCache({ capacity: 2, mode: 'ring' });
        attention.step(x, cache);
        const whatFollows = attention.step(x.sliceRows(0, 1), cache.fork());
        const others: KVCache[] = [];
        const remove = attention.addHook(name, () => {
          cache.release();
          others.push(attention.createCache({ capacity: 2 }));
          others.at(-1)?.append(x.sliceRows(0, 2), x.sliceRows(0, 2));
          return undefined;
        });
        try {
          expectSame(attention.step(x.sliceRows(0, 1), cache).data, whatFollows.data, name);
        } catch (error) {
          expect((error as Error).message).toContain('the cache must not be released');
        }
        remove();
        expect([cache.isReleased, cache.byteLength]).toEqual([true, 0]);
        const alone = new KVCache({ capacity: 2, dK: 2, numKvHeads: 2 });
        alone.append(x.sliceRows(0, 2), x.sliceRows(0, 2));
        for (const other of others)
          expectSame(other.attend(x.sliceRows(0, 2)).data, alone.attend(x.sliceRows(0, 2)).data);
      }
    });
  });
});
