import { describe, kindError, requireInteger, requireOptions, shapeError } from '../core/errors.js';
import { storedFloats } from '../core/stored-floats.js';
import type { StoredTensor } from '../core/stored-tensor.js';
import type { RopeOptions } from '../ops/rotary.js';
import type { Activation } from './feed-forward.js';
import { headsFromTorch, turnedFromTorch, turnedToTorch } from './torch-attention.js';
import { blockTensors, requireStyle, type StoredBlock, styleOf } from './torch-block.js';
import {
  buffer,
  layoutOf,
  linear,
  matrix,
  readTensors,
  type TorchLayout,
  type TorchTensor,
  type ToTorchOptions,
  tensorsUnder,
  vector,
  within,
  writeTensors,
  writtenAs,
} from './torch-tensors.js';

/** The layouts of whole language models. */
export type CausalLMLayout = Exclude<TorchLayout, 'torch'>;

/** Everything else is found in the weights. Whatever is not described here is as in CausalLMOptions. */
export interface CausalLMFromTorchOptions {
  numHeads: number;
  /** What stands before every name; other names are left aside. Default ''. */
  prefix?: string;
  /** Of 'llama' (half-split) and 'meta' (interleaved). Asked for the other way, weights are permuted to give the same. */
  rope?: RopeOptions;
  /** Of 'llama' and 'meta'; that of 'gpt2' is its table of positions. Default: any number. */
  capacity?: number;
  /** Default 'gelu-tanh' in 'gpt2'; the others are always 'swiglu'. */
  activation?: Activation;
  /** Of the norms: in LLaMA's configurations rms_norm_eps. Default 1e-5. */
  epsilon?: number;
  window?: number | readonly [left: number, right: number];
  softcap?: number;
  dropout?: number;
  seed?: number;
}

export interface CausalLMToTorchOptions extends ToTorchOptions {
  /** Default 'gpt2' with learned positions, else 'llama'. */
  layout?: CausalLMLayout;
}

const OPTIONS = [
  'numHeads',
  'prefix',
  'rope',
  'capacity',
  'activation',
  'epsilon',
  'window',
  'softcap',
  'dropout',
  'seed',
] as const satisfies readonly (keyof CausalLMFromTorchOptions)[];

/** Names of a layout: its table, its layers, the matrix to the logits, and what Hugging Face's models put before the rest. */
const NAMES: Record<CausalLMLayout, { table: string; layers: string; head: string; base: string }> = {
  gpt2: { table: 'wte.weight', layers: 'h', head: 'lm_head.weight', base: 'transformer.' },
  llama: { table: 'embed_tokens.weight', layers: 'layers', head: 'lm_head.weight', base: 'model.' },
  meta: { table: 'tok_embeddings.weight', layers: 'layers', head: 'output.weight', base: '' },
};

const SIGNS = /* @__PURE__ */ (() =>
  Object.fromEntries(Object.entries(NAMES).map(([layout, { table }]) => [layout, table])))() as Record<
  CausalLMLayout,
  string
>;

function modelTensors(layout: CausalLMLayout, numLayers: number): TorchTensor[] {
  const { table, layers, head } = NAMES[layout];
  const block = blockTensors(layout);
  return [
    matrix(table, 'embedding.table', 'vocabularySize', 'dModel'),
    ...(layout === 'gpt2' ? [matrix('wpe.weight', 'learnedPositions.table', 'capacity', 'dModel')] : []),
    ...Array.from({ length: numLayers }, (_, i) => within(`${layers}.${i}.`, `layers.${i}.`, block)).flat(),
    vector(layout === 'gpt2' ? 'ln_f.weight' : 'norm.weight', 'norm.gain', 'dModel'),
    ...(layout === 'gpt2' ? [vector('ln_f.bias', 'norm.bias', 'dModel')] : []),
    linear(head, 'head.W', 'dModel', 'vocabularySize', 'head'),
    ...(layout === 'meta' ? [buffer('rope.freqs')] : []),
  ];
}

/** What `new CausalLM` and `loadStateDict` have to be given. */
export function modelFromTorch(
  where: string,
  stored: ReadonlyMap<string, StoredTensor>,
  options: CausalLMFromTorchOptions,
) {
  requireOptions(where, options, OPTIONS, 'required');
  const { prefix, rope, numHeads, capacity, activation, ...rest } = options;
  requireInteger(where, 'numHeads', numHeads, 1);
  if (typeof rope === 'boolean' || rope === null) throw kindError(where, 'rope must be an object', `got ${rope}`);
  const given = withoutBase(where, tensorsUnder(where, stored, prefix));
  const layout = layoutOf(where, SIGNS, given.keys());
  const style = styleOf(where, layout, { activation });
  const { table, head } = NAMES[layout];
  if (isSameTensor(where, given.get(table), given.get(head))) given.delete(head); // PyTorch's state_dict has both
  const numLayers = countLayers(where, NAMES[layout].layers, given);
  const { state, sizes } = readTensors(where, modelTensors(layout, numLayers), given);
  const { dModel, ...heads } = headsFromTorch(where, layout, sizes, numHeads);
  const size = (name: string) => sizes.get(name) as number;
  if (layout === 'gpt2' && capacity !== undefined && capacity !== size('capacity')) {
    const rule = `capacity must be absent or that of wpe.weight, ${size('capacity')}`;
    throw shapeError(where, rule, `got ${describe(capacity)}`);
  }
  const positions =
    layout === 'gpt2'
      ? ({ positions: 'learned', capacity: size('capacity'), rope } as const)
      : ({ capacity, rope: turnedFromTorch(where, layout, rope, heads, state) || undefined } as const);
  return {
    options: {
      ...rest,
      ...style,
      ...heads,
      ...positions,
      dModel,
      numLayers,
      vocabularySize: size('vocabularySize'),
      dHidden: size('dHidden'),
      bias: state.has('layers.0.attention.b_Q'),
      tieEmbeddings: !state.has('head.W'),
    },
    state,
  };
}

/** The tensors of a model. */
export function modelToTorch(
  where: string,
  model: Pick<StoredBlock, 'namedParameters'> & { layers: readonly StoredBlock[]; positions: string },
  options: CausalLMToTorchOptions,
): Map<string, StoredTensor> {
  const { positions, layers } = model;
  const { layout, prefix } = writtenAs(where, options, SIGNS, positions === 'learned' ? 'gpt2' : 'llama');
  const asked = layout === 'gpt2' ? 'learned' : 'rope';
  if (positions !== asked) {
    throw shapeError(where, `positions must be '${asked}' in layout '${layout}'`, `got '${positions}'`);
  }
  for (const layer of layers) requireStyle(where, layout, layer);
  const { base, head } = NAMES[layout];
  const tensors = modelTensors(layout, layers.length).map((t) => (t.name === head ? t : { ...t, name: base + t.name }));
  const parameters = turnedToTorch(layout, layers[0].attention, model.namedParameters());
  return writeTensors(where, layout, tensors, parameters, prefix);
}

/** Without what Hugging Face's models with a head put before all other names; the bare models do not. */
function withoutBase(where: string, given: Map<string, StoredTensor>): Map<string, StoredTensor> {
  const { base } = Object.values(NAMES).find((names) => names.base !== '' && given.has(names.base + names.table)) ?? {};
  if (base === undefined) return given;
  const bare = new Map<string, StoredTensor>();
  for (const [name, tensor] of given) {
    const own = name.startsWith(base) ? name.slice(base.length) : name;
    if (bare.has(own)) throw shapeError(where, `names must be with or without ${base}`, `got ${own} both ways`);
    bare.set(own, tensor);
  }
  return bare;
}

function countLayers(where: string, layers: string, given: ReadonlyMap<string, unknown>): number {
  const numbers = new Set<string>();
  for (const name of given.keys()) {
    const [first, number] = name.split('.');
    if (first === layers) numbers.add(number);
  }
  if (numbers.size > 0) return numbers.size; // one that is not 0 … n − 1 will be an unknown name
  throw shapeError(where, `the state must hold ${layers}.0 and so on`, 'it has no layers');
}

function isSameTensor(where: string, a: StoredTensor | undefined, b: StoredTensor | undefined): boolean {
  if (a === undefined || b === undefined || String(a.shape) !== String(b.shape)) return false;
  const [left, right] = [storedFloats(where, 'the table', a), storedFloats(where, 'the matrix to the logits', b)];
  return left.every((value, i) => Object.is(value, right[i]));
}
