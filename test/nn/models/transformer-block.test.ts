import { describe, expect, it } from 'vitest';
import { setSeed } from '../../../src/kernels/state.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import type { Parameter } from '../../../src/matrix/parameter.js';
import { TransformerBlock, type TransformerBlockOptions } from '../../../src/nn/models/transformer-block.js';
import { gelu, relu, silu } from '../../../src/ops/activations.js';
import { scaledDotProductAttention } from '../../../src/ops/attention/attention.js';
import { layerNorm, rmsNorm } from '../../../src/ops/normalization.js';
import { pack, unpack } from '../../../src/ops/packing.js';
import { rotary } from '../../../src/ops/rotary.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { describeModelGradients } from '../../support/model-gradients.js';
import { forEachTwin } from '../../support/twins.js';

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const x = normal(6, 8, 1);
const sizes: TransformerBlockOptions = { dModel: 8, numHeads: 2, dHidden: 12, seed: 1 };

/** A block in which every parameter counts: biases start at 0, gains at 1. */
function stirred(options: Partial<TransformerBlockOptions>): TransformerBlock {
  const block = new TransformerBlock({ ...sizes, ...options });
  block.parameters().forEach((parameter, i) => {
    if (parameter.rows > 1) return;
    normal(1, parameter.cols, 50 + i).data.forEach((value, c) => {
      parameter.data[c] += 0.5 * value;
    });
  });
  return block;
}

const linear = (z: Matrix, w?: Matrix, b?: Matrix) => {
  const product = z.matmul(w as Matrix);
  return b === undefined ? product : product.add(b);
};

forEachTwin(({ tolerance }) => {
  describe('TransformerBlock', () => {
    it('pre: norms on the way into each part', () => {
      const block = stirred({ bias: true, activation: 'gelu', causal: true });
      const { attention: a, feedForward: f, norm1, norm2 } = block;
      const norm = (z: Matrix, { gain, bias }: { gain: Matrix; bias?: Matrix }) => layerNorm(z, gain, bias);
      const z = norm(x, norm1);
      const [q, k, v] = [linear(z, a.W_Q, a.b_Q), linear(z, a.W_K, a.b_K), linear(z, a.W_V, a.b_V)];
      const heads = scaledDotProductAttention(q, k, v, { numHeads: 2, causal: true });
      const y = x.add(linear(heads, a.W_O, a.b_O));
      const fed = linear(gelu(linear(norm(y, norm2), f.W_1, f.b_1)), f.W_2, f.b_2);
      expectSame(block.forward(x).data, y.add(fed).data);
    });

    it('post: norms after each sum', () => {
      const block = stirred({ norm: 'rms', normPlacement: 'post', epsilon: 0.1, rope: true, activation: 'swiglu' });
      const { attention: a, feedForward: f, norm1, norm2 } = block;
      const turn = (z: Matrix) => rotary(z, { numHeads: 2 });
      const heads = scaledDotProductAttention(turn(linear(x, a.W_Q)), turn(linear(x, a.W_K)), linear(x, a.W_V), {
        numHeads: 2,
      });
      const y = rmsNorm(x.add(linear(heads, a.W_O)), norm1.gain, { epsilon: 0.1 });
      const fed = linear(silu(linear(y, f.W_1)).multiply(linear(y, f.W_3)), f.W_2);
      expectSame(block.forward(x).data, rmsNorm(y.add(fed), norm2.gain, { epsilon: 0.1 }).data);
    });

    it('has relu, layer norm and pre where nothing is said', () => {
      const { attention: a, feedForward: f, ...block } = new TransformerBlock(sizes);
      const z = layerNorm(x);
      const y = x.add(
        scaledDotProductAttention(linear(z, a.W_Q), linear(z, a.W_K), linear(z, a.W_V), { numHeads: 2 }).matmul(a.W_O),
      );
      const expected = y.add(relu(linear(layerNorm(y), f.W_1)).matmul(f.W_2));
      expectClose(new TransformerBlock(sizes).forward(x).data, expected.data, tolerance);
      expect(block.normPlacement).toBe('pre');
    });

    it('causal: a later token changes no earlier row', () => {
      for (const normPlacement of ['pre', 'post'] as const) {
        const block = stirred({ causal: true, normPlacement, rope: true });
        const changed = x.clone();
        changed.row(4).fill(100);
        const [before, after] = [block.forward(x), block.forward(changed)];
        expectSame(after.sliceRows(0, 4).data, before.sliceRows(0, 4).data);
        expect(after.get(4, 0)).not.toBe(before.get(4, 0));
      }
    });

    it('packed sequences come out as alone', () => {
      const block = stirred({ causal: true, rope: true, alibi: true });
      const sequences = [x.sliceRows(0, 2), x.sliceRows(2, 2), x.sliceRows(2)];
      const { packed, cuSeqlens } = pack(sequences);
      unpack(block.forward(packed, { cuSeqlens }), cuSeqlens).forEach((out, s) => {
        expectSame(out.data, block.forward(sequences[s]).data);
      });
    });

    it('hands the options of a call to the attention', () => {
      const block = stirred({ rope: true });
      const call = {
        mask: Uint8Array.from({ length: 36 }, (_, at) => (at % 5 ? 1 : 0)),
        keyMask: Uint8Array.of(1, 1, 0, 1, 1, 1),
        bias: normal(6, 6, 3),
        positions: [5, 4, 3, 2, 1, 0],
      };
      const y = x.add(block.attention.forward(block.norm1.forward(x), call));
      expectSame(block.forward(x, call).data, y.add(block.feedForward.forward(block.norm2.forward(y))).data);
    });

    it('drops in four places, each by itself, in training mode only', () => {
      const block = stirred({ dropout: 0.5 });
      const [first, second] = [block.forward(x), block.forward(x)];
      expect([...first.data]).not.toEqual([...second.data]);
      const places = [block.attention, block.feedForward, block.dropout1, block.dropout2];
      expect(places.map(({ dropoutCalls }) => dropoutCalls)).toEqual([2, 2, 2, 2]);
      expect(new Set(places.map(({ dropoutSeed }) => dropoutSeed)).size).toBe(4);
      for (const place of places) {
        for (const other of places) other.dropoutCalls = other === place ? 0 : 1;
        expect([...block.forward(x).data], 'each place counts').not.toEqual([...second.data]);
      }
      for (const place of places) place.dropoutCalls = 1;
      expectSame(block.forward(x).data, second.data);
      expectSame(block.eval().forward(x).data, stirred({}).forward(x).data);
      expect(block.dropout2.dropoutCalls).toBe(2);
      expectSame(stirred({ dropout: 1 }).forward(x).data, x.data);
    });

    it('counts no call that throws', () => {
      for (const normPlacement of ['pre', 'post'] as const) {
        const block = new TransformerBlock({ ...sizes, dropout: 0.5, normPlacement });
        const before = block.dropoutState();
        expect(() => block.forward(x, { mask: new Uint8Array(1) })).toThrow('mask must be');
        expect(() => block.forward(new Matrix(2, 3))).toThrow('TransformerBlock: x must have dModel = 8 columns');
        expect(block.dropoutState()).toEqual(before);
      }
    });

    it('goes on from its states to the bit', () => {
      const [block, copy] = [stirred({ dropout: 0.5 }), new TransformerBlock({ ...sizes, dropout: 0.5, seed: 9 })];
      block.forward(x);
      copy.loadStateDict(block.stateDict());
      copy.loadDropoutState(block.dropoutState());
      expectSame(copy.forward(x).data, block.forward(x).data);
    });
  });
});

describe('TransformerBlock', () => {
  const variants: Record<string, Partial<TransformerBlockOptions>> = {
    pre: { bias: true, activation: 'gelu', causal: true, rope: true, sinks: true, dropout: 0.25 },
    post: { normPlacement: 'post', norm: 'rms', activation: 'swiglu', numKvHeads: 1, dK: 4, dV: 3, alibi: true },
  };
  for (const [name, options] of Object.entries(variants)) {
    describeModelGradients(`${name}: has the gradients of every parameter and input`, () => {
      const block = stirred(options);
      const state = block.dropoutState();
      const [input, bias] = [x.clone(), normal(6, 6, 3)];
      const f = () => {
        block.loadDropoutState(state);
        return block.forward(input, { bias });
      };
      return { module: block, inputs: [input, bias], f };
    });
  }

  it('names its parameters by its parts', () => {
    expect([...new TransformerBlock(sizes).namedParameters().keys()]).toEqual([
      'attention.W_Q',
      'attention.W_K',
      'attention.W_V',
      'attention.W_O',
      'feedForward.W_1',
      'feedForward.W_2',
      'norm1.gain',
      'norm1.bias',
      'norm2.gain',
      'norm2.bias',
    ]);
    const block = new TransformerBlock({ ...sizes, norm: 'rms', bias: true });
    const names = [...block.namedParameters().keys()];
    expect(names).toContain('attention.b_O');
    expect(names).toContain('feedForward.b_2');
    expect(names).not.toContain('norm1.bias');
  });

  it('draws everything from one seed', () => {
    setSeed(1);
    const states = [
      new TransformerBlock(sizes),
      new TransformerBlock(sizes),
      new TransformerBlock({ ...sizes, seed: 2 }),
    ];
    const [a, b, c] = states.map((block) => [block.stateDict(), block.dropoutState()]);
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    const seeds = (block: TransformerBlock) => [...block.dropoutState().values()].map(({ data }) => data[0]);
    expect(new Set([states[0], states[2]].flatMap(seeds)).size).toBe(8);
    const unseeded = () => new TransformerBlock({ ...sizes, seed: undefined }).attention.W_Q as Parameter;
    expect([...unseeded().data]).not.toEqual([...unseeded().data]);
  });
});
