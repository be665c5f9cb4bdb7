import { expect, it } from 'vitest';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { erfc } from '../../src/kernels/reference/activations.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { gelu, relu, silu } from '../../src/ops/activations.js';
import { expectClose } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

const points = Array.from({ length: 101 }, (_, i) => (i - 50) / 8);
const x = () => Matrix.from([points]);

forEachTwin(({ tolerance }) => {
  it.each([
    ['relu', relu, (v: number) => Math.max(v, 0)],
    ['silu', silu, (v: number) => v / (1 + Math.exp(-v))],
    ['gelu', gelu, (v: number) => 0.5 * v * erfc(-v / Math.SQRT2)],
    [
      'gelu, tanh form',
      (m: Matrix) => gelu(m, { approximate: 'tanh' }),
      (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    ],
  ])('%s of every entry', (_, f, expected) => {
    const input = x();
    expectClose(f(input).data, points.map(expected), tolerance);
    expect(input.toArray()).toEqual(x().toArray());
    expect(f(new Matrix(0, 3)).cols).toBe(3);
  });

  it('relu has gradient 0 at 0, as in torch', () => {
    const at = Matrix.from([[0, -0, 1e-38, -1e-38]]);
    const { gradients } = valueAndGrad(() => relu(at).sum());
    expect([...(gradients.get(at) as Matrix).data]).toEqual([0, 0, 1, 0]);
  });
});
