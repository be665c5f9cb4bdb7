import { describe, expect, it } from 'vitest';
import type { StoredTensor } from '../../../src/core/stored-tensor.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { MultiHeadAttention } from '../../../src/nn/attention/multi-head-attention.js';
import { attentionFromTorch, attentionTensors, attentionToTorch } from '../../../src/nn/weights/attention.js';
import type { TorchLayout } from '../../../src/nn/weights/layouts/layouts.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { filled, pictures, storedBeside, storedLinear, storedVector } from '../../support/stored.js';
import { forEachTwin } from '../../support/twins.js';

type Layer = MultiHeadAttention;
const x = Matrix.randomNormal(5, 12, { seed: 1 });

/** Every layout with a layer that it can hold, and the tensors that the layer is there. */
const CASES: [string, TorchLayout, () => Layer, (layer: Layer) => Record<string, StoredTensor>][] = [
  [
    'torch',
    'torch',
    () => new MultiHeadAttention({ dModel: 12, numHeads: 3, bias: true, addBiasKeyValue: true }),
    ({ W_Q, W_K, W_V, W_O, b_Q, b_K, b_V, b_O, bias_K, bias_V }) => ({
      in_proj_weight: storedLinear(W_Q, W_K, W_V),
      in_proj_bias: storedVector([b_Q, b_K, b_V]),
      'out_proj.weight': storedLinear(W_O),
      'out_proj.bias': storedVector([b_O]),
      bias_k: storedVector([bias_K], [1, 1, 12]),
      bias_v: storedVector([bias_V], [1, 1, 12]),
    }),
  ],
  [
    'torch, without biases',
    'torch',
    () => new MultiHeadAttention({ dModel: 12, numHeads: 3 }),
    ({ W_Q, W_K, W_V, W_O }) => ({
      in_proj_weight: storedLinear(W_Q, W_K, W_V),
      'out_proj.weight': storedLinear(W_O),
    }),
  ],
  [
    'torch, other inputs for K and V',
    'torch',
    () => new MultiHeadAttention({ dModel: 12, numHeads: 3, kDim: 5, vDim: 7, bias: true }),
    ({ W_Q, W_K, W_V, W_O, b_Q, b_K, b_V, b_O }) => ({
      q_proj_weight: storedLinear(W_Q),
      k_proj_weight: storedLinear(W_K),
      v_proj_weight: storedLinear(W_V),
      in_proj_bias: storedVector([b_Q, b_K, b_V]),
      'out_proj.weight': storedLinear(W_O),
      'out_proj.bias': storedVector([b_O]),
    }),
  ],
  [
    'gpt2',
    'gpt2',
    () => new MultiHeadAttention({ dModel: 12, numHeads: 3, bias: true, causal: true }),
    ({ W_Q, W_K, W_V, W_O, b_Q, b_K, b_V, b_O }) => ({
      'c_attn.weight': storedBeside(W_Q, W_K, W_V),
      'c_attn.bias': storedVector([b_Q, b_K, b_V]),
      'c_proj.weight': storedBeside(W_O),
      'c_proj.bias': storedVector([b_O]),
    }),
  ],
  [
    'llama, with grouped heads and widths of their own',
    'llama',
    () => {
      const heads = { numHeads: 4, numKvHeads: 2, dK: 6, dV: 4 };
      return new MultiHeadAttention({ dModel: 12, ...heads, bias: true, causal: true, rope: true });
    },
    ({ W_Q, W_K, W_V, W_O, b_Q, b_K, b_V, b_O }) => ({
      'q_proj.weight': storedLinear(W_Q),
      'k_proj.weight': storedLinear(W_K),
      'v_proj.weight': storedLinear(W_V),
      'o_proj.weight': storedLinear(W_O),
      'q_proj.bias': storedVector([b_Q]),
      'k_proj.bias': storedVector([b_K]),
      'v_proj.bias': storedVector([b_V]),
      'o_proj.bias': storedVector([b_O]),
    }),
  ],
  [
    'meta',
    'meta',
    () => {
      const rope = { interleaved: true };
      return new MultiHeadAttention({ dModel: 12, numHeads: 3, numKvHeads: 1, causal: true, rope });
    },
    ({ W_Q, W_K, W_V, W_O }) => ({
      'wq.weight': storedLinear(W_Q),
      'wk.weight': storedLinear(W_K),
      'wv.weight': storedLinear(W_V),
      'wo.weight': storedLinear(W_O),
    }),
  ],
];

describe.each(CASES)('attention of layout %s', (_, layout, make, store) => {
  const layer = filled(make());
  const stored = store(layer);
  const state = new Map(Object.entries(stored));
  const { numHeads } = layer.heads;

  it('is recognized and gives the layer', () => {
    const got = MultiHeadAttention.fromTorch(state, { numHeads });
    expect(pictures(got.stateDict())).toEqual(pictures(layer.stateDict()));
    expect(got.heads).toEqual(layer.heads);
    expect([got.dModel, got.kDim, got.vDim, got.rope]).toEqual([layer.dModel, layer.kDim, layer.vDim, layer.rope]);
    const context = { key: Matrix.randomNormal(4, layer.kDim, { seed: 2 }), value: Matrix.randomNormal(4, layer.vDim) };
    expectSame(got.forward(x, { context }).data, layer.forward(x, { context }).data);
  });

  it('is written', () => {
    expect(pictures(layer.toTorch({ layout }))).toEqual(pictures(state));
    const before = pictures(state);
    for (const { data } of layer.toTorch({ layout }).values()) data.fill(0 as never);
    expect(pictures(layer.toTorch({ layout }))).toEqual(before); // fresh arrays
  });

  it('is found under a prefix, beside other names', () => {
    const more = new Map([...state].map(([name, tensor]) => [`layers.3.${name}`, tensor]));
    more.set('embedding', storedLinear(x));
    const got = MultiHeadAttention.fromTorch(more, { numHeads, prefix: 'layers.3.' });
    expect(pictures(got.stateDict())).toEqual(pictures(layer.stateDict()));
    expect([...layer.toTorch({ layout, prefix: 'a.' }).keys()].sort()).toEqual(
      [...state.keys()].map((name) => `a.${name}`).sort(),
    );
  });

  it('must have every tensor, and no other', () => {
    const sign = { torch: 'out_proj.weight', gpt2: 'c_attn.weight', llama: 'o_proj.weight', meta: 'wo.weight' }[layout];
    for (const name of state.keys()) {
      if (/bias$|^bias_/.test(name)) continue; // those of products may be absent: see biases.test.ts
      const rest = new Map([...state].filter(([other]) => other !== name));
      const load = () => MultiHeadAttention.fromTorch(rest, { numHeads });
      if (name === sign) expect(load).toThrow(/must hold one of/);
      else if (name === 'q_proj_weight') expect(load).toThrow(/unknown k_proj_weight, v_proj_weight/);
      else expect(load).toThrow(`missing ${name}; unknown none`);
    }
    const more = new Map([...state, ['q_norm.weight', storedVector([layer.W_Q])]]);
    expect(() => MultiHeadAttention.fromTorch(more, { numHeads })).toThrow('missing none; unknown q_norm.weight');
  });

  it('must have shapes that agree', () => {
    for (const [name, tensor] of state) {
      for (const shape of [[...tensor.shape, 1], [tensor.shape[0] + 1, ...tensor.shape.slice(1)], [], 'wide']) {
        const wrong = new Map([...state, [name, { ...tensor, shape } as StoredTensor]]);
        expect(() => MultiHeadAttention.fromTorch(wrong, { numHeads }), `${name} ${shape}`).toThrow(
          /must (have shape \[|hold \d+ numbers|be \{ dtype)/,
        );
      }
    }
  });
});

describe('what layouts leave out', () => {
  const llama = new MultiHeadAttention({ dModel: 8, numHeads: 2, bias: true, rope: true, causal: true });

  it('buffers are left aside', () => {
    const gpt2 = new MultiHeadAttention({ dModel: 12, numHeads: 3, bias: true }).toTorch({ layout: 'gpt2' });
    gpt2.set('bias', { dtype: 'BOOL', shape: [1, 1, 4, 4], data: new Uint8Array(16) });
    gpt2.set('masked_bias', { dtype: 'F32', shape: [], data: new Float32Array(1) });
    expect(MultiHeadAttention.fromTorch(gpt2, { numHeads: 3 }).b_Q).toBeDefined();
    const state = llama.toTorch({ layout: 'llama' });
    state.set('rotary_emb.inv_freq', { dtype: 'F32', shape: [2], data: new Float32Array(2) });
    expect(MultiHeadAttention.fromTorch(state, { numHeads: 2 }).rope).toBeDefined();
  });

  it('an extra key has a value', () => {
    const state = new MultiHeadAttention({ dModel: 8, numHeads: 2, addBiasKeyValue: true }).toTorch();
    state.delete('bias_v');
    expect(() => MultiHeadAttention.fromTorch(state, { numHeads: 2 })).toThrow('missing bias_v; unknown none');
  });

  it('heads are whole: of K, of V, and as many inputs of O', () => {
    const zeros = (rows: number, cols: number) => storedLinear(new Matrix(cols, rows));
    const load = (k: number, v: number, z: number) => {
      const state = { q_proj: zeros(12, 12), k_proj: zeros(k, 12), v_proj: zeros(v, 12), o_proj: zeros(12, z) };
      const named = Object.entries(state).map(([name, tensor]) => [`${name}.weight`, tensor] as const);
      return () => MultiHeadAttention.fromTorch(new Map(named), { numHeads: 2 });
    };
    expect(load(12, 8, 8)().heads).toMatchObject({ numHeads: 2, numKvHeads: 2, dK: 6, dV: 4 });
    // one and a half heads of K; heads of V of 2.5; inputs of O of one head more
    for (const [k, v, z] of [
      [9, 6, 8],
      [12, 5, 5],
      [12, 8, 12],
    ]) {
      expect(load(k, v, z)).toThrow(
        `Q, K, V and the inputs of O must have whole heads of 6 columns of Q and K: they have 12, ${k}, ${v} and ${z} in layout 'llama'`,
      );
    }
  });

  it('causal and rope are those of the layout unless told otherwise', () => {
    const state = new MultiHeadAttention({ dModel: 12, numHeads: 3, rope: true, seed: 1 }).toTorch({ layout: 'llama' });
    const at = (options: object) => MultiHeadAttention.fromTorch(state, { numHeads: 3, ...options });
    const plain = (causal: boolean, rope: boolean) => {
      const layer = new MultiHeadAttention({ dModel: 12, numHeads: 3, causal, rope, seed: 1 });
      return layer.forward(x).data;
    };
    expectSame(at({}).forward(x).data, plain(true, true));
    expectSame(at({ causal: undefined, rope: undefined }).forward(x).data, plain(true, true));
    expectSame(at({ causal: false }).forward(x).data, plain(false, true));
    expectSame(at({ rope: false }).forward(x).data, plain(true, false));
  });

  it.each([
    [
      'grouped heads',
      { dModel: 12, numHeads: 4, numKvHeads: 2 },
      'torch',
      "numKvHeads must be numHeads = 4 in layout 'torch': got 2 (layout: 'llama' has a place",
    ],
    [
      'a width of their own',
      { dModel: 12, numHeads: 2, dK: 4 },
      'gpt2',
      "dK must be dModel / numHeads = 12 / 2 and dV must be dModel / numHeads = 12 / 2 in layout 'gpt2': got 4 and 4",
    ],
    [
      'sinks',
      { dModel: 12, numHeads: 2, sinks: true },
      'torch',
      "sinks must be false in layout 'torch': got true (layout 'gpt2' needs sinks false; ",
    ],
    [
      'biases',
      { dModel: 12, numHeads: 2, bias: true },
      'meta',
      "bias must be false in layout 'meta': got b_Q, b_K, b_V, b_O (layout: 'torch' has",
    ],
    [
      'other inputs',
      { dModel: 12, numHeads: 2, kDim: 5 },
      'llama',
      "kDim must be dModel = 12 in layout 'llama': got 5",
    ],
  ] as const)('toTorch refuses %s', (_, options, layout, text) => {
    expect(() => new MultiHeadAttention(options).toTorch({ layout })).toThrow(text);
  });
});

describe('bits and kinds', () => {
  const state = () => new MultiHeadAttention({ dModel: 4, numHeads: 2 }).toTorch();

  it('NaN with what it carries, −0 and denormal numbers come through', () => {
    const special = state();
    for (const { data } of special.values()) {
      const bits = new Uint32Array(data.buffer as ArrayBuffer);
      bits.forEach((_, i) => {
        bits[i] = [0x7f800001, 0xffc12345, 0x80000000, 1, 0x7f800000, 0x007fffff][i % 6];
      });
    }
    expect(pictures(MultiHeadAttention.fromTorch(special, { numHeads: 2 }).toTorch())).toEqual(pictures(special));
  });

  it('F64, F16 and BF16 are read', () => {
    const written = state();
    const one = (dtype: 'F64' | 'F16' | 'BF16', data: StoredTensor['data']) => {
      const other = new Map([...written, ['out_proj.weight', { dtype, shape: [4, 4], data }]]);
      return MultiHeadAttention.fromTorch(other, { numHeads: 2 }).W_O.data;
    };
    const ones = new Float32Array(16).fill(1);
    expectSame(one('F64', Float64Array.from(ones)), ones);
    expectSame(one('F16', new Uint16Array(16).fill(0x3c00)), ones);
    expectSame(one('BF16', new Uint16Array(16).fill(0x3f80)), ones);
  });

  it('no seed is drawn by a call that fails', () => {
    const bad = state();
    bad.delete('in_proj_weight');
    const layer = new MultiHeadAttention({ dModel: 4, numHeads: 2, seed: 3 });
    expect(() => attentionFromTorch('f', bad, { numHeads: 2 })).toThrow('f: the state must have exactly the names');
    expect(pictures(attentionToTorch('f', layer, {}))).toEqual(pictures(layer.toTorch()));
    expect(attentionTensors('torch', true)).toHaveLength(8);
  });
});

forEachTwin(({ tolerance }) => {
  it.each([{}, { dim: 4 }, { base: 50 }])('rope the other way is the same layer: %o', (rope) => {
    const layer = filled(
      new MultiHeadAttention({ dModel: 12, numHeads: 2, numKvHeads: 1, causal: true, rope, bias: true }),
    );
    const state = layer.toTorch({ layout: 'llama' });
    const options = { numHeads: 2, rope: { ...rope, interleaved: true } };
    const turned = MultiHeadAttention.fromTorch(state, options);
    expect(turned.rope?.interleaved).toBe(true);
    expect([...turned.W_Q.data]).not.toEqual([...layer.W_Q.data]);
    expectSame(turned.W_V.data, layer.W_V.data);
    expectClose(turned.forward(x).data, layer.forward(x).data, tolerance);
    expect(pictures(turned.toTorch({ layout: 'llama' }))).toEqual(pictures(state));
  });
});
