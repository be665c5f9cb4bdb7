import { type AttentionOptions, Embedding, type Matrix, SelfAttention, sinusoidalPositions } from 'qkv';
import type { Settings } from './arguments.js';
import type { Tokens } from './tokens.js';

/** Everything up to X, and the layer, for L tokens. */
export interface Model {
  embedding: Embedding;
  /** (L × dModel), as the next two. */
  embedded: Matrix;
  positions: Matrix;
  x: Matrix;
  attention: SelfAttention;
  /** Columns of one head. */
  dK: number;
}

export function buildModel({ ids, vocabulary }: Tokens, { dModel, heads, causal, seed }: Settings): Model {
  const embedding = new Embedding(vocabulary.length, dModel, { seed });
  const embedded = embedding.forward(ids);
  const positions = sinusoidalPositions(ids.length, dModel);
  return {
    embedding,
    embedded,
    positions,
    x: embedded.add(positions),
    attention: new SelfAttention({ dModel, numHeads: heads, causal, seed: seed + 1 }),
    dK: dModel / heads,
  };
}

/** Q, K, V of any rows of X: the same three matrices for every row. */
export function project({ attention }: Model, x: Matrix): { q: Matrix; k: Matrix; v: Matrix } {
  return { q: x.matmul(attention.W_Q), k: x.matmul(attention.W_K), v: x.matmul(attention.W_V) };
}

/** The options with which a single row of Q attends as it does within the whole text: its position. */
export function rowOptions({ heads, causal }: Settings, row: number): AttentionOptions {
  return { numHeads: heads, causal, causalOffset: row };
}

/** The Euclidean distance of two rows. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}
