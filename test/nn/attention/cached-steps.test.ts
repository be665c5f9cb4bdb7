import { describe, expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { cacheList, requireCaches, stepOffsets, stepPositions } from '../../../src/nn/attention/cached-steps.js';
import { MultiHeadAttention } from '../../../src/nn/attention/multi-head-attention.js';
import type { MultiHeadAttentionOptions } from '../../../src/nn/attention/multi-head-options.js';
import { TransformerBlock } from '../../../src/nn/models/transformer-block.js';
import { KVCache } from '../../../src/ops/cache/kv-cache.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

const ROWS = 19;
const SIZES = { dModel: 16, numHeads: 4, causal: true, seed: 3 };
const x = Matrix.randomNormal(ROWS, 16, { seed: 1 });
const y = Matrix.randomNormal(7, 16, { seed: 2 });

/** What a causal layer may be built with. */
const LAYERS: Record<string, Partial<MultiHeadAttentionOptions>> = {
  plain: {},
  'not causal itself': { causal: false },
  rope: { rope: true },
  'grouped heads of other widths, rope in part': { numKvHeads: 2, dK: 6, dV: 5, rope: { dim: 4, interleaved: true } },
  biases: { bias: true },
  window: { window: 4 },
  alibi: { alibi: true },
  softcap: { softcap: 1.5 },
  sinks: { sinks: true },
  addZeroAttention: { addZeroAttention: true },
  'addBiasKeyValue and rope': { addBiasKeyValue: true, addZeroAttention: true, rope: true },
};

function layer(options: Partial<MultiHeadAttentionOptions>): MultiHeadAttention {
  const built = new MultiHeadAttention({ ...SIZES, ...options });
  for (const p of [built.b_Q, built.b_K, built.b_V, built.b_O, built.sinks, built.bias_K, built.bias_V]) {
    p?.data.set(Matrix.randomNormal(p.rows, p.cols, { seed: 9 }).data);
  }
  return built.eval();
}

/** The rows of a layer, `chunk` at a time. */
function steps(step: (rows: Matrix) => Matrix, chunk: number): Matrix {
  const out: Matrix[] = [];
  for (let from = 0; from < ROWS; from += chunk) out.push(step(x.sliceRows(from, Math.min(from + chunk, ROWS))));
  return Matrix.concatRows(out);
}

forEachTwin(({ name: twin, tolerance }) => {
  for (const [name, options] of Object.entries(LAYERS)) {
    const causal = () => layer({ ...options, causal: true });

    it.each([1, 2, 5, ROWS])(
      `MultiHeadAttention steps as it goes forward, to the bit: ${name}, %i at a time`,
      (chunk) => {
        const attention = layer(options);
        const cache = attention.createCache({ capacity: ROWS });
        expectSame(steps((rows) => attention.step(rows, cache), chunk).data, causal().forward(x).data, name);
        expect(cache.length).toBe(ROWS);
      },
    );

    it.each([1, 6, ROWS])(`MultiHeadAttention steps in a ring: ${name}, %i at a time`, (chunk) => {
      const attention = layer(options);
      for (const sinkTokens of [0, 2]) {
        const cache = attention.createCache({ capacity: 8, mode: 'ring', sinkTokens });
        const mask = Array.from({ length: ROWS }, (_, i) =>
          Array.from({ length: ROWS }, (_, j) => j < sinkTokens || j > i - (8 - sinkTokens)),
        );
        const got = steps((rows) => attention.step(rows, cache), chunk);
        expectClose(got.data, causal().forward(x, { mask }).data, tolerance, `${name}, ${sinkTokens} sinks`);
      }
    });
  }

  it('steps several sequences at once as each by itself, to the bit', () => {
    for (const options of Object.values(LAYERS)) {
      const attention = layer(options);
      const caches = [0, 1, 2].map(() => attention.createCache({ capacity: 30 }));
      const alone = caches.map((cache) => cache.fork());
      attention.step(Matrix.concatRows([x, y]), [caches[0], caches[2]], { cuSeqlens: [0, ROWS, ROWS + 7] });
      const together = attention.step(x.sliceRows(0, 9), caches); // three rows each
      attention.step(x, alone[0]);
      attention.step(y, alone[2]);
      const each = alone.map((cache, s) => attention.step(x.sliceRows(3 * s, 3 * s + 3), cache));
      expectSame(together.data, Matrix.concatRows(each).data);
      expect(caches.map((cache) => cache.length)).toEqual([ROWS + 3, 3, 10]);
    }
  });

  it.each(['pre', 'post'] as const)('TransformerBlock steps as it goes forward, %s-norm', (normPlacement) => {
    const options = { ...SIZES, dHidden: 20, normPlacement, rope: true, window: 6, bias: true, numKvHeads: 2 };
    const block = new TransformerBlock({ ...options, activation: 'swiglu' }).eval();
    const cache = block.createCache({ capacity: ROWS });
    expectSame(steps((rows) => block.step(rows, cache), 4).data, block.forward(x).data, twin);
    const pair = [block.createCache({ capacity: 9 }), block.createCache({ capacity: 9 })];
    const packed = block.step(Matrix.concatRows([x.sliceRows(0, 4), y]), pair, { cuSeqlens: [0, 4, 11] });
    expectSame(packed.data, Matrix.concatRows([block.forward(x.sliceRows(0, 4)), block.forward(y)]).data);
  });
});

describe('a step', () => {
  it('drops in training mode, and counts', () => {
    const attention = new MultiHeadAttention({ ...SIZES, dropout: 0.5 });
    const cache = attention.createCache({ capacity: ROWS });
    attention.step(x.sliceRows(0, 18), cache);
    const first = attention.step(x.sliceRows(18), cache.fork());
    const copy = cache.fork();
    expect(attention.step(x.sliceRows(18), cache).data).not.toEqual(first.data);
    expect(attention.dropoutCalls).toBe(3);
    expectSame(attention.eval().step(x.sliceRows(18), copy).data, attention.forward(x).row(18));
  });

  it('changes no cache where one of them is too small', () => {
    const attention = new MultiHeadAttention({ ...SIZES, dropout: 0.5 });
    const caches = [attention.createCache({ capacity: 5 }), attention.createCache({ capacity: 3 })];
    expect(() => attention.step(x.sliceRows(0, 8), caches)).toThrow('the rows must fit: 0 held, 4 more, capacity 3');
    expect(caches.map((cache) => cache.length)).toEqual([0, 0]);
    expect(attention.dropoutCalls).toBe(0);
  });

  it('takes no rows at all', () => {
    const attention = layer({ rope: true });
    const cache = attention.createCache({ capacity: 2 });
    expect(attention.step(new Matrix(0, 16), cache).rows).toBe(0);
    expect(attention.step(new Matrix(0, 16), [cache, cache.fork()]).rows).toBe(0);
  });
});

describe('the caches of a step', () => {
  const cache = () => new KVCache({ capacity: 4, dK: 2 });
  const heads = { numHeads: 2, numKvHeads: 1, dK: 2, dV: 2 };

  it('are one or a list, each once', () => {
    const [a, b] = [cache(), cache()];
    expect(cacheList('w', a)).toEqual([a]);
    expect(cacheList('w', [b, a])).toEqual([b, a]);
    const rule = 'w: caches must be a KVCache or a list of them, each once';
    expect(() => cacheList('w', undefined)).toThrow(new TypeError(`${rule}: got undefined`));
    expect(() => cacheList('w', [])).toThrow(`${rule}: got none`);
    expect(() => cacheList('w', [a, 3])).toThrow(new TypeError(`${rule}: caches[1] is 3`));
    expect(() => cacheList('w', [a, b, a])).toThrow(`${rule}: caches[2] is caches[0]`);
  });

  it('get equal shares, or what cuSeqlens says', () => {
    expect([...stepOffsets('w', 3, 6, {})]).toEqual([0, 2, 4, 6]);
    expect([...stepOffsets('w', 2, 6, { cuSeqlens: [0, 5, 6] })]).toEqual([0, 5, 6]);
    expect(() => stepOffsets('w', 4, 6, {})).toThrow(
      'w: every cache must get the same number of rows: 6 rows for 4 caches (or give cuSeqlens)',
    );
    expect(() => stepOffsets('w', 2, 6, { cuSeqlens: [0, 6] })).toThrow(
      'w: cuSeqlens must have one sequence for each cache: 1 and 2',
    );
  });

  it('must be of the heads and have room', () => {
    expect(() => requireCaches('w', [cache(), cache()], Int32Array.of(0, 4, 9), heads)).toThrow('capacity 4');
    expect(() => requireCaches('w', [cache()], Int32Array.of(0, 1), { ...heads, dV: 3 })).toThrow(
      'w: a cache must have numKvHeads, dK, dV = 1, 2, 3: got 1, 2, 2 (make it with createCache)',
    );
  });

  it('say where the rows stand', () => {
    const [a, b] = [cache(), cache()];
    b.append(new Matrix(3, 2), new Matrix(3, 2));
    expect([...stepPositions([a, b], Int32Array.of(0, 2, 3))]).toEqual([0, 1, 3]);
  });
});
