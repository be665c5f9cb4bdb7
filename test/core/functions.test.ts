import { describe, expect, it } from 'vitest';
import { dropPromise, requireFunction, requireSync } from '../../src/core/functions.js';

describe('functions that are called while operations are recorded', () => {
  it('must be functions', () => {
    expect(() => requireFunction('f', 'g', () => 1)).not.toThrow();
    expect(() => requireFunction('f', 'g', 1)).toThrow(new TypeError('f: g must be a function: got 1'));
  });

  it('must be over when they return', () => {
    expect(requireSync('f', 'g', 3)).toBe(3);
    const text = 'f: g must not be asynchronous: it gave a Promise (await before the call, or after it)';
    expect(() => requireSync('f', 'g', Promise.resolve(1))).toThrow(new TypeError(text));
  });

  it('a Promise that is refused may fail later, and nobody hears of it', async () => {
    const heard: unknown[] = [];
    const hear = (reason: unknown) => heard.push(reason);
    process.on('unhandledRejection', hear);
    dropPromise(Promise.reject(new Error('late')));
    dropPromise(1);
    expect(() => requireSync('f', 'g', Promise.reject(new Error('late')))).toThrow('asynchronous');
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.off('unhandledRejection', hear);
    expect(heard).toEqual([]);
  });
});
