import { describe, expect, test } from 'vitest';
import { ALL, faultOf } from './all-messages.js';
import { CALLABLES } from './places.js';

/** Callables for which one class of mistake does not exist. */
const NO_SHAPE_MISTAKE: Record<string, string> = {
  'Matrix.scale': 'any number will do',
  noGrad: 'any function will do that waits for nothing',
  'Gradients.get': 'any matrix may be asked for',
  'Gradients.add': 'gradients of any matrices add up',
  'Gradients.scale': 'any number will do',
  'Adam.step': 'gradients of any matrices will do',
  'AdamW.step': 'gradients of any matrices will do',
  'SGD.step': 'gradients of any matrices will do',
  logSoftmax: 'x may have any shape',
  relu: 'x may have any shape',
  silu: 'x may have any shape',
  'Module.train': 'true and false both will do',
};

const NO_MISTAKE: Record<string, string> = { isQkvError: 'any value may be asked about' };

describe('a mistake and its answer', () => {
  test.each(ALL.map((bad, i) => [bad[3], i] as const))('%s (%i)', (_, i) => {
    expect(faultOf(ALL[i])).toBeUndefined();
  });
});

test('every public callable with parameters has a mistake of shape or range, and one of kind', () => {
  const has = (name: string, kind: string) => ALL.some((bad) => bad[0] === name && bad[2].name === kind);
  const named = CALLABLES.filter(({ parameters }) => parameters.length > 0).map(({ name }) => name);
  console.log(`${ALL.length} mistakes with their messages`);
  expect(named.filter((name) => !has(name, 'TypeError') && !(name in NO_MISTAKE))).toEqual([]);
  expect(named.filter((name) => !has(name, 'ShapeError') && !(name in { ...NO_SHAPE_MISTAKE, ...NO_MISTAKE }))).toEqual(
    [],
  );
  expect(ALL.filter(([name]) => !CALLABLES.some((callable) => callable.name === name))).toEqual([]);
  expect(Object.keys(NO_SHAPE_MISTAKE).filter((name) => !named.includes(name) || has(name, 'ShapeError'))).toEqual([]);
});
