import { expect, test } from 'vitest';
import { requireState, type StateEntry } from '../../src/core/stored-tensor.js';
import { ShapeError } from '../../src/index.js';

const ENTRIES = new Map<string, StateEntry>([
  ['W', { dtype: 'F32', shape: [2, 3] }],
  ['step', { dtype: 'I32', shape: [] }],
]);

function good(): Map<unknown, unknown> {
  return new Map([
    ['W', { dtype: 'F32', shape: [2, 3], data: new Float32Array(6) }],
    ['step', { dtype: 'I32', shape: [], data: Int32Array.of(4) }],
  ]);
}

const check = (state: unknown) => () => requireState('load', state, ENTRIES);

test('a state of these names, kinds and shapes passes', () => {
  expect(check(good())).not.toThrow();
});

test.each([
  ['no Map', {}, TypeError, 'load: the state must be a Map of tensors: got an object'],
  [
    'no names',
    new Map([[Symbol('W'), 1]]),
    ShapeError,
    'load: the state must have exactly the names of stateDict(): missing W, step; unknown a symbol',
  ],
  [
    'another dtype',
    good().set('step', { dtype: 'F32', shape: [], data: new Float32Array(1) }),
    TypeError,
    'load: step must be { dtype: \'I32\', shape, data: Int32Array }: got dtype "F32", shape [], data [0]',
  ],
  ['nothing', good().set('W', undefined), TypeError, /W must be .*: got dtype undefined/],
  [
    'another rank',
    good().set('step', { dtype: 'I32', shape: [1], data: Int32Array.of(4) }),
    ShapeError,
    'load: step must have shape []: got [1]',
  ],
  [
    'another shape',
    good().set('W', { dtype: 'F32', shape: [3, 2], data: new Float32Array(6) }),
    ShapeError,
    'load: W must have shape [2, 3]: got [3, 2]',
  ],
  [
    'another length',
    good().set('step', { dtype: 'I32', shape: [], data: new Int32Array(2) }),
    ShapeError,
    'load: step must hold 1 number: got 2',
  ],
] as const)('%s', (_, state, kind, message) => {
  expect(check(state)).toThrow(kind);
  expect(check(state)).toThrow(message);
});
