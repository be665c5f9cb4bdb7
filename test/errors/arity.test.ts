import { describe, expect, test } from 'vitest';
import * as qkv from '../../src/index.js';
import { type GoodCall, invoke } from '../calls/callable.js';
import { CALLABLES } from '../calls/places.js';
import { GOOD_CALLS } from '../calls/registry.js';

// What nobody reads is refused: an argument too many was meant to do something, and a step that ignores it is a wrong result.

/** Which may get more, and why. */
const OPEN: Record<string, string> = {
  isQkvError: 'a predicate, for filter and some',
  'Matrix.toJSON': 'JSON.stringify gives it the key',
};

/** Objects to call what takes no argument on. */
const SELVES: Record<string, () => object> = {
  Matrix: () => new qkv.Matrix(2, 2),
  Parameter: () => new qkv.Parameter(2, 2),
  Module: () => new qkv.Linear(2, 2),
  KVCache: () => new qkv.KVCache({ capacity: 2, dK: 2 }),
  Optimizer: () => new qkv.SGD([new qkv.Parameter(1, 1)]),
  Gradients: () => qkv.valueAndGrad(() => new qkv.Matrix(1, 1).sum()).gradients,
};

function goodCall(name: string): GoodCall | undefined {
  if (name in GOOD_CALLS) return GOOD_CALLS[name]();
  const [owner, member] = name.split('.');
  if (member === undefined) return { args: [] };
  const self = SELVES[owner]?.();
  return self && { self, args: [] };
}

describe('an argument too many', () => {
  test.each(CALLABLES.filter(({ name }) => !(name in OPEN)))('is refused by $name', async ({ name, parameters }) => {
    const call = goodCall(name);
    expect(call, `${name} has a call`).toBeDefined();
    const { args, ...rest } = call as GoodCall;
    const filled = [...args, ...new Array(Math.max(0, parameters.length - args.length)).fill(undefined), 'surplus'];
    const outcome = async () => {
      const result = invoke(name, { ...rest, args: filled });
      const isGenerator = typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
      if (isGenerator) await (result as AsyncGenerator).next();
    };
    await expect(outcome(), name).rejects.toThrow(/: (no argument|at most \d arguments?) must be given: got \d/);
    await expect(outcome(), name).rejects.toBeInstanceOf(TypeError);
  });

  test('the exceptions are callables', () => {
    expect(Object.keys(OPEN).filter((name) => !CALLABLES.some((callable) => callable.name === name))).toEqual([]);
  });
});
