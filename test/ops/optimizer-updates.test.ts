import { expect, test } from 'vitest';
import { Matrix, Parameter } from '../../src/index.js';
import { withKernels } from '../../src/kernels/state.js';
import { ResidentArray } from '../../src/kernels/wasm/memory/resident-array.js';
import { wrap } from '../../src/matrix/matrix.js';
import { euclideanNorm, momentLike, movedBy, updateAdam, updateSGD } from '../../src/ops/optimizer-updates.js';
import { expectClose, expectSame } from '../support/compare.js';
import { forEachTwin, TWINS } from '../support/twins.js';

const moved = (p: Float64Array, ...g: number[]) => ({ p, gradient: Float64Array.from(g), cols: g.length });

forEachTwin(() => {
  test('SGD is one update of the rule', () => {
    const [p, buffer] = [Float64Array.of(1), Float64Array.of(2)];
    updateSGD(moved(p, 3), buffer, { learningRate: 0.5, momentum: 0.25, nesterov: true, weightDecay: 0.5 });
    // g = 3.5, b = 0.5 + 3.5 = 4, the step 0.5·(3.5 + 0.25·4).
    expectSame(buffer, [4]);
    expectSame(p, [1 - 0.5 * 4.5]);
  });

  test('the first step of Adam is learningRate in the direction of the sign, whatever the betas', () => {
    const rule = { learningRate: 0.1, beta1: 0.7, beta2: 0.9, epsilon: 0, weightDecay: 0, isDecoupled: false };
    const p = Float64Array.of(1, 1);
    updateAdam(moved(p, 3, -1e-3), new Float64Array(2), new Float64Array(2), 1, rule);
    expectClose(p, [0.9, 1.1], 1e-15);
  });

  test('Adam by hand at t = 2, with decay in the gradient and decoupled', () => {
    const run = (isDecoupled: boolean) => {
      const [p, m, v] = [Float64Array.of(2), Float64Array.of(0.3), Float64Array.of(0.04)];
      const rule = { learningRate: 0.1, beta1: 0.8, beta2: 0.9, epsilon: 0.01, weightDecay: 0.5, isDecoupled };
      updateAdam(moved(p, 1), m, v, 2, rule);
      return [...p, ...m, ...v];
    };
    const byHand = (g: number, start: number) => {
      const [m, v] = [0.8 * 0.3 + 0.2 * g, 0.9 * 0.04 + 0.1 * g * g];
      return [start - (0.1 * (m / 0.36)) / (Math.sqrt(v / 0.19) + 0.01), m, v];
    };
    expectClose(run(false), byHand(1 + 0.5 * 2, 2), 1e-14);
    expectClose(run(true), byHand(1, 2 * (1 - 0.1 * 0.5)), 1e-14);
  });

  test('the norm is that of all matrices as one vector', () => {
    expect(euclideanNorm([Matrix.from([[3, 4]]), new Matrix(0, 3), Matrix.from([[12]])])).toBe(13);
  });
});

test('what moves: all of a dense gradient, the rows of a sparse one, all rows of it where dense is asked for', () => {
  const [table, whole] = [new Matrix(4, 2), new Matrix(4, 2)];
  const all = movedBy(whole, table, 'lazy');
  expect([all.p === table.data, all.gradient === whole.data, all.rows, all.cols]).toEqual([true, true, undefined, 2]);
  const rows = Int32Array.of(1, 3);
  const sparse = { rows, values: wrap(2, 2, Float32Array.of(5, 6, 7, 8)) };
  const some = movedBy(sparse, table, 'lazy');
  expect([some.gradient === sparse.values.data, some.rows === rows, some.cols]).toEqual([true, true, 2]);
  const dense = movedBy(sparse, table, 'dense');
  expect(dense.rows).toBeUndefined();
  expect(dense.gradient).toBeInstanceOf(Float32Array);
  expectSame(dense.gradient, [0, 0, 5, 6, 0, 0, 7, 8]);
  const exact = { rows, values: wrap(2, 2, Float64Array.of(1 / 3, 0, 0, 0)) };
  expect(movedBy(exact, table, 'dense').gradient[2]).toBe(1 / 3);
});

test.each(TWINS)('moments are zeros of the kind of the parameter, where the kernels $name want them', ({ name }) => {
  const parameter = new Parameter(2, 3, new Float32Array(6).fill(1));
  const moment = withKernels(name, () => momentLike(parameter));
  expect(moment).toBeInstanceOf(name === 'wasm-simd' ? ResidentArray : Float32Array);
  expect(moment instanceof ResidentArray).toBe(name === 'wasm-simd');
  expectSame(moment, [0, 0, 0, 0, 0, 0]);
  const exact = { data: new Float64Array(1) } as unknown as Matrix;
  expect(withKernels(name, () => momentLike(exact))).toBeInstanceOf(Float64Array);
});
