import {
  CausalLM,
  KVCache,
  Matrix,
  MultiHeadAttention,
  permuteRotary,
  ShapeError,
  TransformerBlock,
} from '../../src/index.js';
import { anything, type BadCall } from './bad-call.js';

const attention = new MultiHeadAttention({ dModel: 4, numHeads: 2, seed: 1 });
const block = new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, seed: 1 });
const model = new CausalLM({ vocabularySize: 7, dModel: 4, numLayers: 2, numHeads: 2, capacity: 12, seed: 1 });
const x = new Matrix(2, 4);
const cache = attention.createCache({ capacity: 3 });

/** A ring of three rows that was given five, two of them last. */
function fullRing(): KVCache {
  const ring = new KVCache({ capacity: 3, dK: 4, mode: 'ring' });
  ring.append(new Matrix(3, 4), new Matrix(3, 4));
  ring.append(x, x);
  return ring;
}

function released(): KVCache {
  const made = attention.createCache({ capacity: 3 });
  made.release();
  return made;
}

const CACHES = 'caches must be a KVCache or a list of them, each once';

export const decodingMessages: readonly BadCall[] = [
  [
    'MultiHeadAttention.step',
    () => attention.step(x, [cache, released()]),
    TypeError,
    'MultiHeadAttention.step: caches[1] must not be released: it was (make another one)',
  ],
  [
    'CausalLM.step',
    () => model.step([1], [released(), released()]),
    TypeError,
    'CausalLM.step: caches[0] must not be released: it was (make another one)',
  ],
  [
    'permuteRotary',
    () => permuteRotary(x, { numHeads: 3, from: 'interleaved', to: 'half-split' }),
    ShapeError,
    'permuteRotary: columns of W must be divisible by numHeads: 4 is not divisible by 3',
  ],
  [
    'permuteRotary',
    () => permuteRotary(x, { numHeads: 1, from: 'interleaved', to: 'half-split', dim: 3 }),
    ShapeError,
    'permuteRotary: dim must be even: got 3',
  ],
  [
    'permuteRotary',
    () => permuteRotary(anything([1]), { numHeads: 1, from: 'interleaved', to: 'half-split' }),
    TypeError,
    'permuteRotary: W must be a Matrix: got [1]',
  ],
  [
    'MultiHeadAttention.addHook',
    () => attention.addHook(anything('hook_result'), () => undefined),
    ShapeError,
    "MultiHeadAttention.addHook: name must be 'hook_q' or 'hook_k' or 'hook_v' or 'hook_rot_q' or 'hook_rot_k' or 'hook_attn_scores' or 'hook_pattern' or 'hook_z': got \"hook_result\"",
  ],
  [
    'MultiHeadAttention.addHook',
    () => attention.addHook('hook_rot_k', () => undefined),
    ShapeError,
    'MultiHeadAttention.addHook: hook_rot_k must come with rope: the layer has no rope (build it with rope: true)',
  ],
  [
    'MultiHeadAttention.addHook',
    () => attention.addHook('hook_z', () => undefined, { heads: [2] }),
    ShapeError,
    'MultiHeadAttention.addHook: heads[0] must be an integer from 0 to 1: got 2',
  ],
  [
    'MultiHeadAttention.addHook',
    () => attention.addHook('hook_z', anything(x)),
    TypeError,
    'MultiHeadAttention.addHook: hook must be a function: got an object',
  ],
  [
    'new KVCache',
    () => new KVCache({ capacity: 4, dK: 2, mode: anything('loop') }),
    ShapeError,
    `KVCache: mode must be 'linear' or 'ring': got "loop"`,
  ],
  [
    'new KVCache',
    () => new KVCache({ capacity: 4, dK: 2, mode: 'ring', sinkTokens: 4 }),
    ShapeError,
    'KVCache: sinkTokens must be an integer from 0 to 3: got 4',
  ],
  [
    'new KVCache',
    () => new KVCache({ capacity: 4, dK: 2, sinkTokens: 1 }),
    ShapeError,
    "KVCache: sinkTokens must come with mode: 'ring': got 1 and mode 'linear'",
  ],
  [
    'KVCache.truncate',
    () => fullRing().truncate(2),
    ShapeError,
    'KVCache.truncate: a ring must not have overwritten rows: 5 appended, capacity 3 (reset it, or fork it before)',
  ],
  [
    'KVCache.attend',
    () => fullRing().attend(new Matrix(3, 4)),
    ShapeError,
    'KVCache.attend: q must have at most the rows that a full ring was given last: q has 3, appended were 2',
  ],
  [
    'KVCache.attend',
    () => fullRing().attend(x, { mask: new Uint8Array(6) }),
    ShapeError,
    'KVCache.attend: mask must be absent once a ring has overwritten rows: got one',
  ],
  [
    'MultiHeadAttention.createCache',
    () => attention.createCache({ capacity: 0 }),
    ShapeError,
    'KVCache: capacity must be an integer of at least 1: got 0',
  ],
  [
    'MultiHeadAttention.createCache',
    () => attention.createCache(anything(undefined)),
    TypeError,
    'MultiHeadAttention.createCache: options must be an object: got undefined',
  ],
  [
    'MultiHeadAttention.step',
    () => attention.step(new Matrix(2, 5), cache),
    ShapeError,
    'MultiHeadAttention.step: x must have dModel = 4 columns: x is 2×5',
  ],
  [
    'MultiHeadAttention.step',
    () => attention.step(new Matrix(4, 4), cache),
    ShapeError,
    'MultiHeadAttention.step: the rows must fit: 0 held, 4 more, capacity 3 (build it with more capacity, or truncate or reset it)',
  ],
  [
    'MultiHeadAttention.step',
    () => attention.step(x, new KVCache({ capacity: 4, dK: 2 })),
    ShapeError,
    'MultiHeadAttention.step: a cache must have numKvHeads, dK, dV = 2, 2, 2: got 1, 2, 2 (make it with createCache)',
  ],
  [
    'MultiHeadAttention.step',
    () => new MultiHeadAttention({ dModel: 4, numHeads: 2, kDim: 3 }).step(x, cache),
    ShapeError,
    'MultiHeadAttention.step: kDim and vDim must be dModel: got 3, 4 and 4',
  ],
  [
    'MultiHeadAttention.step',
    () => attention.step(x, [cache, cache]),
    ShapeError,
    `MultiHeadAttention.step: ${CACHES}: caches[1] is caches[0]`,
  ],
  [
    'MultiHeadAttention.step',
    () => attention.step(x, anything({})),
    TypeError,
    `MultiHeadAttention.step: ${CACHES}: got an object`,
  ],
  [
    'TransformerBlock.createCache',
    () => block.createCache({ capacity: 1.5 }),
    ShapeError,
    'KVCache: capacity must be an integer of at least 1: got 1.5',
  ],
  [
    'TransformerBlock.createCache',
    () => block.createCache(anything({ size: 3 })),
    TypeError,
    'MultiHeadAttention.createCache: every option must be known: got "size" (known: capacity, mode, sinkTokens)',
  ],
  [
    'TransformerBlock.step',
    () => block.step(new Matrix(2, 5), cache),
    ShapeError,
    'TransformerBlock.step: x must have dModel = 4 columns: x is 2×5',
  ],
  [
    'TransformerBlock.step',
    () => block.step(x, anything(undefined)),
    TypeError,
    `MultiHeadAttention.step: ${CACHES}: got undefined`,
  ],
  [
    'CausalLM.createCaches',
    () => model.createCaches({ capacity: -1 }),
    ShapeError,
    'KVCache: capacity must be an integer of at least 1: got -1',
  ],
  [
    'CausalLM.createCaches',
    () => model.createCaches(anything({ capacity: '4' })),
    TypeError,
    'KVCache: capacity must be a number: got "4"',
  ],
  [
    'CausalLM.step',
    () => model.step([1], model.createCaches().slice(1)),
    ShapeError,
    'CausalLM.step: caches must hold one for each of the 2 layers: got 1',
  ],
  ['CausalLM.step', () => model.step([1], anything(3)), TypeError, `CausalLM.step: ${CACHES}: got 3`],
  [
    'CausalLM.generate',
    () => model.generate([1, 2], { maxTokens: 12 }),
    ShapeError,
    'CausalLM.generate: ids and what follows must have at most capacity = 12 tokens: got 2 and 12 more',
  ],
  [
    'CausalLM.generate',
    () => model.generate([1, 2], anything({ maxToken: 12 })),
    TypeError,
    'CausalLM.generate: every option must be known: got "maxToken" (did you mean maxTokens?)',
  ],
];
