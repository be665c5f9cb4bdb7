import {
  Matrix,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  SelfAttention,
  ShapeError,
} from '../../src/index.js';
import { anything, type BadCall } from './bad-call.js';

const x = new Matrix(5, 4);
const wide = new Matrix(5, 6);
const self = new SelfAttention({ dModel: 4, numHeads: 2, seed: 1 });
const multiHead = new MultiHeadAttention({ dModel: 4, numHeads: 2, seed: 1 });
const cross = new MultiHeadAttention({ dModel: 4, numHeads: 2, kDim: 6, vDim: 3, seed: 1 });
const turned = new MultiHeadAttention({ dModel: 4, numHeads: 2, rope: true, seed: 1 });

/** A multi-head layer with an option of the wrong kind, size or range. */
function built(options: Record<string, unknown>): () => unknown {
  return () => new MultiHeadAttention({ dModel: 4, numHeads: 2, ...options } as MultiHeadAttentionOptions);
}

const BUILD = 'new MultiHeadAttention';
const FORWARD = 'MultiHeadAttention.forward';

export const attentionLayerMessages: readonly BadCall[] = [
  // SelfAttention.
  [
    'new SelfAttention',
    () => new SelfAttention(anything(undefined)),
    TypeError,
    'SelfAttention: dModel must be a number: got undefined',
  ],
  [
    'new SelfAttention',
    () => new SelfAttention({ dModel: 0 }),
    ShapeError,
    'SelfAttention: dModel must be an integer of at least 1: got 0',
  ],
  [
    'new SelfAttention',
    () => new SelfAttention({ dModel: 4, numHeads: 3 }),
    ShapeError,
    'SelfAttention: dModel must be divisible by numHeads: 4 is not divisible by 3 (or give dK)',
  ],
  [
    'new SelfAttention',
    () => new SelfAttention({ dModel: 4, dK: 2 ** 31 }),
    ShapeError,
    'SelfAttention: W_Q must have at most 2147483647 rows, columns and entries: got 4×2147483648',
  ],
  [
    'new SelfAttention',
    () => new SelfAttention({ dModel: 4, sinks: new Matrix(1, 2) }),
    ShapeError,
    'SelfAttention: sinks must be (1 × numHeads) = 1×1: got 1×2',
  ],
  [
    'new SelfAttention',
    () => new SelfAttention({ dModel: 4, window: -1 }),
    ShapeError,
    'SelfAttention: window must be an integer of at least 0, or Infinity for open: got -1',
  ],
  [
    'new SelfAttention',
    () => new SelfAttention({ dModel: 4, mask: anything('all') }),
    TypeError,
    'SelfAttention: mask must be a Uint8Array or boolean[][]: got "all"',
  ],
  [
    'new SelfAttention',
    () => new SelfAttention(anything({ dModel: 4, casual: true })),
    TypeError,
    'SelfAttention: every option must be known: got "casual" (did you mean causal?)',
  ],
  [
    'SelfAttention.forward',
    () => self.forward(wide),
    ShapeError,
    'SelfAttention: x must have dModel = 4 columns: x is 5×6',
  ],
  [
    'SelfAttention.forward',
    () => self.forward(x, { dropout: -0.1 }),
    ShapeError,
    'SelfAttention: dropout must be a finite number from 0 to 1: got -0.1',
  ],
  [
    'SelfAttention.forward',
    () => self.forward(x, anything({ dModel: 4 })),
    TypeError,
    'SelfAttention: every option must be known: got "dModel" (known: numHeads, numKvHeads, scale, causal, causalOffset, window, mask, keyMask, bias, softcap, alibi, sinks, cuSeqlens, cuSeqlensK, dropout, seed)',
  ],
  [
    'SelfAttention.attentionWeights',
    () => self.attentionWeights(x, { heads: [2] }),
    ShapeError,
    'SelfAttention.attentionWeights: heads[0] must be an integer from 0 to 1: got 2',
  ],
  [
    'SelfAttention.attentionWeights',
    () => self.attentionWeights(x, anything(null)),
    TypeError,
    'SelfAttention.attentionWeights: options must be an object: got null',
  ],
  [
    'SelfAttention.trace',
    () => self.trace(x, { cuSeqlens: [0, 2, 5] }),
    ShapeError,
    'SelfAttention.trace: x must be one sequence: got cuSeqlens (unpack first and trace each)',
  ],
  [
    'SelfAttention.trace',
    () => self.trace(anything(new Float32Array(20))),
    TypeError,
    'SelfAttention.trace: x must be a Matrix: got a Float32Array of length 20',
  ],
  // MultiHeadAttention.
  [
    BUILD,
    () => new MultiHeadAttention({ dModel: 100, numHeads: 8 }),
    ShapeError,
    'MultiHeadAttention: dModel must be divisible by numHeads: 100 is not divisible by 8 (or give dK)',
  ],
  [
    BUILD,
    () => new MultiHeadAttention(anything({ dModel: 4 })),
    TypeError,
    'MultiHeadAttention: numHeads must be a number: got undefined',
  ],
  [
    BUILD,
    built({ numKvHeads: 4 }),
    ShapeError,
    'MultiHeadAttention: numHeads must be divisible by numKvHeads: 2 is not divisible by 4',
  ],
  [BUILD, built({ kDim: 0 }), ShapeError, 'MultiHeadAttention: kDim must be an integer of at least 1: got 0'],
  [BUILD, built({ dV: 1.5 }), ShapeError, 'MultiHeadAttention: dV must be an integer of at least 1: got 1.5'],
  [BUILD, built({ dropout: 2 }), ShapeError, 'MultiHeadAttention: dropout must be a finite number from 0 to 1: got 2'],
  [
    BUILD,
    built({ init: 'kaiming' }),
    ShapeError,
    `MultiHeadAttention: init must be 'xavier' or 'torch': got "kaiming"`,
  ],
  [
    BUILD,
    built({ rope: { dim: 1 } }),
    ShapeError,
    'MultiHeadAttention.rope: dim must be even: got 1 (give an even dim below the head width)',
  ],
  [
    BUILD,
    built({ rope: { theta: 1e6 } }),
    TypeError,
    'MultiHeadAttention.rope: every option must be known: got "theta" (known: base, dim, interleaved)',
  ],
  [BUILD, built({ rope: 10000 }), TypeError, 'MultiHeadAttention.rope: options must be an object: got 10000'],
  [
    BUILD,
    built({ dK: 3, rope: true }),
    ShapeError,
    'MultiHeadAttention.rope: dim must be even: got 3 (give an even dim below the head width)',
  ],
  [
    BUILD,
    built({ sinks: new Matrix(1, 2) }),
    TypeError,
    'MultiHeadAttention: sinks must be true or false: got an object',
  ],
  [
    BUILD,
    built({ num_heads: 2 }),
    TypeError,
    'MultiHeadAttention: every option must be known: got "num_heads" (did you mean numHeads?)',
  ],
  [FORWARD, () => multiHead.forward(wide), ShapeError, 'MultiHeadAttention: x must have dModel = 4 columns: x is 5×6'],
  [
    FORWARD,
    () => multiHead.forward(x, { context: wide }),
    ShapeError,
    'MultiHeadAttention: context must have kDim = 4 columns: context is 5×6',
  ],
  [
    FORWARD,
    () => multiHead.forward(x, { context: { key: x, value: new Matrix(4, 4) } }),
    ShapeError,
    'MultiHeadAttention: context.key and context.value must have the same rows: got 5 and 4',
  ],
  [
    FORWARD,
    () => cross.forward(x),
    ShapeError,
    'MultiHeadAttention: context must be { key, value } where kDim and vDim differ: kDim is 6, vDim is 3',
  ],
  [
    FORWARD,
    () => cross.forward(x, { context: { key: x, value: x } }),
    ShapeError,
    'MultiHeadAttention: context.key must have kDim = 6 columns: context.key is 5×4',
  ],
  [
    FORWARD,
    () => multiHead.forward(x, { positions: [0, 1, 2, 3, 4] }),
    ShapeError,
    'MultiHeadAttention: positions must come with rope: the layer has no rope (build it with rope: true)',
  ],
  [
    FORWARD,
    () => turned.forward(x, { positions: [0, 1] }),
    ShapeError,
    'MultiHeadAttention: positions must have one entry for each of the 5 rows: got 2',
  ],
  [
    FORWARD,
    () => turned.forward(x, { positions: anything(0) }),
    TypeError,
    'MultiHeadAttention: positions must be an array or a typed array: got 0',
  ],
  [
    FORWARD,
    () => multiHead.forward(x, { context: anything('x') }),
    TypeError,
    'MultiHeadAttention: context must be a Matrix or { key, value }: got "x"',
  ],
  [
    FORWARD,
    () => multiHead.forward(x, { context: anything({ key: x }) }),
    TypeError,
    'MultiHeadAttention: context.value must be a Matrix: got undefined',
  ],
  [
    FORWARD,
    () => multiHead.forward(x, anything({ causal: true })),
    TypeError,
    'MultiHeadAttention: every option must be known: got "causal" (known: context, mask, bias, keyMask, cuSeqlens, cuSeqlensK, positions)',
  ],
  [
    'MultiHeadAttention.attentionWeights',
    () => multiHead.attentionWeights(x, { mask: new Uint8Array(5) }),
    ShapeError,
    'MultiHeadAttention.attentionWeights: mask must be (Lq × Lk) = 5×5 or (numHeads·Lq × Lk) = 10×5: got 5 entries',
  ],
  [
    'MultiHeadAttention.attentionWeights',
    () => multiHead.attentionWeights(anything(null)),
    TypeError,
    'MultiHeadAttention.attentionWeights: x must be a Matrix: got null',
  ],
];
