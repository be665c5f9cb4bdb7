import { describe, expect, it } from 'vitest';
import type { StoredTensor } from '../../../src/core/stored-tensor.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { TransformerBlock } from '../../../src/nn/models/transformer-block.js';
import { blockFromTorch, blockMisfits, blockTensors, blockToTorch, styleOf } from '../../../src/nn/weights/block.js';
import type { TorchLayout } from '../../../src/nn/weights/layouts/layouts.js';
import { expectSame } from '../../support/compare.js';
import { filled, pictures, storedBeside, storedLinear, storedVector } from '../../support/stored.js';

const x = Matrix.randomNormal(5, 12, { seed: 1 });
const SIZES = { dModel: 12, numHeads: 3, dHidden: 10 };

/** Every layout with a block that it can hold, what has to be said of it, and the tensors that it is there. */
const CASES: [
  TorchLayout,
  () => TransformerBlock,
  object,
  (block: TransformerBlock) => Record<string, StoredTensor>,
][] = [
  [
    'torch',
    () => new TransformerBlock({ ...SIZES, bias: true, activation: 'gelu', normPlacement: 'pre', epsilon: 1e-3 }),
    { activation: 'gelu', normPlacement: 'pre', epsilon: 1e-3 },
    ({ attention: a, feedForward: f, norm1, norm2 }) => ({
      'self_attn.in_proj_weight': storedLinear(a.W_Q, a.W_K, a.W_V),
      'self_attn.in_proj_bias': storedVector([a.b_Q, a.b_K, a.b_V]),
      'self_attn.out_proj.weight': storedLinear(a.W_O),
      'self_attn.out_proj.bias': storedVector([a.b_O]),
      'linear1.weight': storedLinear(f.W_1),
      'linear1.bias': storedVector([f.b_1]),
      'linear2.weight': storedLinear(f.W_2),
      'linear2.bias': storedVector([f.b_2]),
      'norm1.weight': storedVector([norm1.gain]),
      'norm1.bias': storedVector(['bias' in norm1 ? norm1.bias : undefined]),
      'norm2.weight': storedVector([norm2.gain]),
      'norm2.bias': storedVector(['bias' in norm2 ? norm2.bias : undefined]),
    }),
  ],
  [
    'gpt2',
    () => new TransformerBlock({ ...SIZES, bias: true, activation: 'gelu-tanh', causal: true }),
    {},
    ({ attention: a, feedForward: f, norm1, norm2 }) => ({
      'ln_1.weight': storedVector([norm1.gain]),
      'ln_1.bias': storedVector(['bias' in norm1 ? norm1.bias : undefined]),
      'attn.c_attn.weight': storedBeside(a.W_Q, a.W_K, a.W_V),
      'attn.c_attn.bias': storedVector([a.b_Q, a.b_K, a.b_V]),
      'attn.c_proj.weight': storedBeside(a.W_O),
      'attn.c_proj.bias': storedVector([a.b_O]),
      'ln_2.weight': storedVector([norm2.gain]),
      'ln_2.bias': storedVector(['bias' in norm2 ? norm2.bias : undefined]),
      'mlp.c_fc.weight': storedBeside(f.W_1),
      'mlp.c_fc.bias': storedVector([f.b_1]),
      'mlp.c_proj.weight': storedBeside(f.W_2),
      'mlp.c_proj.bias': storedVector([f.b_2]),
    }),
  ],
  [
    'llama',
    () => {
      const llama = { activation: 'swiglu', norm: 'rms', causal: true, rope: { base: 500 } } as const;
      return new TransformerBlock({ ...SIZES, ...llama, numKvHeads: 1, bias: true, epsilon: 1e-6 });
    },
    { epsilon: 1e-6, rope: { base: 500 } },
    ({ attention: a, feedForward: f, norm1, norm2 }) => ({
      'input_layernorm.weight': storedVector([norm1.gain]),
      'self_attn.q_proj.weight': storedLinear(a.W_Q),
      'self_attn.k_proj.weight': storedLinear(a.W_K),
      'self_attn.v_proj.weight': storedLinear(a.W_V),
      'self_attn.o_proj.weight': storedLinear(a.W_O),
      'self_attn.q_proj.bias': storedVector([a.b_Q]),
      'self_attn.k_proj.bias': storedVector([a.b_K]),
      'self_attn.v_proj.bias': storedVector([a.b_V]),
      'self_attn.o_proj.bias': storedVector([a.b_O]),
      'post_attention_layernorm.weight': storedVector([norm2.gain]),
      'mlp.gate_proj.weight': storedLinear(f.W_1),
      'mlp.up_proj.weight': storedLinear(f.W_3),
      'mlp.down_proj.weight': storedLinear(f.W_2),
      'mlp.gate_proj.bias': storedVector([f.b_1]),
      'mlp.up_proj.bias': storedVector([f.b_3]),
      'mlp.down_proj.bias': storedVector([f.b_2]),
    }),
  ],
  [
    'meta',
    () => {
      const llama = { activation: 'swiglu', norm: 'rms', causal: true, rope: { interleaved: true } } as const;
      return new TransformerBlock({ ...SIZES, ...llama });
    },
    {},
    ({ attention: a, feedForward: f, norm1, norm2 }) => ({
      'attention_norm.weight': storedVector([norm1.gain]),
      'attention.wq.weight': storedLinear(a.W_Q),
      'attention.wk.weight': storedLinear(a.W_K),
      'attention.wv.weight': storedLinear(a.W_V),
      'attention.wo.weight': storedLinear(a.W_O),
      'ffn_norm.weight': storedVector([norm2.gain]),
      'feed_forward.w1.weight': storedLinear(f.W_1),
      'feed_forward.w3.weight': storedLinear(f.W_3),
      'feed_forward.w2.weight': storedLinear(f.W_2),
    }),
  ],
];

describe.each(CASES)('a block of layout %s', (layout, make, options, store) => {
  const block = filled(make());
  const state = new Map(Object.entries(store(block)));
  const load = (given: ReadonlyMap<string, StoredTensor>, more = {}) =>
    TransformerBlock.fromTorch(given, { numHeads: 3, ...options, ...more });

  it('is recognized and gives the block', () => {
    const got = load(state);
    expect(pictures(got.stateDict())).toEqual(pictures(block.stateDict()));
    expectSame(got.forward(x).data, block.forward(x).data);
  });

  it('is written', () => {
    expect(pictures(block.toTorch({ layout }))).toEqual(pictures(state));
    expect([...block.toTorch({ layout, prefix: 'p.' }).keys()][0]).toMatch(/^p\./);
    expect(blockTensors(layout).length).toBeGreaterThanOrEqual(state.size);
  });

  it('is found under a prefix', () => {
    const more = new Map([...state].map(([name, tensor]) => [`h.0.${name}`, tensor]));
    expect(pictures(load(more, { prefix: 'h.0.' }).stateDict())).toEqual(pictures(block.stateDict()));
    expect(() => load(more)).toThrow("did you mean prefix: 'h.0.'?");
  });

  it('must have weights and norms, and nothing else', () => {
    const signs = ['linear1.weight', 'attn.c_attn.weight', 'self_attn.o_proj.weight', 'attention.wo.weight'];
    for (const name of state.keys()) {
      const rest = new Map([...state].filter(([other]) => other !== name));
      if (/bias$/.test(name) && !/ln_|norm\d/.test(name)) {
        const got = load(rest); // no parameter that the state has not
        expect(pictures(got.toTorch({ layout })), name).toEqual(pictures(rest));
      } else {
        expect(() => load(rest), name).toThrow(
          signs.includes(name) ? 'must hold one of' : `missing ${name}; unknown none`,
        );
      }
    }
    const more = new Map([...state, ['q_norm.weight', storedVector([x])]]);
    expect(() => load(more)).toThrow('missing none; unknown q_norm.weight');
  });
});

describe('blocks of torch without biases', () => {
  const plain = () => new TransformerBlock({ ...SIZES, normPlacement: 'post' });

  it('have those of the norms, or none', () => {
    const withNorms = plain().toTorch();
    expect([...withNorms.keys()].filter((name) => /bias/.test(name))).toEqual(['norm1.bias', 'norm2.bias']);
    const got = TransformerBlock.fromTorch(withNorms, { numHeads: 3 });
    expect([got.attention.b_Q, got.attention.b_O, got.feedForward.b_1]).toEqual([undefined, undefined, undefined]);
    expect(pictures(got.toTorch())).toEqual(pictures(withNorms));

    const block = filled(new TransformerBlock({ ...SIZES, normPlacement: 'post', normBias: false }));
    const without = block.toTorch(); // as nn.TransformerEncoderLayer(bias=False)
    expect([...without.keys()].filter((name) => /bias/.test(name))).toEqual([]);
    const loaded = TransformerBlock.fromTorch(without, { numHeads: 3 });
    expect([...loaded.namedParameters().keys()].filter((name) => /b_|bias/.test(name))).toEqual([]);
    expectSame(loaded.forward(x).data, block.forward(x).data);
  });

  it('have all of the norms or none', () => {
    const state = plain().toTorch();
    state.delete('norm2.bias');
    expect(() => TransformerBlock.fromTorch(state, { numHeads: 3 })).toThrow('missing norm2.bias; unknown none');
  });
});

describe('what a layout takes for granted', () => {
  it.each([
    ['torch', 'swiglu', undefined, "f: activation in layout 'torch' must be 'relu' or"],
    ['llama', 'gelu', undefined, "f: activation in layout 'llama' must be 'swiglu': got \"gelu\""],
    ['gpt2', undefined, 'post', "f: normPlacement in layout 'gpt2' must be 'pre': got \"post\""],
  ] as const)('%s with %s, %s is refused', (layout, activation, placement, text) => {
    expect(() => styleOf('f', layout, { activation, normPlacement: placement })).toThrow(text);
  });

  it('defaults', () => {
    expect(styleOf('f', 'torch', {})).toEqual({ norm: 'layer', activation: 'relu', normPlacement: 'post' });
    expect(styleOf('f', 'gpt2', {})).toEqual({ norm: 'layer', activation: 'gelu-tanh', normPlacement: 'pre' });
    expect(styleOf('f', 'meta', {})).toEqual({ norm: 'rms', activation: 'swiglu', normPlacement: 'pre' });
  });

  it('toTorch refuses another norm, activation or order', () => {
    const misfits = blockMisfits('torch', new TransformerBlock({ ...SIZES, norm: 'rms' }));
    expect(misfits).toEqual([{ option: 'norm', must: "'layer'", got: "'rms'" }]);
    expect(() => blockToTorch('f', new TransformerBlock(SIZES), { layout: 'meta' })).toThrow(
      "f: activation must be 'swiglu' and norm must be 'rms' in layout 'meta': got 'relu' and 'layer' (layout: 'torch' has a place for it)",
    );
    const post = new TransformerBlock({ ...SIZES, normPlacement: 'post', activation: 'gelu' });
    expect(() => post.toTorch({ layout: 'gpt2' })).toThrow("normPlacement must be 'pre' in layout 'gpt2': got 'post'");
    expect(post.toTorch().size).toBe(8);
    expect(() => blockFromTorch('f', post.toTorch(), { numHeads: 5 })).toThrow('f: outputs of Q must be divisible');
  });
});
