// nn/weights: names and shapes of other libraries' checkpoints, in both directions. Knows our parameters by name, and
// computes nothing with them.

// Checkpoints of other libraries. A layout is a list of the tensors that they store; it is read in both directions.

/**
 * Whose names and shapes: 'torch' is nn.MultiheadAttention and nn.TransformerEncoderLayer, 'gpt2' and 'llama' are
 * Hugging Face's models of that name, 'meta' is LLaMA as its authors store it.
 */
export type TorchLayout = 'torch' | 'gpt2' | 'llama' | 'meta';

export interface ToTorchOptions {
  /** Default: see the method. */
  layout?: TorchLayout;
  /** Put before every name, as 'layers.0.self_attn.'. Default ''. */
  prefix?: string;
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

export const buffer = (name: string): TorchTensor => {
  return { name, parts: [], form: 'vector', rows: '', cols: '' };
};

/** The tensors of a part of something larger: `theirs` goes before the stored names, `ours` before the parameters'. */
export function within(theirs: string, ours: string, tensors: readonly TorchTensor[]): TorchTensor[] {
  return tensors.map((t) => ({ ...t, name: theirs + t.name, parts: t.parts.map((part) => ours + part) }));
}
