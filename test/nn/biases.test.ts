import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import type { StoredTensor } from '../../src/core/stored-tensor.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { MultiHeadAttention } from '../../src/nn/attention/multi-head-attention.js';
import { SelfAttention } from '../../src/nn/attention/self-attention.js';
import {
  ATTENTION_BIASES,
  type Biases,
  BLOCK_BIASES,
  biasesFrom,
  FEED_FORWARD_BIASES,
  hasBias,
  PROJECTION_BIASES,
  requireBiases,
} from '../../src/nn/biases.js';
import { FeedForward } from '../../src/nn/layers/feed-forward.js';
import { CausalLM } from '../../src/nn/models/causal-lm.js';
import { TransformerBlock } from '../../src/nn/models/transformer-block.js';
import type { TorchLayout } from '../../src/nn/weights/layouts/layouts.js';
import { crossEntropy } from '../../src/ops/losses.js';
import { AdamW } from '../../src/train/adam.js';
import { expectSame } from '../support/compare.js';
import { fc } from '../support/property.js';
import { filled, pictures } from '../support/stored.js';

const x = Matrix.randomNormal(5, 8, { seed: 1 });
const SIZES = { dModel: 8, numHeads: 2, seed: 1 } as const;

/** The names of the biases of products that a module has. */
const biasesIn = (module: { namedParameters(): Map<string, unknown> }) =>
  [...module.namedParameters().keys()].map((name) => name.replace(/.*\./, '')).filter((name) => /^b_/.test(name));

describe('the option bias', () => {
  it('is all, none, or those that are named', () => {
    expect([hasBias(undefined, 'b'), hasBias(true, 'b'), hasBias(false, 'b')]).toEqual([false, true, false]);
    const some: Biases<'b' | 'c' | 'd'> = { b: true, c: undefined };
    expect(['b', 'c', 'd'].map((name) => hasBias(some, name as 'b'))).toEqual([true, false, false]);
    expect(biasesFrom(['b', 'c'], (name) => name === 'c')).toEqual({ b: false, c: true });
  });

  it.each([
    [3, 'f: bias must be true, false or an object of b, c: got 3'],
    [null, 'f: bias must be true, false or an object of b, c: got null'],
    [new Map(), 'f: bias must be true, false or an object of b, c: got a Map'],
    [{ d: true }, 'f.bias: every option must be known: unknown option "d" (known: b, c)'],
    [{ b: 1 }, 'f: bias.b must be true or false: got 1'],
  ])('refuses %o', (bias, text) => {
    expect(() => requireBiases('f', bias, ['b', 'c'])).toThrow(new TypeError(text));
  });

  it('names that hold undefined are as if they were not given', () => {
    expect(() => requireBiases('f', { b: undefined, c: true }, ['b', 'c'])).not.toThrow();
    const some = new MultiHeadAttention({ ...SIZES, bias: { b_Q: undefined, b_V: true } });
    expect(biasesIn(some)).toEqual(['b_V']);
  });

  it('gives every layer exactly the biases that it names', () => {
    const subsets = (names: readonly string[]) =>
      Array.from({ length: 2 ** names.length }, (_, bits) => names.filter((_, i) => bits & (1 << i)));
    const named = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, true]));
    for (const names of subsets(PROJECTION_BIASES)) {
      expect(biasesIn(new SelfAttention({ dModel: 8, bias: named(names) })).sort()).toEqual([...names].sort());
    }
    for (const names of subsets(ATTENTION_BIASES)) {
      expect(biasesIn(new MultiHeadAttention({ ...SIZES, bias: named(names) })).sort()).toEqual([...names].sort());
    }
    for (const names of subsets(FEED_FORWARD_BIASES)) {
      const options = { dModel: 8, dHidden: 6, activation: 'swiglu', bias: named(names) } as const;
      expect(biasesIn(new FeedForward(options)).sort()).toEqual([...names].sort());
    }
    for (const names of subsets(BLOCK_BIASES)) {
      const block = new TransformerBlock({ ...SIZES, dHidden: 6, activation: 'swiglu', bias: named(names) });
      expect(biasesIn(block).sort()).toEqual([...names].sort());
    }
  });

  it('b_3 is only where there is a W_3', () => {
    const text = "must come with activation: 'swiglu': got activation: 'gelu'";
    const options = { dModel: 8, dHidden: 6, activation: 'gelu', bias: { b_3: true } } as const;
    expect(() => new FeedForward(options)).toThrow(`FeedForward: bias.b_3 ${text}`);
    expect(() => new TransformerBlock({ ...options, numHeads: 2 })).toThrow(`TransformerBlock: bias.b_3 ${text}`);
    expect(biasesIn(new TransformerBlock({ ...options, numHeads: 2, bias: true })).length).toBe(6);
    expect(new FeedForward({ ...options, bias: { b_3: false } }).b_3).toBeUndefined();
  });

  it('a block checks the names of both parts together, and normBias with its norm', () => {
    const block = (options: object) => () => new TransformerBlock({ ...SIZES, dHidden: 6, ...options });
    expect(block({ bias: { b_4: true } })).toThrow(
      'TransformerBlock.bias: every option must be known: unknown option "b_4"',
    );
    expect(block({ norm: 'rms', normBias: true })).toThrow("normBias must come with norm: 'layer': got norm: 'rms'");
    expect(block({ norm: 'rms', normBias: false })).not.toThrow();
    expect(block({ normBias: 1 })).toThrow('TransformerBlock: normBias must be true or false: got 1');
  });

  it('draws the same numbers for what is there', () => {
    const all = new FeedForward({ dModel: 8, dHidden: 6, init: 'torch', seed: 1, bias: true });
    const named = new FeedForward({ dModel: 8, dHidden: 6, init: 'torch', seed: 1, bias: { b_1: true, b_2: true } });
    expect(pictures(named.stateDict())).toEqual(pictures(all.stateDict()));
  });
});

/** What of a layout can be asked for, and the biases that it stores together. */
const LAYOUTS: Record<TorchLayout, { style: object; stacked: boolean; none?: true }> = {
  torch: { style: { normPlacement: 'post' }, stacked: true },
  gpt2: { style: { activation: 'gelu-tanh', causal: true }, stacked: true },
  llama: { style: { activation: 'swiglu', norm: 'rms', causal: true, rope: true }, stacked: false },
  meta: {
    style: { activation: 'swiglu', norm: 'rms', causal: true, rope: { interleaved: true } },
    stacked: false,
    none: true,
  },
};

const anyBiases = fc
  .subarray([...BLOCK_BIASES])
  .map((names) => biasesFrom(BLOCK_BIASES, (name) => names.includes(name)));
const anyLayout = fc.constantFrom(...(Object.keys(LAYOUTS) as TorchLayout[]));

/** Whether a layout has a place for these biases. */
function holds(layout: TorchLayout, bias: Record<string, boolean>, names: readonly string[]): boolean {
  const there = names.filter((name) => bias[name]);
  if (LAYOUTS[layout].none) return there.length === 0;
  return !LAYOUTS[layout].stacked || PROJECTION_BIASES.filter((name) => bias[name]).length % 3 === 0;
}

interface Storable {
  toTorch(options: object): Map<string, StoredTensor>;
  stateDict(): Map<string, StoredTensor>;
}

/** There and back, or refused with the option and what there is. */
function checkRoundTrip(
  Layer: { fromTorch(state: Map<string, StoredTensor>, options: { numHeads: number }): Storable },
  model: Storable,
  layout: TorchLayout,
  isHeld: boolean,
): void {
  if (!isHeld) {
    expect(() => model.toTorch({ layout })).toThrow(
      /: bias must be (false|the same for b_Q, b_K and b_V) in layout.*: got b_/,
    );
    return;
  }
  const state = model.toTorch({ layout });
  const got = Layer.fromTorch(state, { numHeads: 2 });
  expect(pictures(got.stateDict())).toEqual(pictures(model.stateDict()));
  expect(pictures(got.toTorch({ layout }))).toEqual(pictures(state));
}

describe('every combination of biases goes there and back by name and bit, or is refused', () => {
  it('of an attention', () => {
    fc.assert(
      fc.property(anyBiases, anyLayout, (all, layout) => {
        const bias = biasesFrom(ATTENTION_BIASES, (name) => hasBias(all, name)) as Record<string, boolean>;
        const { rope } = LAYOUTS[layout].style as { rope?: true };
        const layer = filled(new MultiHeadAttention({ ...SIZES, rope, bias }));
        checkRoundTrip(MultiHeadAttention, layer, layout, holds(layout, bias, ATTENTION_BIASES));
      }),
    );
  });

  it('of a block', () => {
    fc.assert(
      fc.property(anyBiases, fc.boolean(), anyLayout, (all, wantsNormBias, layout) => {
        const { style } = LAYOUTS[layout];
        const isGated = 'activation' in style && style.activation === 'swiglu';
        const bias = { ...(all as Record<string, boolean>) };
        if (!isGated) delete bias.b_3;
        const normBias = 'norm' in style ? undefined : wantsNormBias;
        const block = filled(new TransformerBlock({ ...SIZES, dHidden: 6, ...style, bias, normBias }));
        checkRoundTrip(TransformerBlock, block, layout, holds(layout, bias, BLOCK_BIASES));
      }),
    );
  });

  it('of a model', () => {
    const layouts = ['gpt2', 'llama', 'meta'] as const;
    fc.assert(
      fc.property(
        anyBiases,
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(...layouts),
        (all, wantsNormBias, tieEmbeddings, layout) => {
          const isGated = layout !== 'gpt2';
          const bias = { ...(all as Record<string, boolean>) };
          if (!isGated) delete bias.b_3;
          const style = isGated
            ? ({ activation: 'swiglu', norm: 'rms', rope: { interleaved: layout === 'meta' } } as const)
            : ({ activation: 'gelu-tanh', positions: 'learned', capacity: 6, normBias: wantsNormBias } as const);
          const sizes = { ...SIZES, dHidden: 6, vocabularySize: 7, numLayers: 2 };
          const model = filled(new CausalLM({ ...sizes, ...style, bias, tieEmbeddings }));
          checkRoundTrip(CausalLM, model, layout, holds(layout, bias, BLOCK_BIASES));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a state with biases of some products', () => {
  const style = { activation: 'swiglu', norm: 'rms' } as const;
  const sizes = { ...SIZES, dHidden: 6, vocabularySize: 7, numLayers: 2, ...style };

  it('Qwen2: has after training what it had before', () => {
    const source = new CausalLM({ ...sizes, bias: { b_Q: true, b_K: true, b_V: true }, tieEmbeddings: true });
    const state = filled(source).toTorch();
    expect([...state.keys()].filter((name) => /bias/.test(name) && /layers\.0/.test(name))).toEqual(
      ['q', 'k', 'v'].map((name) => `model.layers.0.self_attn.${name}_proj.bias`),
    );
    const model = CausalLM.fromTorch(state, { numHeads: 2 });
    const optimizer = new AdamW(model.parameters(), { learningRate: 0.1 });
    for (let i = 0; i < 3; i++) {
      optimizer.step(valueAndGrad(() => crossEntropy(model.forward([1, 2, 3]), [2, 3, 4])).gradients);
    }
    expect([...model.toTorch().keys()].sort()).toEqual([...state.keys()].sort());
  });

  it('must have a bias in every layer, or in none', () => {
    const state = new CausalLM({ ...sizes, bias: { b_O: true, b_3: true } }).toTorch();
    for (const name of ['self_attn.o_proj.bias', 'mlp.up_proj.bias']) {
      const less = new Map([...state].filter(([other]) => other !== `model.layers.1.${name}`));
      expect(() => CausalLM.fromTorch(less, { numHeads: 2 })).toThrow(`missing layers.1.${name}; unknown none`);
    }
  });

  it('computes with those alone', () => {
    const some = filled(new TransformerBlock({ ...SIZES, dHidden: 6, bias: { b_K: true, b_2: true } }));
    const all = new TransformerBlock({ ...SIZES, dHidden: 6, bias: true });
    all.loadStateDict(new Map([...all.stateDict(), ...some.stateDict()])); // the other biases start at 0
    expectSame(some.forward(x).data, all.forward(x).data);
  });
});
