import { describe, expect, test } from 'vitest';
import { attentionLayerMessages } from './attention-layer-messages.js';
import { attentionMessages } from './attention-messages.js';
import { cacheMessages } from './cache-messages.js';
import { decodingMessages } from './decoding-messages.js';
import { functionMessages } from './function-messages.js';
import { gradientMessages } from './gradient-messages.js';
import { grammarFault } from './grammar.js';
import { ioMessages } from './io-messages.js';
import { layerMessages } from './layer-messages.js';
import { matrixMessages } from './matrix-messages.js';
import { modelMessages } from './model-messages.js';
import { CALLABLES } from './places.js';
import { torchMessages } from './torch-messages.js';
import { trainMessages } from './train-messages.js';

const ALL = [
  ...matrixMessages,
  ...functionMessages,
  ...attentionMessages,
  ...layerMessages,
  ...attentionLayerMessages,
  ...cacheMessages,
  ...decodingMessages,
  ...modelMessages,
  ...gradientMessages,
  ...ioMessages,
  ...torchMessages,
  ...trainMessages,
];

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

function thrownBy(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('a mistake and its answer', () => {
  test.each(ALL.map((bad, i) => [bad[3], i] as const))('%s (%i)', (message, i) => {
    const [, call, kind] = ALL[i];
    const error = thrownBy(call);
    expect(error.message).toBe(message);
    expect(error.constructor).toBe(kind);
    expect(grammarFault(error)).toBeUndefined();
  });
});

test('every public callable with parameters has a mistake of shape or range, and one of kind', () => {
  const has = (name: string, kind: string) => ALL.some((bad) => bad[0] === name && bad[2].name === kind);
  const named = CALLABLES.filter(({ parameters }) => parameters.length > 0).map(({ name }) => name);
  console.log(`${ALL.length} mistakes with their messages`);
  expect(named.filter((name) => !has(name, 'TypeError'))).toEqual([]);
  expect(named.filter((name) => !has(name, 'ShapeError') && !(name in NO_SHAPE_MISTAKE))).toEqual([]);
  expect(ALL.filter(([name]) => !CALLABLES.some((callable) => callable.name === name))).toEqual([]);
  expect(Object.keys(NO_SHAPE_MISTAKE).filter((name) => !named.includes(name) || has(name, 'ShapeError'))).toEqual([]);
});
