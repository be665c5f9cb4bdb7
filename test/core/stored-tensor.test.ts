import { expect, test } from 'vitest';
import { isSameShape, isShape, requireState, type StateEntry } from '../../src/core/stored-tensor.js';
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
  [
    'another dtype than its data',
    good().set('step', { dtype: 'U32', shape: [], data: Int32Array.of(4) }),
    TypeError,
    'load: step must be { dtype: \'I32\', shape, data: Int32Array }: got dtype "U32", shape [], data [4]',
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

test('a shape is a list of integers of at least 0, without a hole', () => {
  for (const shape of [[], [0], [2, 3], [Number.MAX_SAFE_INTEGER]]) expect(isShape(shape)).toBe(true);
  const holes: number[] = [2];
  holes[2] = 3;
  for (const shape of [
    [-1],
    [2, -1],
    [1.5],
    [2 ** 53],
    [Number.NaN],
    ['2'],
    [2n],
    holes,
    2,
    undefined,
    { length: 0 },
  ]) {
    expect(isShape(shape), String(shape)).toBe(false);
  }
});

test('the same shape has the same extents and no more', () => {
  expect(isSameShape([2, 3], [2, 3])).toBe(true);
  const holes = new Array(2);
  for (const other of [[2], [2, 3, 4], [3, 2], holes]) {
    expect(isSameShape(other, [2, 3])).toBe(false);
    expect(isSameShape([2, 3], [...other])).toBe(false);
  }
});
