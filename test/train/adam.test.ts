import { expect, test } from 'vitest';
import { Adam, AdamW, Matrix } from '../../src/index.js';
import { expectClose } from '../support/compare.js';
import { gradientsLike } from './support.js';

const row = (...values: number[]) => Matrix.from([values]);

/** What one step makes of a parameter whose gradient is given. */
function once(make: (p: Matrix) => Adam | AdamW, start: number, gradient: number): number {
  const p = row(start);
  make(p).step(gradientsLike([p, row(gradient)]));
  return p.data[0];
}

test('the defaults are those of torch: AdamW decays by 0.01, Adam does not', () => {
  const learningRate = 0.5;
  const byDefault = [
    once((p) => new Adam([p], { learningRate }), 4, 1e-8),
    once((p) => new AdamW([p], { learningRate }), 4, 1e-8),
  ];
  const written = [
    once((p) => new Adam([p], { learningRate, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 }), 4, 1e-8),
    once((p) => new AdamW([p], { learningRate, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 }), 4, 1e-8),
  ];
  expect(byDefault).toEqual(written);
  // A gradient as large as epsilon goes half a step of learningRate; AdamW first shrinks 4 by 0.5·0.01.
  expectClose(byDefault, [4 - 0.25, 4 * 0.995 - 0.25], 1e-6);
});

test('the default betas are 0.9 and 0.999: a first step hides them, the moments do not', () => {
  for (const Optimizer of [Adam, AdamW]) {
    const p = row(0);
    const optimizer = new Optimizer([p], { learningRate: 0.5 });
    optimizer.step(gradientsLike([p, row(1)]));
    const moments = [...optimizer.stateDict().values()]
      .filter(({ shape }) => shape.length === 2)
      .map(({ data }) => Number(data[0]));
    expectClose(moments, [1 - 0.9, 1 - 0.999], 1e-7);
  }
});

test('decay in the gradient is normalized away in a first step; decoupled decay is not', () => {
  const options = { learningRate: 0.1, weightDecay: 2, epsilon: 0 };
  expectClose(
    [once((p) => new Adam([p], options), 4, 1)], // g = 1 + 2·4: one step of 0.1
    [3.9],
    1e-6,
  );
  expectClose([once((p) => new AdamW([p], options), 4, 1)], [4 * (1 - 0.2) - 0.1], 1e-6);
});

test('the betas are those of mean and square, in this order', () => {
  const p = row(0);
  const optimizer = new Adam([p], { learningRate: 1, betas: [0, 0.75], epsilon: 0 });
  optimizer.step(gradientsLike([p, row(2)]));
  const before = p.data[0];
  optimizer.step(gradientsLike([p, row(-1)]));
  // m = −1; v = (0.75·0.25·4 + 0.25·1) / (1 − 0.75²).
  expectClose([p.data[0] - before], [1 / Math.sqrt((0.75 * 0.25 * 4 + 0.25) / (1 - 0.75 ** 2))], 1e-6);
});

test('at t = 1000 the correction has gone', () => {
  const p = row(0);
  const optimizer = new Adam([p], { learningRate: 0.001 });
  for (let n = 0; n < 1000; n++) optimizer.step(gradientsLike([p, row(5)]));
  expectClose(p.data, [-1], 1e-5);
});
