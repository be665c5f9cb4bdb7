import { describe, expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import type { Parameter } from '../../../src/matrix/parameter.js';
import { type Activation, FeedForward } from '../../../src/nn/layers/feed-forward.js';
import { gelu, relu, silu } from '../../../src/ops/activations.js';
import { expectSame } from '../../support/compare.js';
import { describeModelGradients } from '../../support/model-gradients.js';
import { forEachTwin } from '../../support/twins.js';

const x = Matrix.randomNormal(5, 6, { seed: 1 });
const sizes = { dModel: 6, dHidden: 10, seed: 1 };
const ACTIVATIONS: Activation[] = ['relu', 'gelu', 'gelu-tanh', 'silu', 'swiglu'];

/** With biases that show: they start at 0. */
function withBias(options: { activation?: Activation; dropout?: number } = {}): FeedForward {
  const layer = new FeedForward({ ...sizes, bias: true, ...options });
  [layer.b_1, layer.b_2, layer.b_3].forEach((b, i) => {
    b?.data.set(Matrix.randomNormal(1, b.cols, { seed: 10 + i }).data);
  });
  return layer;
}

forEachTwin(() => {
  describe('FeedForward', () => {
    it.each([
      ['relu', relu],
      ['gelu', gelu],
      ['gelu-tanh', (z: Matrix) => gelu(z, { approximate: 'tanh' })],
      ['silu', silu],
    ] as const)('is two maps with %s between', (activation, f) => {
      const bare = new FeedForward({ ...sizes, activation });
      expectSame(bare.forward(x).data, f(x.matmul(bare.W_1)).matmul(bare.W_2).data);
      const layer = withBias({ activation });
      const [b_1, b_2] = [layer.b_1, layer.b_2] as Parameter[];
      expectSame(layer.forward(x).data, f(x.matmul(layer.W_1).add(b_1)).matmul(layer.W_2).add(b_2).data);
    });

    it('is gated with swiglu', () => {
      const layer = withBias({ activation: 'swiglu' });
      const [b_1, b_2, b_3] = [layer.b_1, layer.b_2, layer.b_3] as Parameter[];
      const gate = silu(x.matmul(layer.W_1).add(b_1));
      const hidden = gate.multiply(x.matmul(layer.W_3 as Parameter).add(b_3));
      expectSame(layer.forward(x).data, hidden.matmul(layer.W_2).add(b_2).data);
    });

    it('drops hidden entries: with all of them gone b_2 is left', () => {
      const layer = withBias({ dropout: 1 });
      const rows = Matrix.concatRows(Array.from({ length: 5 }, () => layer.b_2 as Parameter));
      expectSame(layer.forward(x).data, rows.data);
      const half = withBias({ dropout: 0.5 });
      const [first, second] = [half.forward(x), half.forward(x)];
      expect([...first.data]).not.toEqual([...second.data]);
      half.dropoutCalls = 1;
      expectSame(half.forward(x).data, second.data);
      expectSame(half.eval().forward(x).data, withBias().forward(x).data);
      expect(half.dropoutCalls).toBe(2);
    });

    it('counts no call that throws', () => {
      const layer = withBias({ dropout: 0.5 });
      expect(() => layer.forward(new Matrix(5, 7))).toThrow('FeedForward: x must have dModel = 6 columns');
      expect(layer.dropoutCalls).toBe(0);
    });
  });
});

describe('FeedForward', () => {
  for (const activation of ACTIVATIONS) {
    describeModelGradients(`has the gradients of ${activation}, with dropout too`, () => {
      const layer = withBias({ activation, dropout: 0.25 });
      const input = x.clone();
      const f = () => {
        layer.dropoutCalls = 3;
        return layer.forward(input);
      };
      return { module: layer, inputs: [input], f };
    });
  }

  it('names its parameters', () => {
    expect([...new FeedForward(sizes).namedParameters().keys()]).toEqual(['W_1', 'W_2']);
    expect([...withBias().namedParameters().keys()].sort()).toEqual(['W_1', 'W_2', 'b_1', 'b_2']);
    const gated = [...withBias({ activation: 'swiglu' }).namedParameters()];
    expect(gated.map(([name, { rows, cols }]) => `${name} ${rows}×${cols}`).sort()).toEqual(
      ['W_1 6×10', 'W_2 10×6', 'W_3 6×10', 'b_1 1×10', 'b_2 1×6', 'b_3 1×10'].sort(),
    );
  });

  it('starts Xavier uniform with biases 0, or as the Linear layers of torch', () => {
    const largest = ({ data }: Matrix) => data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const sizes = { dModel: 64, dHidden: 256, bias: true, seed: 1 };
    const own = new FeedForward(sizes);
    expect(largest(own.W_1)).toBeLessThan(Math.sqrt(6 / 320));
    expect(largest(own.W_1)).toBeGreaterThan(0.98 * Math.sqrt(6 / 320));
    expect(largest(own.b_1 as Parameter)).toBe(0);
    const torch = new FeedForward({ ...sizes, init: 'torch' });
    for (const [parameter, bound] of [
      [torch.W_1, 1 / 8],
      [torch.b_1, 1 / 8],
      [torch.W_2, 1 / 16],
      [torch.b_2, 1 / 16],
    ] as const) {
      expect(largest(parameter as Parameter)).toBeLessThanOrEqual(bound);
      expect(largest(parameter as Parameter)).toBeGreaterThan(0.9 * bound);
    }
  });
});
