import {
  type AttentionOptions,
  attentionLogSumExp,
  CausalLM,
  crossEntropy,
  dropout,
  gelu,
  KVCache,
  layerNorm,
  logSoftmax,
  Matrix,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  meanSquaredError,
  Parameter,
  relu,
  rmsNorm,
  rotary,
  SelfAttention,
  scaledDotProductAttention,
  silu,
  TransformerBlock,
  valueAndGrad,
} from 'qkv';
import { outcome } from '../calls/outcome.js';
import { OPTION_CASES } from '../calls/registry.js';
import { GRADIENT_CASES } from '../ops/gradient-cases.js';
import { tapeGradients } from '../support/differences.js';

// Calls whose results are kept to the bit. Sizes lie past every edge that changes an order of summation: 256 terms of a
// product, tiles of 4 × 8, 64 keys, 32 and 64 queries, four rows and fewer.

type Call = () => unknown;
export type BitCases = Record<string, Call>;

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });

/** Of one callable all that its options give; those of the public surface, whatever is added to it. */
function ofOptions(): BitCases {
  const names = [...new Set(OPTION_CASES.map(({ key }) => key))];
  const run = async (key: string) => {
    const out: unknown[] = [];
    for (const one of OPTION_CASES.filter((other) => other.key === key)) {
      out.push(await outcome(one.without), await outcome(one.with));
    }
    // Messages are not numbers: their words have tests of their own.
    return out.map((entries) => ((entries as unknown[])[0] === 'throws' ? 'throws' : entries));
  };
  return Object.fromEntries(names.map((key) => [`option ${key}`, () => run(key)]));
}

/** The gradients of every operation, in all its small cases. */
function ofGradients(): BitCases {
  const all = Object.entries(GRADIENT_CASES);
  return Object.fromEntries(
    all.map(([name, cases]) => [`gradient ${name}`, () => Object.values(cases).map((one) => tapeGradients(one))]),
  );
}

/** A result and the gradients of a weighted sum of it. */
const withGradients = (inputs: Matrix[], f: (...inputs: Matrix[]) => Matrix) => () => [
  f(...inputs),
  tapeGradients({ inputs: () => inputs, f }),
];

const PRODUCTS = [
  [1, 300, 70],
  [2, 257, 33],
  [4, 256, 8],
  [7, 600, 100],
  [33, 70, 41],
  [70, 129, 65],
  [130, 520, 72],
] as const;

function ofProducts(): BitCases {
  const cases: BitCases = {};
  for (const [m, k, n] of PRODUCTS) {
    for (const [transposeA, transposeB] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ]) {
      const a = transposeA ? normal(k, m, 1) : normal(m, k, 1);
      const b = transposeB ? normal(n, k, 2) : normal(k, n, 2);
      const f = (a: Matrix, b: Matrix) => a.matmul(b, { transposeA, transposeB });
      cases[`product ${m}×${k}×${n}${transposeA ? ' Aᵀ' : ''}${transposeB ? ' Bᵀ' : ''}`] = withGradients([a, b], f);
    }
  }
  const w = new Parameter(300, 70, normal(300, 70, 2).data);
  for (const m of [1, 3, 40])
    cases[`product of ${m} rows, resident`] = withGradients([normal(m, 300, 1), w], (x, w) => x.matmul(w));
  return cases;
}

function ofRows(): BitCases {
  const x = normal(70, 301, 1);
  const [gain, bias] = [normal(1, 301, 2), normal(1, 301, 3)];
  const targets = Array.from({ length: 70 }, (_, i) => (i * 37) % 301);
  const unary = {
    softmax: (x: Matrix) => x.softmax(),
    logSoftmax,
    relu,
    gelu: (x: Matrix) => gelu(x),
    silu,
    exp: (x: Matrix) => x.exp(),
  };
  return {
    ...Object.fromEntries(Object.entries(unary).map(([name, f]) => [`rows ${name}`, withGradients([x], f)])),
    'rows gelu, tanh': withGradients([x], (x) => gelu(x, { approximate: 'tanh' })),
    'rows tanh': withGradients([x], (x) => x.tanh()),
    'rows layerNorm': withGradients([x, gain, bias], (x, gain, bias) => layerNorm(x, gain, bias)),
    'rows rmsNorm': withGradients([x, gain], (x, gain) => rmsNorm(x, gain)),
    'rows add, subtract, multiply, divide': withGradients([x, gain, bias], (x, a, b) =>
      x
        .add(a)
        .multiply(b)
        .subtract(a)
        .divide(x.multiply(x).add(Matrix.from([[1]]).matmul(new Matrix(1, 301, new Float32Array(301).fill(1))))),
    ),
    'rows sum, mean': withGradients([x], (x) => x.sum().multiply(x.mean())),
    'rows crossEntropy': withGradients([x], (x) => crossEntropy(x, targets, { labelSmoothing: 0.1, ignoreIndex: 37 })),
    'rows meanSquaredError': withGradients([x, normal(70, 301, 4)], meanSquaredError),
    'rows dropout': withGradients([x], (x) => dropout(x, 0.3, { seed: 5 })),
    'rows rotary': withGradients([normal(70, 4 * 24, 1)], (x) =>
      rotary(x, { numHeads: 4, dim: 20, interleaved: true }),
    ),
  };
}

const [LQ, LK, HEADS, KV_HEADS, DK, DV] = [70, 133, 4, 2, 24, 20];
const flags = (length: number) => Uint8Array.from({ length }, (_, i) => Number(i % 7 !== 3));

/** Options of attention, together with what they change of the rest. */
const ATTENTIONS: Record<string, AttentionOptions> = {
  plain: {},
  causal: { causal: true },
  'top-left': { causal: 'top-left', window: [9, 3] },
  window: { causal: true, window: 20 },
  mask: { mask: flags(LQ * LK) },
  'mask a head': { mask: flags(HEADS * LQ * LK) },
  keyMask: { keyMask: flags(LK), causal: true },
  bias: { bias: normal(LQ, LK, 4) },
  'bias a head': { bias: normal(HEADS * LQ, LK, 5), softcap: 3 },
  alibi: { alibi: true, causal: true },
  sinks: { sinks: normal(1, HEADS, 6) },
  dropout: { dropout: 0.2, seed: 7, causal: true },
  packed: { cuSeqlens: [0, 3, 3, 40, 70], cuSeqlensK: [0, 70, 71, 80, 133], causal: true },
  everything: {
    cuSeqlens: [0, 30, 70],
    cuSeqlensK: [0, 53, 133],
    causal: true,
    causalOffset: 5,
    window: [30, 0],
    bias: normal(LQ, 80, 8),
    keyMask: flags(LK),
    softcap: 5,
    alibi: true,
    sinks: normal(1, HEADS, 9),
    dropout: 0.1,
    seed: 3,
    scale: 0.3,
  },
};

function ofAttention(): BitCases {
  const cases: BitCases = {};
  for (const [name, options] of Object.entries(ATTENTIONS)) {
    for (const numKvHeads of [KV_HEADS, 1, HEADS]) {
      const heads = { numHeads: HEADS, numKvHeads };
      const [q, k, v] = [normal(LQ, HEADS * DK, 1), normal(LK, numKvHeads * DK, 2), normal(LK, numKvHeads * DV, 3)];
      const { bias, sinks, ...rest } = options;
      const extra = [bias, sinks].filter((matrix) => matrix !== undefined);
      const named = (given: Matrix[]) => ({
        ...(bias && { bias: given[0] }),
        ...(sinks && { sinks: given[extra.length - 1] }),
      });
      cases[`attention ${name}, ${numKvHeads} of k and v`] = withGradients([q, k, v, ...extra], (q, k, v, ...given) =>
        scaledDotProductAttention(q, k, v, { ...rest, ...heads, ...named(given) }),
      );
      if (numKvHeads === KV_HEADS && rest.dropout === undefined)
        cases[`log-sum-exp ${name}`] = withGradients([q, k, ...extra], (q, k, ...given) =>
          attentionLogSumExp(q, k, { ...rest, ...heads, ...named(given) }),
        );
    }
  }
  for (const rows of [1, 2, 3, 4, 5, 17]) {
    const [q, k, v] = [normal(rows, 4 * 64, 1), normal(300, 4 * 64, 2), normal(300, 4 * 64, 3)];
    cases[`attention of ${rows} rows`] = withGradients([q, k, v], (q, k, v) =>
      scaledDotProductAttention(q, k, v, { numHeads: 4, causal: true }),
    );
  }
  return cases;
}

const LAYERS: Record<string, Omit<MultiHeadAttentionOptions, 'dModel' | 'numHeads'>> = {
  plain: {},
  'grouped, biases, rope': { numKvHeads: 2, bias: true, rope: true, causal: true },
  'extra keys': { addZeroAttention: true, addBiasKeyValue: true, causal: true },
  sinks: { sinks: true, softcap: 4, alibi: true },
};

function ofLayers(): BitCases {
  const x = normal(41, 64, 1);
  const cases: BitCases = {};
  for (const [name, options] of Object.entries(LAYERS)) {
    cases[`layer ${name}`] = () => {
      const layer = new MultiHeadAttention({ dModel: 64, numHeads: 4, seed: 1, ...options });
      const { value, gradients } = valueAndGrad(() => layer.forward(x).tanh().mean(), { of: [x] });
      return [layer.forward(x), value, ...[x, ...layer.parameters()].map((p) => gradients.get(p))];
    };
  }
  cases['layer self-attention'] = () => {
    const layer = new SelfAttention({ dModel: 64, seed: 1, causal: true });
    return [layer.forward(x), layer.attentionWeights(x)];
  };
  cases['layer block'] = () => {
    const block = new TransformerBlock({
      dModel: 64,
      numHeads: 4,
      dHidden: 100,
      seed: 1,
      activation: 'swiglu',
      norm: 'rms',
    });
    const { value, gradients } = valueAndGrad(() => block.forward(x).tanh().mean());
    return [value, ...block.parameters().map((p) => gradients.get(p))];
  };
  cases['model, a step of training and of decoding'] = () => {
    const sizes = { vocabularySize: 50, dModel: 32, numLayers: 2, numHeads: 4, numKvHeads: 2, seed: 1 } as const;
    const model = new CausalLM({ ...sizes, tieEmbeddings: true, capacity: 64 });
    const ids = Array.from({ length: 40 }, (_, i) => (i * 7) % 50);
    const loss = () =>
      crossEntropy(
        model.forward(ids),
        ids.map((id) => (id + 1) % 50),
      );
    const { value, gradients } = valueAndGrad(loss);
    const caches = model.createCaches();
    return [
      value,
      ...model.parameters().map((p) => gradients.get(p)),
      model.step(ids, caches),
      model.step([3], caches),
    ];
  };
  cases['ring of keys'] = () => {
    const cache = new KVCache({ capacity: 20, dK: 16, numKvHeads: 2, mode: 'ring', sinkTokens: 3 });
    return Array.from({ length: 9 }, (_, i) => {
      cache.append(normal(1 + (i % 4), 32, i), normal(1 + (i % 4), 32, i + 50));
      return cache.attend(normal(1 + (i % 4), 64, i + 90), { numHeads: 4, window: 12 });
    });
  };
  return cases;
}

export const BIT_CASES: BitCases = {
  ...ofOptions(),
  ...ofGradients(),
  ...ofProducts(),
  ...ofRows(),
  ...ofAttention(),
  ...ofLayers(),
};
