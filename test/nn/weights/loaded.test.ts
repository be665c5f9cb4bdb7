import { describe, expect, expectTypeOf, it } from 'vitest';
import type { StoredTensor } from '../../../src/core/stored-tensor.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { MultiHeadAttention } from '../../../src/nn/attention/multi-head-attention.js';
import type { MultiHeadAttentionOptions } from '../../../src/nn/attention/multi-head-options.js';
import { Linear } from '../../../src/nn/layers/linear.js';
import { CausalLM } from '../../../src/nn/models/causal-lm.js';
import type { CausalLMOptions } from '../../../src/nn/models/causal-lm-options.js';
import { TransformerBlock } from '../../../src/nn/models/transformer-block.js';
import { loaded } from '../../../src/nn/weights/loaded.js';
import { expectSame } from '../../support/compare.js';
import { filled, pictures } from '../../support/stored.js';

const BLOCK = { dModel: 8, numHeads: 2, dHidden: 6, seed: 1 } as const;
const attention = filled(new MultiHeadAttention({ dModel: 8, numHeads: 2, bias: true }));
const block = filled(new TransformerBlock({ ...BLOCK, normPlacement: 'post' }));
const LLAMA = { vocabularySize: 7, numLayers: 1, activation: 'swiglu', norm: 'rms' } as const;
const model = filled(new CausalLM({ ...BLOCK, ...LLAMA }));
const options = { numHeads: 2 };

class Attention extends MultiHeadAttention {
  readonly kind = 'mine';
}
class Block extends TransformerBlock {
  readonly kind = 'mine';
}
class Model extends CausalLM {
  readonly kind = 'mine';
}

describe('fromTorch of a subclass', () => {
  it('gives the subclass, with the weights', () => {
    const got = [
      Attention.fromTorch(attention.toTorch(), options),
      Block.fromTorch(block.toTorch(), options),
      Model.fromTorch(model.toTorch(), options),
    ] as const;
    expectTypeOf(got).toEqualTypeOf<readonly [Attention, Block, Model]>();
    expect(got.map(({ kind }) => kind)).toEqual(['mine', 'mine', 'mine']);
    expect(got[0]).toBeInstanceOf(Attention);
    expect(got[1]).toBeInstanceOf(Block);
    expect(got[2]).toBeInstanceOf(Model);
    expect(pictures(got[0].stateDict())).toEqual(pictures(attention.stateDict()));
    expect(pictures(got[1].stateDict())).toEqual(pictures(block.stateDict()));
    expect(pictures(got[2].stateDict())).toEqual(pictures(model.stateDict()));
  });

  it('gives the class itself where that was asked for, or none', () => {
    const { fromTorch } = MultiHeadAttention;
    const alone = fromTorch(attention.toTorch(), options);
    expectTypeOf(alone).toEqualTypeOf<MultiHeadAttention>();
    expectTypeOf(CausalLM.fromTorch(model.toTorch(), options)).toEqualTypeOf<CausalLM>();
    expect(alone.constructor).toBe(MultiHeadAttention);
    expect([model.toTorch()].map((state) => CausalLM.fromTorch(state, options))[0].constructor).toBe(CausalLM);
    const api = { load: TransformerBlock.fromTorch as never as (...given: unknown[]) => unknown };
    expect(api.load(block.toTorch(), options)).toBeInstanceOf(TransformerBlock);
  });

  it('what a subclass adds is drawn as by its constructor, and its options count', () => {
    class Adapted extends CausalLM {
      readonly adapter: Linear;
      constructor(given: CausalLMOptions) {
        super({ ...given, window: 1 });
        this.adapter = new Linear(8, 8, { seed: 3 });
      }
    }
    const got = Adapted.fromTorch(model.toTorch(), options).eval();
    expectSame(got.adapter.W.data, new Linear(8, 8, { seed: 3 }).W.data);
    const windowed = CausalLM.fromTorch(model.toTorch(), { ...options, window: 1 }).eval();
    expectSame(got.forward([1, 2, 3, 4]).data, windowed.forward([1, 2, 3, 4]).data);
  });

  it('a constructor of other arguments is refused by the compiler, and where it runs by its own checks', () => {
    class Named extends MultiHeadAttention {
      constructor(
        readonly label: string,
        given: MultiHeadAttentionOptions,
      ) {
        super(given);
      }
    }
    // @ts-expect-error its constructor does not take the options
    expect(() => Named.fromTorch(attention.toTorch(), options)).toThrow(
      'MultiHeadAttention: options must be an object',
    );
    class Sized extends MultiHeadAttention {
      constructor() {
        super({ dModel: 4, numHeads: 2, bias: true });
      }
    }
    expect(() => Sized.fromTorch(attention.toTorch(), options)).toThrow('must have shape [4, 4]: got [8, 8]');
  });

  it('loaded builds without drawing only where nothing stays as drawn', () => {
    class Wide extends Linear {
      readonly more = new Linear(2, 2);
    }
    const state = new Map<string, StoredTensor>([['W', { dtype: 'F32', shape: [2, 2], data: new Float32Array(4) }]]);
    class Made extends Wide {
      constructor(_: object) {
        super(2, 2);
      }
    }
    class Plain extends Linear {
      constructor(_: object) {
        super(2, 2);
      }
    }
    expect(loaded(Plain, undefined, { options: {}, state })).toBeInstanceOf(Plain);
    const made = loaded(Plain, Made as never, { options: {}, state }) as unknown as Made;
    expectSame(made.W.data, new Float32Array(4));
    expect(
      Matrix.from([[...made.more.W.data]])
        .sum()
        .get(0, 0),
    ).not.toBe(0);
  });
});
