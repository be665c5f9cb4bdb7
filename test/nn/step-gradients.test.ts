import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { withKernels } from '../../src/kernels/state.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { MultiHeadAttention } from '../../src/nn/attention/multi-head-attention.js';
import type { MultiHeadAttentionOptions } from '../../src/nn/attention/multi-head-options.js';
import { CausalLM } from '../../src/nn/models/causal-lm.js';
import { KVCache } from '../../src/ops/cache/kv-cache.js';
import { crossEntropy } from '../../src/ops/losses.js';
import { expectClose } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

// To valueAndGrad the rows of a cache are constants: those that were there when a query read them.

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const WIDTH = 4;
const keys = normal(30, WIDTH, 1);
const values = normal(30, WIDTH, 2);
const weights = normal(30, WIDTH, 3);

/** What happens to a cache: rows are appended and read, or other things. */
type Event = { append: number } | { truncate: number } | 'reset' | 'fork';

const STORIES: Record<string, { cache: Partial<ConstructorParameters<typeof KVCache>[0]>; events: Event[] }> = {
  'a small ring': { cache: { mode: 'ring' }, events: [2, 1, 1, 1, 1, 3, 6, 1].map((append) => ({ append })) },
  'a small ring with sinks': {
    cache: { mode: 'ring', sinkTokens: 1 },
    events: [2, 1, 1, 1, 1, 3, 6, 1].map((append) => ({ append })),
  },
  truncate: {
    cache: {},
    events: [{ append: 3 }, { truncate: 1 }, { append: 2 }, { truncate: 2 }, { append: 1 }],
  },
  reset: { cache: {}, events: [{ append: 3 }, 'reset', { append: 2 }, 'reset', { append: 3 }] },
  fork: { cache: {}, events: [{ append: 2 }, 'fork', { append: 1 }, { truncate: 0 }, { append: 3 }] },
};

/** Tells the story; `attend` is given the rows that query i may see. Positions in `held` name rows of keys and values. */
function tell(name: string, attend: (cache: KVCache, queries: [number, number], seen: number[][]) => void): void {
  const story = STORIES[name];
  let cache = new KVCache({ capacity: 4, dK: WIDTH, ...story.cache });
  const sinks = cache.sinkTokens;
  const ring = cache.capacity - sinks;
  let held: number[] = [];
  let next = 0;
  for (const event of story.events) {
    if (event === 'reset') cache.reset();
    else if (event === 'fork') cache = cache.fork();
    else if ('truncate' in event) cache.truncate(event.truncate);
    if (event === 'reset') held = [];
    if (typeof event === 'object' && 'truncate' in event) held = held.slice(0, event.truncate);
    if (typeof event !== 'object' || !('append' in event)) continue;
    const end = next + event.append;
    cache.append(keys.sliceRows(next, end), values.sliceRows(next, end));
    const seen: number[][] = [];
    for (let row = next; row < end; row++) {
      held.push(row);
      const all = cache.mode === 'ring' ? held.filter((_, i) => i < sinks || i > held.length - 1 - ring) : held;
      seen.push([...all]);
    }
    attend(cache, [next, end], seen);
    next = end;
  }
}

/** The gradient of W where q = K·W, with fused attention on the cache, or row by row in plain algebra. */
function gradientOf(name: string, W: Matrix, isPlain: boolean): Matrix {
  const { gradients } = valueAndGrad(() => {
    const parts: Matrix[] = [];
    tell(name, (cache, [from, to], seen) => {
      const q = keys.sliceRows(from, to).matmul(W);
      const out = isPlain
        ? Matrix.concatRows(seen.map((rows, i) => plain(q.sliceRows(i, i + 1), rows)))
        : cache.attend(q);
      parts.push(out.multiply(weights.sliceRows(from, to)).sum());
    });
    return Matrix.concatRows(parts).sum();
  });
  return gradients.get(W) as Matrix;
}

function plain(q: Matrix, rows: number[]): Matrix {
  const pick = (m: Matrix) => Matrix.concatRows(rows.map((row) => m.sliceRows(row, row + 1)));
  const scores = q.matmul(pick(keys), { transposeB: true }).scale(1 / Math.sqrt(WIDTH));
  return scores.softmax().matmul(pick(values));
}

forEachTwin(({ tolerance }) => {
  describe('the gradient through several reads of one cache', () => {
    it.each(Object.keys(STORIES))('is that of the rows each of them read: %s', (name) => {
      const W = normal(WIDTH, WIDTH, 4);
      const exact = withKernels('float64', () => gradientOf(name, W, true));
      expectClose(gradientOf(name, W, false).data, exact.data, 10 * tolerance, name); // sums of 30 rows
    });

    const layers: Record<string, Partial<MultiHeadAttentionOptions>> = {
      plain: {},
      'rope, grouped heads': { rope: true, numKvHeads: 1 },
      window: { window: 2 },
      alibi: { alibi: true },
      'sinks, softcap': { sinks: true, softcap: 2 },
      'extra keys': { addZeroAttention: true, addBiasKeyValue: true },
    };
    for (const [name, options] of Object.entries(layers)) {
      it.each([false, true])(
        `of MultiHeadAttention.step is the sum of those of each step: ${name}, hooked %s`,
        (isHooked) => {
          const layer = new MultiHeadAttention({ dModel: 8, numHeads: 2, bias: true, seed: 5, ...options });
          if (isHooked) layer.addHook('hook_pattern', (pattern) => pattern.scale(1.5), { heads: [1] });
          const x = normal(16, 8, 6);
          for (const mode of [{ mode: 'ring' }, { mode: 'ring', sinkTokens: 1 }, { mode: 'linear' }] as const) {
            const caches = [3, 3].map((capacity) => layer.createCache({ capacity, ...mode }));
            const steps = [2, 4, 2, 4, 2]; // rows, the same number for each cache
            let from = 0;
            const each = steps.map((count) => {
              const rows = x.sliceRows(from, from + count);
              from += count;
              return () => {
                if (mode.mode === 'linear') for (const cache of caches) cache.truncate(Math.min(cache.length, 1));
                return layer.step(rows, caches).multiply(x.sliceRows(0, count)).sum();
              };
            });
            const alone = each.map((step) => valueAndGrad(step).gradients);
            for (const cache of caches) cache.reset();
            const together = valueAndGrad(() => Matrix.concatRows(each.map((step) => step())).sum()).gradients;
            for (const [path, parameter] of layer.namedParameters()) {
              const parts = alone.map((gradients) => gradients.get(parameter) as Matrix | undefined);
              const sum = parts.reduce((a, b) => (a && b ? a.add(b) : (a ?? b)));
              const got = together.get(parameter) as Matrix | undefined;
              expect(got === undefined, path).toBe(sum === undefined);
              if (got && sum) expectClose(got.data, sum.data, tolerance, `${path}, ${mode.mode}`);
            }
          }
        },
      );
    }
  });

  it('the gradient through CausalLM.step is that of each step by itself', () => {
    const model = new CausalLM({ vocabularySize: 7, dModel: 8, numLayers: 2, numHeads: 2, seed: 1 }).eval();
    const caches = model.createCaches({ capacity: 2, mode: 'ring' });
    const loss = (id: number) => crossEntropy(model.step([id], caches), [(id + 1) % 7]);
    const ids = [3, 1, 4, 1, 5];
    const alone = ids.map((id) => valueAndGrad(() => loss(id)).gradients);
    for (const cache of caches) cache.reset();
    const together = valueAndGrad(() => Matrix.concatRows(ids.map(loss)).sum()).gradients;
    const { W_Q } = model.layers[1].attention;
    const sum = alone.map((gradients) => gradients.get(W_Q) as Matrix).reduce((a, b) => a.add(b));
    expectClose((together.get(W_Q) as Matrix).data, sum.data, tolerance);
  });
});
