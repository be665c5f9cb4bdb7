import {
  type AttentionOptions,
  attentionLogSumExp,
  attentionWeights,
  Matrix,
  ShapeError,
  scaledDotProductAttention,
} from '../../src/index.js';
import { anything, type BadCall } from './bad-call.js';

const [q, k, v] = [new Matrix(3, 4), new Matrix(5, 4), new Matrix(5, 4)];

/** Attention with an option of the wrong kind, size or range. */
function given(options: Record<string, unknown>): () => unknown {
  return () => scaledDotProductAttention(q, k, v, options as AttentionOptions);
}

const name = 'scaledDotProductAttention';

export const attentionMessages: readonly BadCall[] = [
  // Shapes.
  [
    name,
    () => scaledDotProductAttention(q, new Matrix(5, 6), v),
    ShapeError,
    'scaledDotProductAttention: k must have numKvHeads·dK = 1·4 columns: q is 3×4, k is 5×6',
  ],
  [
    name,
    () => scaledDotProductAttention(q, k, new Matrix(4, 4)),
    ShapeError,
    'scaledDotProductAttention: k and v must have the same rows: k is 5×4, v is 4×4',
  ],
  [
    name,
    () => scaledDotProductAttention(q, k, anything(null)),
    TypeError,
    'scaledDotProductAttention: v must be a Matrix: got null',
  ],
  [
    name,
    () => scaledDotProductAttention(anything([[1]]), k, v),
    TypeError,
    'scaledDotProductAttention: q must be a Matrix: got [an Array]',
  ],
  [
    name,
    () => scaledDotProductAttention(q, k, v, anything(8)),
    TypeError,
    'scaledDotProductAttention: options must be an object: got 8',
  ],
  [
    name,
    () => scaledDotProductAttention(new Matrix(2 ** 20, 0), new Matrix(1, 0), new Matrix(1, 2 ** 20)),
    ShapeError,
    'scaledDotProductAttention: the result must have at most 2147483647 rows, columns and entries: got 1048576×1048576',
  ],
  // Heads.
  [
    name,
    given({ numHeads: 3 }),
    ShapeError,
    'scaledDotProductAttention: columns of q must be divisible by numHeads: 4 is not divisible by 3',
  ],
  [
    name,
    given({ numHeads: 0 }),
    ShapeError,
    'scaledDotProductAttention: numHeads must be an integer of at least 1: got 0',
  ],
  [name, given({ numHeads: '2' }), TypeError, 'scaledDotProductAttention: numHeads must be a number: got "2"'],
  [
    name,
    given({ numHeads: 4, numKvHeads: 3 }),
    ShapeError,
    'scaledDotProductAttention: numHeads must be divisible by numKvHeads: 4 is not divisible by 3',
  ],
  [
    name,
    given({ numHeads: 2, numKvHeads: 1 }),
    ShapeError,
    'scaledDotProductAttention: k must have numKvHeads·dK = 1·2 columns: q is 3×4, k is 5×4',
  ],
  [
    name,
    () => scaledDotProductAttention(q, k, new Matrix(5, 3), { numHeads: 2 }),
    ShapeError,
    'scaledDotProductAttention: columns of v must be divisible by numKvHeads: 3 is not divisible by 2',
  ],
  // Numbers.
  [name, given({ scale: Number.NaN }), ShapeError, 'scaledDotProductAttention: scale must be a finite number: got NaN'],
  [name, given({ scale: '1' }), TypeError, 'scaledDotProductAttention: scale must be a number: got "1"'],
  [
    name,
    given({ softcap: -1 }),
    ShapeError,
    'scaledDotProductAttention: softcap must be a finite number of at least 0: got -1',
  ],
  [
    name,
    given({ softcap: 1e39 }),
    ShapeError,
    'scaledDotProductAttention: softcap must be 0 or of a size from 1.2e-38 to 3.4e38, as float32 holds it: got 1e+39',
  ],
  [
    name,
    given({ scale: -1e-46 }),
    ShapeError,
    'scaledDotProductAttention: scale must be 0 or of a size from 1.2e-38 to 3.4e38, as float32 holds it: got -1e-46',
  ],
  [
    name,
    given({ dropout: 1.1 }),
    ShapeError,
    'scaledDotProductAttention: dropout must be a finite number from 0 to 1: got 1.1',
  ],
  [name, given({ dropout: null }), TypeError, 'scaledDotProductAttention: dropout must be a number: got null'],
  [name, given({ seed: -1 }), ShapeError, 'scaledDotProductAttention: seed must be an integer of at least 0: got -1'],
  [name, given({ seed: 5n }), TypeError, 'scaledDotProductAttention: seed must be a number: got 5n'],
  // Who sees whom.
  [
    name,
    given({ casual: true }),
    TypeError,
    'scaledDotProductAttention: every option must be known: got "casual" (did you mean causal?)',
  ],
  [
    name,
    given({ colour: true }),
    TypeError,
    'scaledDotProductAttention: every option must be known: got "colour" (known: numHeads, numKvHeads, scale, causal, causalOffset, window, mask, keyMask, bias, softcap, alibi, sinks, cuSeqlens, cuSeqlensK, dropout, seed)',
  ],
  [
    name,
    given({ causal: 'bottom-right' }),
    ShapeError,
    `scaledDotProductAttention: causal must be true, false or 'top-left': got "bottom-right"`,
  ],
  [name, given({ causal: 1 }), TypeError, "scaledDotProductAttention: causal must be true, false or 'top-left': got 1"],
  [
    name,
    given({ causal: true, causalOffset: 0.5 }),
    ShapeError,
    'scaledDotProductAttention: causalOffset must be an integer from -536870912 to 536870912: got 0.5',
  ],
  [
    name,
    given({ causal: 'top-left', causalOffset: 2 }),
    ShapeError,
    "scaledDotProductAttention: causalOffset must be 0 or absent with causal: 'top-left': got 2",
  ],
  [
    name,
    given({ window: -1 }),
    ShapeError,
    'scaledDotProductAttention: window must be an integer of at least 0, or Infinity for open: got -1',
  ],
  [
    name,
    given({ window: [1, 2, 3] }),
    ShapeError,
    'scaledDotProductAttention: window must be a number or [left, right]: got [1, 2, 3]',
  ],
  [
    name,
    given({ window: [1, Number.NaN] }),
    ShapeError,
    'scaledDotProductAttention: window must be an integer of at least 0, or Infinity for open: got [1, NaN]',
  ],
  [name, given({ window: [1, null] }), TypeError, 'scaledDotProductAttention: window must be a number: got null'],
  [
    name,
    given({ window: 'all' }),
    TypeError,
    'scaledDotProductAttention: window must be a number or [left, right]: got "all"',
  ],
  // Masks and biases.
  [
    name,
    given({ mask: new Uint8Array(14) }),
    ShapeError,
    'scaledDotProductAttention: mask must be (Lq × Lk) = 3×5: got 14 entries',
  ],
  [
    name,
    given({ mask: new Uint8Array(14), numHeads: 2 }),
    ShapeError,
    'scaledDotProductAttention: mask must be (Lq × Lk) = 3×5 or (numHeads·Lq × Lk) = 6×5: got 14 entries',
  ],
  [name, given({ mask: [[true]] }), ShapeError, 'scaledDotProductAttention: mask must be (Lq × Lk) = 3×5: got 1 rows'],
  [
    name,
    given({ mask: [[true], [true], [true]] }),
    ShapeError,
    'scaledDotProductAttention: mask must be (Lq × Lk) = 3×5: row 0 has 1 entries',
  ],
  [
    name,
    given({ mask: new Array(3).fill([1, 0, 2, 0, 0]) }),
    TypeError,
    'scaledDotProductAttention: mask[0][2] must be true or false: got 2',
  ],
  [
    name,
    given({ mask: Object.assign(new Array(3), { 2: new Array(5).fill(true) }) }),
    TypeError,
    'scaledDotProductAttention: mask[0] must be an array or a typed array: got undefined',
  ],
  [
    name,
    given({ mask: new Float32Array(15) }),
    TypeError,
    'scaledDotProductAttention: mask must be a Uint8Array or boolean[][]: got a Float32Array of length 15',
  ],
  [
    name,
    given({ keyMask: new Uint8Array(4) }),
    ShapeError,
    'scaledDotProductAttention: keyMask must have one entry for each of the 5 key rows: got 4',
  ],
  [
    name,
    given({ keyMask: [1, 1, 1, 1, 0] }),
    TypeError,
    'scaledDotProductAttention: keyMask must be a Uint8Array: got [1, 1, 1, 1, 0]',
  ],
  [
    name,
    given({ bias: new Matrix(5, 3) }),
    ShapeError,
    'scaledDotProductAttention: bias must be (Lq × Lk) = 3×5: got 5×3',
  ],
  [name, given({ bias: [[0]] }), TypeError, 'scaledDotProductAttention: bias must be a Matrix: got [an Array]'],
  [
    name,
    given({ alibi: new Float32Array(3) }),
    ShapeError,
    'scaledDotProductAttention: alibi must have one slope for each of the 1 heads: got 3',
  ],
  [
    name,
    given({ alibi: Float32Array.of(Number.NaN) }),
    ShapeError,
    'scaledDotProductAttention: alibi[0] must be a finite number: got NaN',
  ],
  [
    name,
    given({ alibi: [0.5] }),
    TypeError,
    'scaledDotProductAttention: alibi must be true, false or a Float32Array of slopes: got [0.5]',
  ],
  [
    name,
    given({ sinks: new Matrix(1, 2) }),
    ShapeError,
    'scaledDotProductAttention: sinks must be (1 × numHeads) = 1×1: got 1×2',
  ],
  [name, given({ sinks: true }), TypeError, 'scaledDotProductAttention: sinks must be a Matrix: got true'],
  // Packed batches.
  [
    name,
    given({ cuSeqlens: [0, 10, 30] }),
    ShapeError,
    'scaledDotProductAttention: cuSeqlens must start at 0, never decrease and end at 3 rows: got [0, 10, 30], entry 1 is 10',
  ],
  [
    name,
    given({ cuSeqlens: [0, 3] }),
    ShapeError,
    'scaledDotProductAttention: cuSeqlens (no cuSeqlensK given) must start at 0, never decrease and end at 5 rows: got [0, 3], entry 1 is 3',
  ],
  [
    name,
    given({ cuSeqlens: [0, 1, 3], cuSeqlensK: [0, 5] }),
    ShapeError,
    'scaledDotProductAttention: cuSeqlens and cuSeqlensK must have the same number of entries: got 2 and 1 sequences',
  ],
  [
    name,
    given({ cuSeqlens: [0, 3], cuSeqlensK: [0, 2, 4] }),
    ShapeError,
    'scaledDotProductAttention: cuSeqlensK must start at 0, never decrease and end at 5 rows: got [0, 2, 4], entry 2 is 4',
  ],
  [
    name,
    given({ cuSeqlens: [0, 3], cuSeqlensK: null }),
    TypeError,
    'scaledDotProductAttention: cuSeqlensK must be an array or a typed array: got null',
  ],
  [
    name,
    given({ cuSeqlens: 3 }),
    TypeError,
    'scaledDotProductAttention: cuSeqlens must be an array or a typed array: got 3',
  ],
  // The other two say the same under their own names.
  [
    'attentionLogSumExp',
    () => attentionLogSumExp(q, new Matrix(5, 6)),
    ShapeError,
    'attentionLogSumExp: k must have numKvHeads·dK = 1·4 columns: q is 3×4, k is 5×6',
  ],
  [
    'attentionLogSumExp',
    () => attentionLogSumExp(q, k, { numHeads: 2.5 }),
    ShapeError,
    'attentionLogSumExp: numHeads must be an integer of at least 1: got 2.5',
  ],
  [
    'attentionLogSumExp',
    () => attentionLogSumExp(q, anything(undefined)),
    TypeError,
    'attentionLogSumExp: k must be a Matrix: got undefined',
  ],
  [
    'attentionLogSumExp',
    () => attentionLogSumExp(q, k, anything({ head: 1 })),
    TypeError,
    'attentionLogSumExp: every option must be known: got "head" (known: numHeads, numKvHeads, scale, causal, causalOffset, window, mask, keyMask, bias, softcap, alibi, sinks, cuSeqlens, cuSeqlensK, dropout, seed)',
  ],
  [
    'attentionWeights',
    () => attentionWeights(q, new Matrix(5, 6)),
    ShapeError,
    'attentionWeights: k must have numKvHeads·dK = 1·4 columns: q is 3×4, k is 5×6',
  ],
  [
    'attentionWeights',
    () => attentionWeights(q, k, { stage: anything('scores') }),
    ShapeError,
    `attentionWeights: stage must be 'scaledScores' or 'softcapped' or 'masked' or 'weights': got "scores"`,
  ],
  [
    'attentionWeights',
    () => attentionWeights(q, k, { stage: anything(1) }),
    TypeError,
    "attentionWeights: stage must be 'scaledScores' or 'softcapped' or 'masked' or 'weights': got 1",
  ],
  [
    'attentionWeights',
    () => attentionWeights(q, k, { numHeads: 2, heads: [0, 2] }),
    ShapeError,
    'attentionWeights: heads[1] must be an integer from 0 to 1: got 2',
  ],
  [
    'attentionWeights',
    () => attentionWeights(q, k, { heads: anything(0) }),
    TypeError,
    'attentionWeights: heads must be an array or a typed array: got 0',
  ],
  [
    'attentionWeights',
    () => attentionWeights(new Matrix(2 ** 20, 0), new Matrix(2 ** 20, 0)),
    ShapeError,
    'attentionWeights: a matrix of weights must have at most 2147483647 rows, columns and entries: got 1048576×1048576',
  ],
];
