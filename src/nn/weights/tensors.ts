// nn/weights: names and shapes of other libraries' checkpoints, in both directions. Knows our parameters by name, and
// computes nothing with them.

import type { Activation } from '../layers/feed-forward.js';
import type { RotaryLayout } from './permute-rotary.js';

// What a layout is made of: lists of the tensors that a library stores, and what it takes for granted.

export interface AttentionLayout {
  /** The name by which it is recognized. */
  sign: string;
  /** @param isSeparate  there are three matrices where there usually is one: the inputs of K or V are not dModel wide */
  tensors: (isSeparate: boolean) => TorchTensor[];
  /** Whether its layers are causal unless something else is asked for. */
  isCausal?: boolean;
  /** Q, K and V are in one matrix, as wide as dModel each. */
  isStacked?: boolean;
  hasBiases?: boolean;
  /** It has a place for kDim, vDim and addBiasKeyValue. */
  hasContext?: boolean;
  /** Which columns of Q and K turn together, where the layout says. */
  rotary?: RotaryLayout;
}

export interface BlockLayout {
  /** The name by which it is recognized. */
  sign: string;
  /** @param attention  the tensors of the block's attention, without their place in it */
  tensors: (attention: TorchTensor[]) => TorchTensor[];
  norm: 'layer' | 'rms';
  /** The usual ones first. */
  activations: readonly Activation[];
  /** Whether it can have every other one that works entry by entry. */
  hasAllActivations?: boolean;
  /** The usual one first. */
  placements: readonly ('pre' | 'post')[];
}

export interface ModelLayout {
  /** The name by which it is recognized: that of the embeddings' table. */
  sign: string;
  /** That of the table of learned positions; absent: positions are turned in. */
  positions?: string;
  /** That of the matrix to the logits. */
  head: string;
  /** What stands before the number of a layer. */
  layers: string;
  /** What Hugging Face's models with a head put before all names but that of the head, or ''. */
  base: string;
  /** That of the last norm, without '.weight' and '.bias'. */
  norm: string;
  /** What may be there and is left aside. */
  buffers?: readonly string[];
}

/** One stored tensor. */
export interface TorchTensor {
  name: string;
  /** Our parameters that it holds, their columns one after another; none: a buffer, which may be there and is left aside. */
  parts: readonly string[];
  /** 'linear' stores (outputs × inputs), 'matrix' as we do, 'vector' one axis, 'row' (1, 1, n). */
  form: 'linear' | 'matrix' | 'vector' | 'row';
  /** Sizes of each part by name, in our order; the same name is the same size in the whole layout. */
  rows: string;
  cols: string;
  /** All tensors of a group are there, in every layer of a model, or none. Without one: always. */
  group?: string;
}

/** Weights (rows × cols), stored (cols × rows). */
export const linear = (name: string, parts: string, rows: string, cols: string, group?: string): TorchTensor => {
  return { name, parts: parts.split(' '), form: 'linear', rows, cols, group };
};

/** Weights stored (rows × cols). */
export const matrix = (name: string, parts: string, rows: string, cols: string): TorchTensor => {
  return { ...linear(name, parts, rows, cols), form: 'matrix' };
};

/** A gain. */
export const vector = (name: string, parts: string, cols: string, group?: string): TorchTensor => {
  return { name, parts: parts.split(' '), form: 'vector', rows: '', cols, group };
};

/** A bias: in every layer of a model, or in none. */
export const bias = (name: string, parts: string, cols: string): TorchTensor => vector(name, parts, cols, name);

/** Norms have biases all or none. */
export const normBias = (name: string, norm: string): TorchTensor => vector(name, `${norm}.bias`, 'dModel', 'normBias');

export const buffer = (name: string): TorchTensor => {
  return { name, parts: [], form: 'vector', rows: '', cols: '' };
};

/** The tensors of a part of something larger: `theirs` goes before the stored names, `ours` before the parameters'. */
export function within(theirs: string, ours: string, tensors: readonly TorchTensor[]): TorchTensor[] {
  return tensors.map((t) => ({ ...t, name: theirs + t.name, parts: t.parts.map((part) => ours + part) }));
}
