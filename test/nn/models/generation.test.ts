import { describe, expect, it } from 'vitest';
import { setSeed } from '../../../src/kernels/state.js';
import { CausalLM } from '../../../src/nn/models/causal-lm.js';
import { checkGenerate, type GenerateOptions, generateTokens } from '../../../src/nn/models/generation.js';
import { sampler } from '../../../src/nn/models/sampling.js';
import type { KVCache } from '../../../src/ops/cache/kv-cache.js';
import { expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

const model = (options = {}) =>
  new CausalLM({ vocabularySize: 13, dModel: 16, numLayers: 2, numHeads: 2, capacity: 40, seed: 1, ...options }).eval();
const PROMPT = [3, 1, 4];

async function all(tokens: AsyncIterable<number>): Promise<number[]> {
  const out: number[] = [];
  for await (const id of tokens) out.push(id);
  return out;
}

/** The most likely tokens, one whole forward each. */
function greedy(lm: CausalLM, count: number): number[] {
  const ids = [...PROMPT];
  for (let i = 0; i < count; i++) ids.push(lm.forward(ids).argmax()[ids.length - 1]);
  return ids.slice(PROMPT.length);
}

forEachTwin(() => {
  describe('CausalLM.generate', () => {
    it.each(['rope', 'learned', 'sinusoidal'] as const)(
      'is the most likely tokens, cached or not: %s',
      async (positions) => {
        const lm = model({ positions });
        const expected = greedy(lm, 12);
        for (const cached of [true, false]) {
          expect(await all(lm.generate(PROMPT, { maxTokens: 12, temperature: 0, cached }))).toEqual(expected);
        }
      },
    );

    it('draws the same tokens from the same seed, cached or not', async () => {
      const lm = model();
      const options = { maxTokens: 30, temperature: 2, topK: 9, topP: 0.9, seed: 8 };
      const tokens = await all(lm.generate(PROMPT, options));
      expect(await all(lm.generate(PROMPT, { ...options, cached: false }))).toEqual(tokens);
      expect(await all(lm.generate(PROMPT, { ...options, seed: 9 }))).not.toEqual(tokens);
      expect(new Set(tokens).size).toBeGreaterThan(3);
    });

    it('shows the logits of forward and all tokens so far, and draws from what is left of them', async () => {
      const lm = model();
      for (const cached of [true, false]) {
        const seen: { row: Float32Array; ids: readonly number[] }[] = [];
        const logits = (row: Float32Array, ids: readonly number[]) => {
          seen.push({ row: row.slice(), ids });
          row.fill(Number.NEGATIVE_INFINITY, 0, 13).fill(0, 5 + (ids.length % 2), 6 + (ids.length % 2));
        };
        const tokens = await lm.generate(PROMPT, { maxTokens: 4, cached, seed: 1, logits });
        expect(tokens).toEqual([6, 5, 6, 5]);
        expect(seen.map(({ ids }) => ids)).toEqual([0, 1, 2, 3].map((made) => [...PROMPT, ...tokens.slice(0, made)]));
        for (const { row, ids } of seen) expectSame(row, lm.forward(ids).row(ids.length - 1), 'the row');
      }
    });

    it('makes what step and sampler make: penalty, minP and all', async () => {
      const lm = model();
      const options = { temperature: 1.5, topK: 9, topP: 0.95, minP: 0.05, repetitionPenalty: 1.3, seed: 6 };
      const [sample, caches] = [sampler(options), lm.createCaches()];
      const ids = [...PROMPT];
      let logits = lm.step(PROMPT, caches, { logits: 'last' });
      for (let made = 0; made < 20; made++) {
        ids.push(sample(logits.row(0), ids));
        logits = lm.step(ids.slice(-1), caches);
      }
      expect(await lm.generate(PROMPT, { ...options, maxTokens: 20 })).toEqual(ids.slice(3));
    });
  });
});

describe('CausalLM.generate', () => {
  it('goes on after a prompt that is longer than the stack, uncached too', async () => {
    const sizes = { vocabularySize: 3, dModel: 2, numLayers: 1, numHeads: 1, dHidden: 2, window: 1, seed: 1 };
    const prompt = new Int32Array(200_000).fill(1);
    const generated = new CausalLM(sizes).generate(prompt, { maxTokens: 1, temperature: 0, cached: false });
    expect(await all(generated)).toHaveLength(1);
  });

  it('ends before a stop token, after maxTokens, and where the loop is left', async () => {
    const lm = model();
    const tokens = greedy(lm, 12);
    const other = tokens.findIndex((id) => id !== tokens[0]);
    const until = (stop: GenerateOptions['stop']) => all(lm.generate(PROMPT, { maxTokens: 12, temperature: 0, stop }));
    expect(other).toBeGreaterThan(0);
    expect(await until(tokens[other])).toEqual(tokens.slice(0, other));
    expect(await until([tokens[other], tokens[0]])).toEqual([]);
    expect(await until([])).toEqual(tokens);
    expect(await all(lm.generate(PROMPT, { maxTokens: 0 }))).toEqual([]);
    const generator = lm.generate(PROMPT, { temperature: 0 });
    for await (const id of generator) if (id === tokens[other]) break;
    expect(await generator.next()).toEqual({ value: undefined, done: true });
  });

  it('makes as many tokens as the capacity leaves, or 256', async () => {
    expect(await all(model({ positions: 'learned' }).generate(PROMPT, { seed: 1 }))).toHaveLength(38);
    expect(await all(model({ capacity: undefined }).generate(PROMPT, { seed: 1 }))).toHaveLength(256);
    expect(await all(model().generate(PROMPT, { seed: 1, maxTokens: 38 }))).toHaveLength(38);
  });

  it('draws its seed from the stream, and only if it draws tokens', async () => {
    const lm = model();
    const tokens = () => all(lm.generate(PROMPT, { maxTokens: 20, temperature: 3 }));
    setSeed(4);
    const first = await tokens();
    expect(await tokens()).not.toEqual(first);
    setSeed(4);
    await all(lm.generate(PROMPT, { maxTokens: 2, temperature: 0 }));
    expect(await tokens()).toEqual(first);
    setSeed(0);
  });

  it('refuses at once, not with the first token', () => {
    const lm = model();
    expect(() => lm.generate([])).toThrow('CausalLM.generate: ids must hold at least one token: got none');
    expect(() => lm.generate([13])).toThrow('CausalLM.generate: ids[0] must be an integer from 0 to 12: got 13');
    expect(() => lm.generate(PROMPT, { maxTokens: 39 })).toThrow(
      'CausalLM.generate: ids and what follows must have at most capacity = 40 tokens: got 3 and 39 more',
    );
    expect(() => lm.generate(new Uint8Array(41))).toThrow('capacity = 40 tokens: got 41 and 0 more');
  });
});

describe('the signal of CausalLM.generate', () => {
  it('ends with its reason: before the first token, between two, and where all are awaited', async () => {
    const lm = model();
    const reason = new Error('enough');
    const controller = new AbortController();
    const tokens = lm.generate(PROMPT, { signal: controller.signal });
    expect((await tokens.next()).done).toBe(false);
    controller.abort(reason);
    await expect(tokens.next()).rejects.toBe(reason);
    expect(await tokens.next()).toEqual({ value: undefined, done: true });
    const { signal } = controller;
    await expect(lm.generate(PROMPT, { signal }).next()).rejects.toBe(reason);
    await expect(lm.generate(PROMPT, { signal, maxTokens: 0 }).next()).rejects.toBe(reason);
    await expect(Promise.resolve(lm.generate(PROMPT, { signal }))).rejects.toBe(reason);
    await expect(lm.generate(PROMPT, { signal: AbortSignal.abort() }).next()).rejects.toThrow(DOMException);
  });

  it('changes nothing as long as it is not aborted', async () => {
    const lm = model();
    const { signal } = new AbortController();
    expect(await lm.generate(PROMPT, { maxTokens: 5, temperature: 0, signal })).toEqual(greedy(lm, 5));
  });

  it('ends what runs for long, and before anything is computed for the next token', async () => {
    const lm = model();
    let rows = 0;
    const { forward } = lm.layers[0].feedForward;
    lm.layers[0].feedForward.forward = (x) => {
      rows += x.rows;
      const end = Date.now() + 30;
      while (Date.now() < end);
      return forward.call(lm.layers[0].feedForward, x);
    };
    const reading = Promise.resolve(lm.generate(PROMPT, { signal: AbortSignal.timeout(100) }));
    await expect(reading).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(rows).toBeGreaterThan(3);
    expect(rows).toBeLessThan(20);
    rows = 0;
    await expect(lm.generate(PROMPT, { signal: AbortSignal.abort() }).next()).rejects.toThrow();
    expect(rows).toBe(0);
  });
});

describe('the logits of CausalLM.generate', () => {
  it('belong to the hook: it may keep them, and the tokens it is shown', async () => {
    const lm = model();
    const rows: Float32Array[] = [];
    const logits = (row: Float32Array, ids: readonly number[]) => {
      rows.push(row);
      (ids as number[]).length = 0;
    };
    const tokens = await lm.generate(PROMPT, { maxTokens: 5, temperature: 0, logits, cached: false });
    expect(tokens).toEqual(greedy(lm, 5));
    rows.forEach((row, made) => {
      expect(row).toEqual(lm.forward([...PROMPT, ...tokens.slice(0, made)], { logits: 'last' }).row(0));
    });
  });

  it('come before the penalty, and count with temperature 0', async () => {
    const lm = model();
    const logits = (row: Float32Array) => {
      row.fill(0).set([4, 3, 2.5]);
    };
    const options = { maxTokens: 4, temperature: 0, logits };
    expect(await lm.generate([5], options)).toEqual([0, 0, 0, 0]);
    expect(await lm.generate([5], { ...options, repetitionPenalty: 1.5 })).toEqual([0, 1, 0, 0]); // 2.67, then 2; 2.5
  });

  it('are one row of the model, however long the prompt', async () => {
    const lm = model();
    const rows: number[] = [];
    const { forward } = lm.norm;
    lm.norm.forward = (x) => {
      rows.push(x.rows);
      return forward.call(lm.norm, x);
    };
    await lm.generate(PROMPT, { maxTokens: 3 });
    await lm.generate(PROMPT, { maxTokens: 3, cached: false });
    expect(rows).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('must be written in place', async () => {
    const lm = model();
    const first = (logits: unknown) => lm.generate(PROMPT, { logits: logits as () => void }).next();
    await expect(first((row: Float32Array) => row)).rejects.toThrow(
      'CausalLM.generate: logits must return nothing: it gave a Float32Array of length 13 (write into the row)',
    );
    await expect(first(() => null)).rejects.toThrow('logits must return nothing: it gave null');
    await expect(first(async () => {})).rejects.toThrow('logits must not be asynchronous: it gave a Promise');
    await expect(first(() => Promise.reject(new Error('late')))).rejects.toThrow('logits must not be asynchronous');
    await expect(first((row: Float32Array) => void row.fill(Number.NaN))).rejects.toThrow('token 0 has NaN');
  });
});

describe('the caches of CausalLM.generate', () => {
  /** A model, and every cache it has made. */
  function watched() {
    const lm = model();
    const made: KVCache[] = [];
    const { createCaches } = lm;
    lm.createCaches = (options) => {
      const caches = createCaches.call(lm, options);
      made.push(...caches);
      return caches;
    };
    return { lm, made };
  }
  const states = (caches: KVCache[]) => caches.map((cache) => cache.isReleased);

  it('are released however a generation ends', async () => {
    const ends: Record<string, (lm: CausalLM) => unknown> = {
      'all tokens': (lm) => all(lm.generate(PROMPT, { maxTokens: 3 })),
      break: async (lm) => {
        for await (const id of lm.generate(PROMPT)) if (id >= 0) break;
      },
      stop: (lm) => all(lm.generate(PROMPT, { stop: Array.from({ length: 13 }, (_, id) => id) })),
      return: async (lm) => {
        const tokens = lm.generate(PROMPT);
        await tokens.next();
        await tokens.return();
      },
      throw: async (lm) => {
        const tokens = lm.generate(PROMPT);
        await tokens.next();
        await tokens.throw(new Error('mine')).catch(() => {});
      },
      await: (lm) => lm.generate(PROMPT, { maxTokens: 3 }),
      signal: async (lm) => {
        const controller = new AbortController();
        const tokens = lm.generate(PROMPT, { signal: controller.signal });
        await tokens.next();
        controller.abort('enough');
        await expect(tokens.next()).rejects.toBe('enough');
      },
      'logits that throw': async (lm) => {
        const logits = () => {
          throw new Error('mine');
        };
        await expect(lm.generate(PROMPT, { logits }).next()).rejects.toThrow('mine');
      },
      'a hook that throws': async (lm) => {
        const tokens = lm.generate(PROMPT);
        await tokens.next();
        lm.layers[1].attention.addHook('hook_z', () => {
          throw new Error('mine');
        });
        await expect(tokens.next()).rejects.toThrow('mine');
      },
      'logits that are none': async (lm) => {
        lm.head?.W.data.fill(Number.NaN);
        await expect(lm.generate(PROMPT).next()).rejects.toThrow('the logits of the next token must be numbers');
      },
    };
    for (const [name, end] of Object.entries(ends)) {
      const { lm, made } = watched();
      await end(lm);
      expect(states(made), name).toEqual([true, true]);
    }
  });

  it('are not made by one that is never started, and stay while one is under way', async () => {
    const { lm, made } = watched();
    const tokens = lm.generate(PROMPT);
    await lm.generate(PROMPT).return(); // never started
    expect(made).toEqual([]);
    await tokens.next();
    expect(states(made)).toEqual([false, false]);
    await tokens.return();
    expect(states(made)).toEqual([true, true]);
  });

  it('fit into one memory, however many generations are left', async () => {
    // 2 × 2 MiB a generation: 1500 of them are 6 GiB.
    const lm = new CausalLM({
      vocabularySize: 5,
      dModel: 64,
      numLayers: 2,
      numHeads: 2,
      capacity: 4096,
      seed: 1,
    }).eval();
    for (let i = 0; i < 1500; i++) for await (const id of lm.generate([1], { maxTokens: 4000 })) if (id >= 0) break;
  });

  it('are all given back where memory ends while they are made', () => {
    const lm = model();
    const made: KVCache[] = [];
    const { createCache } = lm.layers[0];
    lm.layers[0].createCache = (options) => {
      const cache = createCache.call(lm.layers[0], options);
      made.push(cache);
      return cache;
    };
    lm.layers[1].createCache = () => {
      throw new RangeError('full');
    };
    expect(() => lm.createCaches()).toThrow('full');
    expect(states(made)).toEqual([true]);
  });
});

describe('generateTokens', () => {
  it('lets the event loop turn between many short generations too, and not more often than it must', async () => {
    const sizes = { vocabularySize: 2, capacity: Number.POSITIVE_INFINITY };
    const slow = () => {
      const end = Date.now() + 10;
      while (Date.now() < end);
      return Float32Array.of(1, 0);
    };
    let turns = 0;
    const count = () => {
      turns++;
      timer = setTimeout(count);
    };
    let timer = setTimeout(count);
    for (let i = 0; i < 30; i++) {
      const generation = checkGenerate('w', [0], { maxTokens: 1, temperature: 0 }, sizes);
      expect(await all(generateTokens(generation, slow))).toEqual([0]);
    }
    clearTimeout(timer);
    expect(turns).toBeGreaterThanOrEqual(3); // 300 ms with a turn every 60
    expect(turns).toBeLessThan(30);
  });

  it('lets the event loop turn while it works', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const slow = () => {
      const end = Date.now() + 30;
      while (Date.now() < end);
      return Float32Array.of(1, 0);
    };
    const sizes = { vocabularySize: 2, capacity: Number.POSITIVE_INFINITY };
    const generation = checkGenerate('w', [0], { maxTokens: 9, temperature: 0 }, sizes);
    expect(await all(generateTokens(generation, slow))).toHaveLength(9);
    clearInterval(timer);
    expect(turns).toBeGreaterThanOrEqual(3); // 270 ms with a turn every 60
  });
});
