import {
  CausalLM,
  FeedForward,
  type KVCache,
  Matrix,
  MultiHeadAttention,
  SelfAttention,
  TransformerBlock,
} from '../../src/index.js';
import type { GoodCall } from './callable.js';

// What working calls are made of, afresh.

export const batch = () => Matrix.randomUniform(5, 4, { seed: 1 });
export const square = () => Matrix.randomUniform(3, 3, { seed: 2 });
export const row = () => Matrix.randomUniform(1, 4, { seed: 3 });

export const MODEL_SIZES = { vocabularySize: 6, dModel: 4, numLayers: 1, numHeads: 2 };
const HEADS = { dModel: 4, numHeads: 2, dropout: 0.5 };

/** Layers that draw their seeds and drop: a refused call that draws or counts all the same is seen. */
export const dropping = {
  selfAttention: () => new SelfAttention(HEADS),
  multiHead: () => new MultiHeadAttention({ ...HEADS, rope: true, addZeroAttention: true }),
  feedForward: () => new FeedForward({ dModel: 4, dHidden: 6, dropout: 0.5 }),
  block: () => new TransformerBlock({ ...HEADS, dHidden: 6, rope: true }),
  model: () => new CausalLM({ ...MODEL_SIZES, dropout: 0.5 }),
  llama: () => new CausalLM({ ...MODEL_SIZES, dropout: 0.5, activation: 'swiglu', norm: 'rms' }),
};

/** A step of rows, and what the caches hold. */
export function onSteps(self: object, rows: unknown, caches: KVCache | KVCache[]): GoodCall {
  return { self, args: [rows, caches, {}], hidden: () => [caches].flat().map(({ position }) => position) };
}
