import { expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { LayerNorm, newNorm, RMSNorm } from '../../../src/nn/layers/norms.js';
import { layerNorm, rmsNorm } from '../../../src/ops/normalization.js';
import { expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

forEachTwin(() => {
  it('are the functions with their parameters', () => {
    const x = Matrix.randomNormal(3, 6, { seed: 1 });
    const [layer, rms] = [new LayerNorm(6, { epsilon: 0.5 }), new RMSNorm(6, { epsilon: 0.5 })];
    expectSame(layer.forward(x).data, layerNorm(x, undefined, undefined, { epsilon: 0.5 }).data);
    expectSame(rms.forward(x).data, rmsNorm(x, undefined, { epsilon: 0.5 }).data);
    layer.gain.data.fill(2);
    layer.bias?.data.fill(3);
    rms.gain.data.fill(2);
    expectSame(layer.forward(x).data, layerNorm(x, layer.gain, layer.bias, { epsilon: 0.5 }).data);
    expectSame(rms.forward(x).data, rmsNorm(x, rms.gain, { epsilon: 0.5 }).data);
  });
});

it('LayerNorm without a bias is the function without one', () => {
  const x = Matrix.randomNormal(3, 6, { seed: 1 });
  const norm = new LayerNorm(6, { bias: false });
  expect([...norm.namedParameters().keys()]).toEqual(['gain']);
  expectSame(norm.forward(x).data, layerNorm(x, norm.gain).data);
  expect([...newNorm(6, { normBias: false }).namedParameters().keys()]).toEqual(['gain']);
  expect(newNorm(6, { norm: 'rms', epsilon: 0.5 })).toBeInstanceOf(RMSNorm);
});

it('have gain and bias, or gain, to learn; epsilon 1e-5', () => {
  expect([...new LayerNorm(2).namedParameters().keys()]).toEqual(['gain', 'bias']);
  expect([...new RMSNorm(2).namedParameters().keys()]).toEqual(['gain']);
  expect([new LayerNorm(2).epsilon, new RMSNorm(2).epsilon]).toEqual([1e-5, 1e-5]);
});
