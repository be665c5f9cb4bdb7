import {
  CausalLM,
  type CausalLMOptions,
  FeedForward,
  type FeedForwardOptions,
  LearnedPositions,
  Matrix,
  ShapeError,
  type StoredTensor,
  TransformerBlock,
  type TransformerBlockOptions,
} from '../../src/index.js';
import { anything, type BadCall } from './bad-call.js';

const x = new Matrix(5, 4);
const wide = new Matrix(5, 6);
const feedForward = new FeedForward({ dModel: 4, dHidden: 6, seed: 1 });
const block = new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, seed: 1 });
const positions = new LearnedPositions(4, 3, { seed: 1 });
const MODEL: CausalLMOptions = { vocabularySize: 6, dModel: 4, numLayers: 1, numHeads: 2, capacity: 4, seed: 1 };
const model = new CausalLM(MODEL);

function feed(options: Record<string, unknown>): () => unknown {
  return () => new FeedForward({ dModel: 4, dHidden: 6, ...options } as FeedForwardOptions);
}

function built(options: Record<string, unknown>): () => unknown {
  return () => new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, ...options } as TransformerBlockOptions);
}

function language(options: Record<string, unknown>): () => unknown {
  return () => new CausalLM({ ...MODEL, ...options } as CausalLMOptions);
}

/** The dropout state of a FeedForward with its only tensor changed. */
function loaded(changes: Record<string, unknown>): () => unknown {
  const tensor = { dtype: 'F64', shape: [2], data: Float64Array.of(1, 0), ...changes } as unknown as StoredTensor;
  return () => feedForward.loadDropoutState(new Map([['dropout', tensor]]));
}

const LOAD = 'Module.loadDropoutState';

export const modelMessages: readonly BadCall[] = [
  // FeedForward.
  ['new FeedForward', feed({ dHidden: 0 }), ShapeError, 'FeedForward: dHidden must be an integer of at least 1: got 0'],
  [
    'new FeedForward',
    feed({ activation: 'glu' }),
    ShapeError,
    `FeedForward: activation must be 'relu' or 'gelu' or 'gelu-tanh' or 'silu' or 'swiglu': got "glu"`,
  ],
  [
    'new FeedForward',
    feed({ dHidden: 2 ** 31 }),
    ShapeError,
    'FeedForward: W_1 must have at most 2147483647 rows, columns and entries: got 4×2147483648',
  ],
  [
    'new FeedForward',
    feed({ hidden: 6 }),
    TypeError,
    'FeedForward: every option must be known: got "hidden" (did you mean dHidden?)',
  ],
  [
    'FeedForward.forward',
    () => feedForward.forward(wide),
    ShapeError,
    'FeedForward: x must have dModel = 4 columns: x is 5×6',
  ],
  [
    'FeedForward.forward',
    () => feedForward.forward(anything([1])),
    TypeError,
    'FeedForward: x must be a Matrix: got [1]',
  ],
  // LearnedPositions.
  [
    'new LearnedPositions',
    () => new LearnedPositions(0, 4),
    ShapeError,
    'LearnedPositions: capacity must be an integer of at least 1: got 0',
  ],
  [
    'new LearnedPositions',
    () => new LearnedPositions(4, anything('4')),
    TypeError,
    'LearnedPositions: dModel must be a number: got "4"',
  ],
  [
    'LearnedPositions.forward',
    () => positions.forward(5),
    ShapeError,
    'LearnedPositions: positions must be at most capacity = 4: got 5',
  ],
  [
    'LearnedPositions.forward',
    () => positions.forward([3, 4]),
    ShapeError,
    'LearnedPositions: positions must be integers from 0 to 3: positions[1] is 4',
  ],
  [
    'LearnedPositions.forward',
    () => positions.forward(anything('all')),
    TypeError,
    'LearnedPositions: positions must be an array or a typed array: got "all"',
  ],
  // TransformerBlock.
  [
    'new TransformerBlock',
    built({ numHeads: 3 }),
    ShapeError,
    'TransformerBlock: dModel must be divisible by numHeads: 4 is not divisible by 3 (or give dK)',
  ],
  [
    'new TransformerBlock',
    built({ norm: 'batch' }),
    ShapeError,
    `TransformerBlock: norm must be 'layer' or 'rms': got "batch"`,
  ],
  [
    'new TransformerBlock',
    built({ normPlacement: 'first' }),
    ShapeError,
    `TransformerBlock: normPlacement must be 'pre' or 'post': got "first"`,
  ],
  [
    'new TransformerBlock',
    built({ dropout: 1.5 }),
    ShapeError,
    'TransformerBlock: dropout must be a finite number from 0 to 1: got 1.5',
  ],
  [
    'new TransformerBlock',
    built({ dHidden: undefined }),
    TypeError,
    'TransformerBlock: dHidden must be a number: got undefined',
  ],
  [
    'new TransformerBlock',
    built({ bias: { b_3: true } }),
    ShapeError,
    "TransformerBlock: bias.b_3 must come with activation: 'swiglu': got activation: 'relu'",
  ],
  [
    'new TransformerBlock',
    built({ bias: 'all' }),
    TypeError,
    'TransformerBlock: bias must be true, false or an object of b_Q, b_K, b_V, b_O, b_1, b_2, b_3: got "all"',
  ],
  [
    'new TransformerBlock',
    built({ bias: { b_q: true } }),
    TypeError,
    'TransformerBlock.bias: every option must be known: got "b_q" (did you mean b_Q?)',
  ],
  [
    'new TransformerBlock',
    built({ bias: { b_Q: 1 } }),
    TypeError,
    'TransformerBlock: bias.b_Q must be true or false: got 1',
  ],
  [
    'new TransformerBlock',
    built({ norm: 'rms', normBias: true }),
    ShapeError,
    "TransformerBlock: normBias must come with norm: 'layer': got norm: 'rms'",
  ],
  [
    'new TransformerBlock',
    built({ normFirst: true }),
    TypeError,
    'TransformerBlock: every option must be known: got "normFirst" (did you mean normBias?)',
  ],
  [
    'TransformerBlock.forward',
    () => block.forward(wide),
    ShapeError,
    'TransformerBlock: x must have dModel = 4 columns: x is 5×6',
  ],
  [
    'TransformerBlock.forward',
    () => block.forward(x, { keyMask: new Uint8Array(4) }),
    ShapeError,
    'MultiHeadAttention: keyMask must have one entry for each of the 5 key rows: got 4',
  ],
  [
    'TransformerBlock.forward',
    () => block.forward(x, anything({ context: x })),
    TypeError,
    'TransformerBlock: every option must be known: got "context" (known: mask, bias, keyMask, cuSeqlens, positions)',
  ],
  // CausalLM.
  [
    'new CausalLM',
    language({ vocabularySize: 0 }),
    ShapeError,
    'CausalLM: vocabularySize must be an integer of at least 1: got 0',
  ],
  [
    'new CausalLM',
    language({ dModel: 5 }),
    ShapeError,
    'CausalLM: dModel must be divisible by numHeads: 5 is not divisible by 2 (or give dK)',
  ],
  [
    'new CausalLM',
    language({ numLayers: 2 ** 40 }),
    ShapeError,
    'CausalLM: numLayers must be at most 16384: got 1099511627776',
  ],
  [
    'new CausalLM',
    language({ vocabularySize: 1e8 }),
    ShapeError,
    'CausalLM: the weights must have at most 536870912 entries in all: got 800000192',
  ],
  [
    'new CausalLM',
    language({ positions: 'alibi' }),
    ShapeError,
    `CausalLM: positions must be 'rope' or 'learned' or 'sinusoidal': got "alibi"`,
  ],
  [
    'new CausalLM',
    language({ positions: 'learned', rope: { base: 100 } }),
    ShapeError,
    "CausalLM: rope must come with positions: 'rope': got positions: 'learned'",
  ],
  [
    'new CausalLM',
    language({ positions: 'learned', capacity: undefined }),
    TypeError,
    "CausalLM: capacity must be given with positions: 'learned': got undefined",
  ],
  [
    'new CausalLM',
    language({ causal: true }),
    TypeError,
    'CausalLM: every option must be known: got "causal" (known: vocabularySize, numLayers, positions, capacity, tieEmbeddings, dModel, numHeads, numKvHeads, dK, dV, dHidden, activation, norm, normPlacement, epsilon, bias, normBias, window, rope, softcap, sinks, dropout, init, seed)',
  ],
  [
    'CausalLM.forward',
    () => model.forward([1, 2, 3, 4, 5]),
    ShapeError,
    'CausalLM: a sequence must have at most capacity = 4 tokens: got 5',
  ],
  [
    'CausalLM.forward',
    () => model.forward([0, 6]),
    ShapeError,
    'CausalLM: ids must be integers from 0 to 5: ids[1] is 6',
  ],
  [
    'CausalLM.forward',
    () => model.forward([0, 5], { cuSeqlens: [0, 1] }),
    ShapeError,
    'CausalLM: cuSeqlens must start at 0, never decrease and end at 2 rows: got [0, 1], entry 1 is 1',
  ],
  [
    'CausalLM.forward',
    () => model.forward(anything('hello')),
    TypeError,
    'CausalLM: ids must be an array or a typed array: got "hello"',
  ],
  // The state of dropout.
  [
    LOAD,
    () => feedForward.loadDropoutState(feedForward.stateDict()),
    ShapeError,
    'FeedForward.loadDropoutState: the state must have exactly the names of dropoutState(): missing dropout; unknown W_1, W_2',
  ],
  [
    LOAD,
    loaded({ data: Float64Array.of(1, -1) }),
    ShapeError,
    'FeedForward.loadDropoutState: the calls of dropout must be an integer of at least 0: got -1',
  ],
  [
    LOAD,
    loaded({ data: Float64Array.of(0.5, 1) }),
    ShapeError,
    'FeedForward.loadDropoutState: the seed of dropout must be an integer of at least 0: got 0.5',
  ],
  [
    LOAD,
    loaded({ shape: [1, 2] }),
    ShapeError,
    'FeedForward.loadDropoutState: dropout must have shape [2]: got [1, 2]',
  ],
  [
    LOAD,
    loaded({ dtype: 'F32' }),
    TypeError,
    `FeedForward.loadDropoutState: dropout must be { dtype: 'F64', shape, data: Float64Array }: got dtype "F32", shape [2], data [1, 0]`,
  ],
];
