import { describe, expect, it } from 'vitest';
import { setSeed } from '../../src/kernels/state.js';
import { CausalLM } from '../../src/nn/causal-lm.js';
import { checkGenerate, type GenerateOptions, generateTokens } from '../../src/nn/generation.js';
import { forEachTwin } from '../support/twins.js';

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
  });
});

describe('CausalLM.generate', () => {
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

describe('generateTokens', () => {
  it('lets the event loop turn while it works', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const slow = () => {
      const end = Date.now() + 30;
      while (Date.now() < end);
      return [1, 0];
    };
    const sizes = { vocabularySize: 2, capacity: Number.POSITIVE_INFINITY };
    const generation = checkGenerate('w', [0], { maxTokens: 9, temperature: 0 }, sizes);
    expect(await all(generateTokens(generation, slow))).toHaveLength(9);
    clearInterval(timer);
    expect(turns).toBeGreaterThanOrEqual(3); // 270 ms with a turn every 60
  });
});
