import { expect, it } from 'vitest';
import { Matrix } from '../../src/matrix/matrix.js';
import { layerNorm, rmsNorm } from '../../src/ops/normalization.js';
import { expectClose, expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

const x = Matrix.randomNormal(7, 19, { seed: 1, mean: 3, std: 2 });
const gain = Matrix.randomNormal(1, 19, { seed: 2 });
const bias = Matrix.randomNormal(1, 19, { seed: 3 });

forEachTwin(({ tolerance }) => {
  it('layerNorm gives rows of mean 0 and variance 1 without gain and bias', () => {
    const y = layerNorm(x, undefined, undefined, { epsilon: 0 });
    for (let r = 0; r < 7; r++) {
      const row = [...y.row(r)];
      expectClose([row.reduce((s, v) => s + v, 0) / 19, row.reduce((s, v) => s + v * v, 0) / 19], [0, 1], tolerance);
    }
  });

  it('layerNorm applies gain, then bias; rmsNorm gain alone', () => {
    expectClose(layerNorm(x, gain, bias).data, layerNorm(x).multiply(gain).add(bias).data, tolerance);
    expectClose(rmsNorm(x, gain).data, rmsNorm(x).multiply(gain).data, tolerance);
  });

  it('rmsNorm gives rows of mean square 1, whatever their scale', () => {
    const y = rmsNorm(x, undefined, { epsilon: 0 });
    for (let r = 0; r < 7; r++) expectClose([[...y.row(r)].reduce((s, v) => s + v * v, 0) / 19], [1], tolerance);
    expectClose(rmsNorm(x.scale(8), undefined, { epsilon: 0 }).data, y.data, tolerance);
  });

  it('puts epsilon under the root: rows of zeros stay zeros', () => {
    expectSame(layerNorm(new Matrix(2, 3)).data, new Float32Array(6));
    expectSame(rmsNorm(new Matrix(2, 3)).data, new Float32Array(6));
    expectClose(rmsNorm(Matrix.from([[3, 3]]), undefined, { epsilon: 7 }).data, [0.75, 0.75], tolerance);
    expectClose(layerNorm(Matrix.from([[4, 6]]), undefined, undefined, { epsilon: 3 }).data, [-0.5, 0.5], tolerance);
  });

  it('normalizes each row alone', () => {
    expectSame(layerNorm(x.sliceRows(3, 4), gain, bias).data, layerNorm(x, gain, bias).sliceRows(3, 4).data);
    expect(layerNorm(new Matrix(0, 4)).rows).toBe(0);
  });
});
