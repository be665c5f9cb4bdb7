// nn/weights: names and shapes of other libraries' checkpoints, in both directions. Knows the library's parameters ("ours") by
// name, and computes nothing with them.

import type { Activation } from '../layers/feed-forward.js';
import type { RotaryLayout } from './permute-rotary.js';

// A layout lists the tensors that a library stores, and says what that library takes for granted.

export interface AttentionLayout {
  /** The name by which the layout is recognized. */
  sign: string;
  /** @param isSeparate  whether Q, K and V have a matrix each because the input of K or V is not dModel wide */
  tensors: (isSeparate: boolean) => TorchTensor[];
  /** Whether layers are causal by default. */
  isCausal?: boolean;
  /** Whether Q, K and V, each dModel wide, are stored as one matrix. */
  isStacked?: boolean;
  /** Whether it can store biases. */
  hasBiases?: boolean;
  /** Whether it can store kDim, vDim and addBiasKeyValue. */
  hasContext?: boolean;
  /** Which columns of Q and K are rotated as a pair; absent if the layout has no RoPE. */
  rotary?: RotaryLayout;
}

export interface BlockLayout {
  /** The name by which the layout is recognized. */
  sign: string;
  /** @param attention  the tensors of the block's attention, with their names in that attention */
  tensors: (attention: TorchTensor[]) => TorchTensor[];
  norm: 'layer' | 'rms';
  /** The activations of that library's blocks, the default first. */
  activations: readonly Activation[];
  /** Whether blocks may have any other entrywise activation, too. */
  hasAllActivations?: boolean;
  /** The possible values of normPlacement, the default first. */
  placements: readonly ('pre' | 'post')[];
}

export interface ModelLayout {
  /** The name by which the layout is recognized: that of the table of embeddings. */
  sign: string;
  /** The name of the table of learned positions; absent if positions are rotary. */
  positions?: string;
  /** The name of the matrix to the logits. */
  head: string;
  /** What precedes the number of a layer. */
  layers: string;
  /** What Hugging Face's models with a head put before all names but that of the head, or ''. */
  base: string;
  /** The name of the last norm, without '.weight' and '.bias'. */
  norm: string;
  /** Names of buffers, which may be present and are ignored. */
  buffers?: readonly string[];
}

/** One stored tensor. */
export interface TorchTensor {
  name: string;
  /** The parameters of ours that it holds, side by side. None: a buffer, which may be present and is ignored. */
  parts: readonly string[];
  /** The stored shape: 'linear' (outputs × inputs), 'matrix' (inputs × outputs) as ours, 'vector' (n), 'row' (1 × 1 × n). */
  form: 'linear' | 'matrix' | 'vector' | 'row';
  /** The sizes of each part in this library, (rows × cols), by names; a name means the same size in the whole layout. */
  rows: string;
  cols: string;
  /** The tensors of a group are all present, in every layer of a model, or all absent. Those without a group are always present. */
  group?: string;
}

/** Weights of ours (rows × cols), stored transposed, (cols × rows). */
export const linear = (name: string, parts: string, rows: string, cols: string, group?: string): TorchTensor => {
  return { name, parts: parts.split(' '), form: 'linear', rows, cols, group };
};

/** Weights stored (rows × cols). */
export const matrix = (name: string, parts: string, rows: string, cols: string): TorchTensor => {
  return { ...linear(name, parts, rows, cols), form: 'matrix' };
};

/** A gain (1 × cols). */
export const vector = (name: string, parts: string, cols: string, group?: string): TorchTensor => {
  return { name, parts: parts.split(' '), form: 'vector', rows: '', cols, group };
};

/** A bias (1 × cols), a group of its own: in every layer of a model, or in none. */
export const bias = (name: string, parts: string, cols: string): TorchTensor => vector(name, parts, cols, name);

/** The bias of a norm: all norms have one, or none has. */
export const normBias = (name: string, norm: string): TorchTensor => vector(name, `${norm}.bias`, 'dModel', 'normBias');

export const buffer = (name: string): TorchTensor => {
  return { name, parts: [], form: 'vector', rows: '', cols: '' };
};

/** The tensors as part of a larger module: puts `theirs` before their stored names and `ours` before the parameters'. */
export function within(theirs: string, ours: string, tensors: readonly TorchTensor[]): TorchTensor[] {
  return tensors.map((t) => ({ ...t, name: theirs + t.name, parts: t.parts.map((part) => ours + part) }));
}
