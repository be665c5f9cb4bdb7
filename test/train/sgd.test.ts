import { expect, test } from 'vitest';
import { Matrix, SGD, ShapeError } from '../../src/index.js';
import { expectClose } from '../support/compare.js';
import { gradientsLike } from './support.js';

const row = (...values: number[]) => Matrix.from([values]);

test('steps against the gradient, by hand', () => {
  const p = row(1, -2);
  const optimizer = new SGD([p], { learningRate: 0.5 });
  optimizer.step(gradientsLike([p, row(2, 4)]));
  expectClose(p.data, [0, -4], 0);
  expect([...optimizer.stateDict().keys()]).toEqual(['learningRate', '0.step']); // without momentum nothing else is kept
});

test('the momentum starts as the first gradient', () => {
  const p = row(0);
  const optimizer = new SGD([p], { learningRate: 1, momentum: 0.5 });
  optimizer.step(gradientsLike([p, row(4)]));
  expectClose(p.data, [-4], 0);
  optimizer.step(gradientsLike([p, row(0)]));
  expectClose(p.data, [-6], 0);
});

test('nesterov without momentum is refused', () => {
  expect(() => new SGD([row(1)], { learningRate: 1, nesterov: true })).toThrow(ShapeError);
});

test('its state has the names of the list, and the momentum under "momentum"', () => {
  const [p, q] = [row(1, 2), row(3)];
  const optimizer = new SGD([p, q], { learningRate: 0.5, momentum: 0.9 });
  optimizer.step(gradientsLike([q, row(2)]));
  const state = optimizer.stateDict();
  expect([...state.keys()]).toEqual(['learningRate', '0.step', '0.momentum', '1.step', '1.momentum']);
  expect(state.get('0.momentum')).toEqual({ dtype: 'F32', shape: [1, 2], data: new Float32Array(2) });
  expect(state.get('1.momentum')?.data).toEqual(Float32Array.of(2));
  expect([state.get('0.step')?.data[0], state.get('1.step')?.data[0]]).toEqual([0, 1]);
});
