import { describe, expect, it } from 'vitest';
import { streamedOrAwaited } from '../../../src/nn/models/streamed-or-awaited.js';

/** Tokens 0, 1, 2, and what became of whoever makes them. */
function counted(fails = Number.POSITIVE_INFINITY) {
  const seen = { made: 0, ended: 0 };
  async function* tokens() {
    try {
      for (; seen.made < 3; seen.made++) {
        if (seen.made === fails) throw new Error('mine');
        yield seen.made;
      }
    } finally {
      seen.ended++;
    }
  }
  return { seen, tokens: streamedOrAwaited('w', tokens()) };
}

const streamed = async (tokens: AsyncIterable<number>) => {
  const ids: number[] = [];
  for await (const id of tokens) ids.push(id);
  return ids;
};
const REFUSED = 'w: tokens must be either streamed or awaited: they are';

describe('streamedOrAwaited', () => {
  it('gives all tokens to whoever awaits, each time the same list', async () => {
    const { seen, tokens } = counted();
    expect(seen.made).toBe(0); // not before somebody asks
    const [first, second] = await Promise.all([tokens, tokens]);
    expect(first).toEqual([0, 1, 2]);
    expect(second).toBe(first);
    expect(await tokens).toBe(first);
    expect(await tokens.then(({ length }) => length)).toBe(3);
    expect(seen).toEqual({ made: 3, ended: 1 });
  });

  it('gives them one by one to a loop, and takes nothing more after it is left', async () => {
    expect(await streamed(counted().tokens)).toEqual([0, 1, 2]);
    const { seen, tokens } = counted();
    for await (const id of tokens) if (id === 1) break;
    expect(seen).toEqual({ made: 1, ended: 1 });
    expect(await tokens.next()).toEqual({ value: undefined, done: true });
  });

  it('refuses to be awaited once a token was asked for, also by a loop that is over, and the loop goes on', async () => {
    const { tokens } = counted();
    const first = tokens.next();
    await expect(Promise.resolve(tokens)).rejects.toThrow(`${REFUSED} streamed already (generate them again)`);
    expect(await first).toEqual({ value: 0, done: false });
    expect(await streamed(tokens)).toEqual([1, 2]);
    await expect((async () => await tokens)()).rejects.toThrow(TypeError);
    const left = counted().tokens;
    await left.return();
    await expect(Promise.resolve(left)).rejects.toThrow(REFUSED);
    const broken = counted().tokens;
    await expect(broken.throw('mine')).rejects.toBe('mine');
    await expect(Promise.resolve(broken)).rejects.toThrow(REFUSED);
  });

  it('refuses to be streamed once it is awaited, before and after all are there, and the list is whole', async () => {
    const { tokens } = counted();
    const all = tokens.then((ids) => ids);
    await expect(tokens.next()).rejects.toThrow(`${REFUSED} awaited already (generate them again)`);
    await expect(streamed(tokens)).rejects.toThrow(TypeError);
    await expect(tokens.throw('mine')).rejects.toThrow(REFUSED);
    expect(await all).toEqual([0, 1, 2]);
    await expect(streamed(tokens)).rejects.toThrow(REFUSED);
    await expect(streamed(tokens)).rejects.toThrow(REFUSED);
    expect(await tokens.return()).toEqual({ value: undefined, done: true }); // nothing is left to end
    expect(await tokens).toEqual([0, 1, 2]);
  });

  it('ends where return is called, with the tokens made so far for whoever awaits', async () => {
    const { seen, tokens } = counted();
    const all = tokens.then((ids) => ids);
    await tokens.return();
    expect(await all).toEqual([0]);
    expect(seen.ended).toBe(1);
  });

  it('fails as the tokens do, each time', async () => {
    const { seen, tokens } = counted(1);
    await expect(Promise.resolve(tokens)).rejects.toThrow('mine');
    expect(await tokens.then(undefined, (error: Error) => error.message)).toBe('mine');
    expect(seen.ended).toBe(1);
  });

  it('is a generator to look at', () => {
    const { tokens } = counted();
    expect(tokens[Symbol.asyncIterator]()).toBe(tokens);
    expect(Object.keys(tokens)).toEqual([]);
  });
});
