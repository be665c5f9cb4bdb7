import { expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { affine, Linear, zeroBias } from '../../../src/nn/layers/linear.js';
import { expectClose } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

forEachTwin(({ tolerance }) => {
  it('is x·W + b', () => {
    const layer = new Linear(3, 2, { bias: true, seed: 1 });
    layer.b?.data.set([10, 20]);
    const x = Matrix.randomNormal(4, 3, { seed: 2 });
    const got = layer.forward(x);
    for (let r = 0; r < 4; r++) {
      const expected = [0, 1].map((c) => [0, 1, 2].reduce((s, p) => s + x.get(r, p) * layer.W.get(p, c), 10 * (c + 1)));
      expectClose(got.row(r), expected, tolerance);
    }
  });
});

it('starts Xavier uniform with b = 0, or as torch.nn.Linear, the same for the same seed', () => {
  const xavier = new Linear(24, 30, { bias: true, seed: 1 });
  expect(Math.max(...xavier.W.data)).toBeLessThan(1 / 3);
  expect(Math.max(...xavier.W.data)).toBeGreaterThan(0.32);
  expect(xavier.b?.data.every((x) => x === 0)).toBe(true);
  const torch = new Linear(100, 30, { bias: true, init: 'torch', seed: 1 });
  expect(Math.max(...torch.W.data)).toBeLessThan(0.1);
  expect(torch.b?.data.some((x) => x !== 0)).toBe(true);
  expect([...new Linear(24, 30, { seed: 1 }).W.data]).toEqual([...xavier.W.data]);
  expect(new Linear(2, 2).b).toBeUndefined();
});

it('helpers: a product with or without a bias', () => {
  const [x, w] = [Matrix.from([[1, 2]]), Matrix.identity(2)];
  expect(affine(x, w).toArray()).toEqual([[1, 2]]);
  expect(affine(x, w, Matrix.from([[5, 6]])).toArray()).toEqual([[6, 8]]);
  expect(zeroBias('b', false, 3)).toBeUndefined();
  expect(zeroBias('b', true, 3)?.toArray()).toEqual([[0, 0, 0]]);
});
