import {
  CausalLM,
  Matrix,
  MultiHeadAttention,
  maskFromTorchMHA,
  ShapeError,
  type StoredTensor,
  TransformerBlock,
} from '../../src/index.js';
import { anything, type BadCall } from './bad-call.js';

const attention = new MultiHeadAttention({ dModel: 4, numHeads: 2, seed: 1 });
const block = new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, seed: 1 });
const model = new CausalLM({ vocabularySize: 7, dModel: 4, numLayers: 2, numHeads: 2, seed: 1 });

const without = (state: Map<string, StoredTensor>, name: string) => {
  state.delete(name);
  return state;
};

export const torchMessages: readonly BadCall[] = [
  [
    'MultiHeadAttention.fromTorch',
    () => MultiHeadAttention.fromTorch(without(attention.toTorch(), 'in_proj_weight'), { numHeads: 2 }),
    ShapeError,
    'MultiHeadAttention.fromTorch: the state must have exactly the names of its layout: missing in_proj_weight; unknown none',
  ],
  [
    'MultiHeadAttention.fromTorch',
    () => MultiHeadAttention.fromTorch(attention.toTorch({ prefix: 'layers.0.self_attn.' }), { numHeads: 2 }),
    ShapeError,
    "MultiHeadAttention.fromTorch: the state must hold one of out_proj.weight, c_attn.weight, o_proj.weight, wo.weight: its names are layers.0.self_attn.in_proj_weight, layers.0.self_attn.out_proj.weight (did you mean prefix: 'layers.0.self_attn.'?)",
  ],
  [
    'MultiHeadAttention.fromTorch',
    () => MultiHeadAttention.fromTorch(attention.toTorch(), { numHeads: 3 }),
    ShapeError,
    'MultiHeadAttention.fromTorch: outputs of Q must be divisible by numHeads: 4 is not divisible by 3',
  ],
  [
    'MultiHeadAttention.fromTorch',
    () => MultiHeadAttention.fromTorch(grouped().toTorch({ layout: 'meta' }), { numHeads: 1 }),
    ShapeError,
    "MultiHeadAttention.fromTorch: Q, K, V and the inputs of O must have whole heads of 4 columns of Q and K: they have 4, 2, 2 and 4 in layout 'meta' (is numHeads right?)",
  ],
  [
    'MultiHeadAttention.fromTorch',
    () => {
      const state = grouped().toTorch({ layout: 'meta' });
      state.set('wo.weight', { dtype: 'F32', shape: [4, 6], data: new Float32Array(24) });
      return MultiHeadAttention.fromTorch(state, { numHeads: 2 });
    },
    ShapeError,
    "MultiHeadAttention.fromTorch: Q, K, V and the inputs of O must have whole heads of 2 columns of Q and K: they have 4, 2, 2 and 6 in layout 'meta' (is numHeads right?)",
  ],
  [
    'MultiHeadAttention.fromTorch',
    () => MultiHeadAttention.fromTorch(attention.toTorch(), anything({ numHeads: 2, dModel: 4 })),
    TypeError,
    'MultiHeadAttention.fromTorch: every option must be known: got "dModel" (known: numHeads, prefix, causal, window, alibi, softcap, rope, addZeroAttention, dropout, seed)',
  ],
  [
    'MultiHeadAttention.fromTorch',
    () => MultiHeadAttention.fromTorch(anything({}), { numHeads: 2 }),
    TypeError,
    'MultiHeadAttention.fromTorch: the state must be a Map of tensors: got an object',
  ],
  [
    'MultiHeadAttention.toTorch',
    () => attention.toTorch({ layout: anything('bert') }),
    ShapeError,
    "MultiHeadAttention.toTorch: layout must be 'torch' or 'gpt2' or 'llama' or 'meta': got \"bert\"",
  ],
  [
    'MultiHeadAttention.toTorch',
    () => grouped().toTorch(),
    ShapeError,
    "MultiHeadAttention.toTorch: numKvHeads must be numHeads = 2 in layout 'torch': got 1 (layout: 'llama' has a place for it)",
  ],
  [
    'MultiHeadAttention.toTorch',
    () => attention.toTorch({ prefix: anything(3) }),
    TypeError,
    'MultiHeadAttention.toTorch: prefix must be a string: got 3',
  ],
  [
    'TransformerBlock.fromTorch',
    () => TransformerBlock.fromTorch(new Map(), { numHeads: 2 }),
    ShapeError,
    'TransformerBlock.fromTorch: the state must hold one of linear1.weight, attn.c_attn.weight, self_attn.o_proj.weight, attention.wo.weight: its names are none (is prefix right?)',
  ],
  [
    'TransformerBlock.fromTorch',
    () => TransformerBlock.fromTorch(anything(new Map([[7, 8]])), { numHeads: 2 }),
    TypeError,
    'TransformerBlock.fromTorch: names must be strings: got 7',
  ],
  [
    'TransformerBlock.toTorch',
    () => new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, norm: 'rms' }).toTorch(),
    ShapeError,
    "TransformerBlock.toTorch: norm must be 'layer' in layout 'torch': got 'rms' (layout 'gpt2' needs norm 'layer'; layout 'llama' needs activation 'swiglu'; layout 'meta' needs activation 'swiglu')",
  ],
  [
    'TransformerBlock.toTorch',
    () => block.toTorch(anything([])),
    TypeError,
    'TransformerBlock.toTorch: options must be an object: got []',
  ],
  [
    'CausalLM.fromTorch',
    () =>
      CausalLM.fromTorch(new Map([['wte.weight', { dtype: 'F32', shape: [1, 1], data: new Float32Array(1) }]]), {
        numHeads: 1,
      }),
    ShapeError,
    'CausalLM.fromTorch: the state must hold h.0 and so on: it has no layers',
  ],
  [
    'CausalLM.fromTorch',
    () => CausalLM.fromTorch(llama().toTorch(), { numHeads: 2, rope: anything(true) }),
    TypeError,
    'CausalLM.fromTorch: rope must be an object: got true',
  ],
  [
    'CausalLM.fromTorch',
    () => CausalLM.fromTorch(llama().toTorch({ prefix: 'module.' }), { numHeads: 2, prefix: 'module.model.' }),
    ShapeError,
    "CausalLM.fromTorch: every name of the state must begin with prefix 'module.model.': 1 of 21 do not: module.lm_head.weight (did you mean prefix: 'module.'?)",
  ],
  [
    'CausalLM.fromTorch',
    () => CausalLM.fromTorch(without(llama().toTorch(), 'lm_head.weight'), { numHeads: 2, tieEmbeddings: false }),
    ShapeError,
    'CausalLM.fromTorch: the state must hold lm_head.weight where tieEmbeddings is false: it does not',
  ],
  [
    'CausalLM.fromTorch',
    () => CausalLM.fromTorch(llama().toTorch(), { numHeads: 2, tieEmbeddings: true }),
    ShapeError,
    'CausalLM.fromTorch: lm_head.weight must be absent or embed_tokens.weight to the bit where tieEmbeddings is true: it is another',
  ],
  [
    'CausalLM.fromTorch',
    () => CausalLM.fromTorch(llama().toTorch(), { numHeads: 2, tieEmbeddings: anything(1) }),
    TypeError,
    'CausalLM.fromTorch: tieEmbeddings must be true or false: got 1',
  ],
  [
    'CausalLM.toTorch',
    () => model.toTorch(),
    ShapeError,
    "CausalLM.toTorch: activation must be 'swiglu' and norm must be 'rms' in layout 'llama': got 'relu' and 'layer' (layout 'gpt2' needs positions 'learned'; layout 'meta' needs activation 'swiglu', norm 'rms')",
  ],
  [
    'CausalLM.toTorch',
    () => llama().toTorch({ layout: 'gpt2' }),
    ShapeError,
    "CausalLM.toTorch: positions must be 'learned' and activation must be 'gelu-tanh' or 'gelu' or 'relu' or 'silu' and norm must be 'layer' in layout 'gpt2': got 'rope' and 'swiglu' and 'rms' (layout: 'llama' has a place for it)",
  ],
  [
    'CausalLM.toTorch',
    () => llama().toTorch(anything(null)),
    TypeError,
    'CausalLM.toTorch: options must be an object: got null',
  ],
  [
    'maskFromTorchMHA',
    () => maskFromTorchMHA(anything(Float32Array.of(0, 1))),
    TypeError,
    'maskFromTorchMHA: mask must be a Uint8Array or boolean[][]: got [0, 1] (an additive mask is the option bias)',
  ],
  [
    'maskFromTorchMHA',
    () => maskFromTorchMHA(anything(new Matrix(2, 2))),
    TypeError,
    'maskFromTorchMHA: mask must be a Uint8Array or boolean[][]: got an object',
  ],
  [
    'maskFromTorchMHA',
    () => maskFromTorchMHA([[true], anything([2])]),
    TypeError,
    'maskFromTorchMHA: mask[1][0] must be true or false: got 2',
  ],
  [
    'maskFromTorchMHA',
    () => maskFromTorchMHA([[true], [true, false]]),
    ShapeError,
    'maskFromTorchMHA: rows of mask must have 1 entries, as the first: mask[1] has 2',
  ],
];

function grouped(): MultiHeadAttention {
  return new MultiHeadAttention({ dModel: 4, numHeads: 2, numKvHeads: 1, rope: true });
}

function llama(): CausalLM {
  const sizes = { vocabularySize: 7, dModel: 4, numLayers: 2, numHeads: 2 };
  return new CausalLM({ ...sizes, activation: 'swiglu', norm: 'rms', seed: 1 });
}
