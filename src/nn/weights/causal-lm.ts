import { describe, kindError, requireBoolean, requireInteger, shapeError } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import { isSameShape, type StoredTensor } from '../../core/stored-tensor.js';
import type { Matrix } from '../../matrix/matrix.js';
import { type AttentionOptions, LAYER_OPTIONS, type LayerOption } from '../../ops/attention/options.js';
import type { RopeOptions } from '../../ops/rotary.js';
import type { Activation } from '../layers/feed-forward.js';
import { headsFromTorch, ropeFromTorch, rotatedToTorch } from './attention.js';
import { blockBiases, blockMisfits, blockTensors, type StoredBlock, styleOf } from './block.js';
import { readTensors, writeTensors } from './copy.js';
import { type Misfit, requireFit, unless } from './fit.js';
import { BLOCKS, type CausalLMLayout, MODELS, type ToTorchOptions } from './layouts/layouts.js';
import {
  layoutOf,
  prefixHint,
  requireAllUnder,
  requireTensors,
  type Signs,
  signsOf,
  tensorsUnder,
  writtenAs,
} from './names.js';
import { buffer, linear, type ModelLayout, matrix, normBias, type TorchTensor, vector, within } from './tensors.js';

/** Everything else follows from the weights. Options not described here are as in CausalLMOptions. */
export interface CausalLMFromTorchOptions extends Pick<AttentionOptions, Exclude<LayerOption, 'causal' | 'alibi'>> {
  numHeads: number;
  /** What precedes every name, as in 'module.'; a name without it is refused. Default ''. */
  prefix?: string;
  /**
   * true demands a model whose logits share the table of the embeddings, false one with a matrix of its own. Default: tied if
   * the state holds no such matrix, or one that equals the table to the bit, as PyTorch's state_dict() saves tied ones.
   */
  tieEmbeddings?: boolean;
  /**
   * Of 'llama' (half-split) and 'meta' (interleaved). If you ask for the other pairing, the weights are permuted so that the
   * model gives the same results.
   */
  rope?: RopeOptions;
  /** Of 'llama' and 'meta'; in 'gpt2' the table of positions determines it. Default: any number. */
  capacity?: number;
  /** Default 'gelu-tanh' in 'gpt2'; the others are always 'swiglu'. */
  activation?: Activation;
  /** Of the norms; rms_norm_eps in LLaMA's configuration files. Default 1e-5. */
  epsilon?: number;
  dropout?: number;
  seed?: number;
}

export interface CausalLMToTorchOptions extends ToTorchOptions {
  /** Default 'gpt2' with learned positions, else 'llama'. */
  layout?: CausalLMLayout;
}

const OPTIONS = /* @__PURE__ */ (() =>
  [
    'numHeads',
    'prefix',
    'rope',
    'capacity',
    'tieEmbeddings',
    'activation',
    'epsilon',
    ...LAYER_OPTIONS.filter((name) => name !== 'causal' && name !== 'alibi'),
    'dropout',
    'seed',
  ] as const satisfies readonly (keyof CausalLMFromTorchOptions)[])();

const SIGNS: Signs<CausalLMLayout> = /* @__PURE__ */ signsOf(MODELS);

/** The tensors of one model. */
export function modelTensors(layout: CausalLMLayout, numLayers: number): TorchTensor[] {
  const { sign, positions, layers, norm, head, buffers = [] }: ModelLayout = MODELS[layout];
  const block = blockTensors(layout);
  return [
    matrix(sign, 'embedding.table', 'vocabularySize', 'dModel'),
    ...(positions === undefined ? [] : [matrix(positions, 'learnedPositions.table', 'capacity', 'dModel')]),
    ...Array.from({ length: numLayers }, (_, i) => within(`${layers}.${i}.`, `layers.${i}.`, block)).flat(),
    vector(`${norm}.weight`, 'norm.gain', 'dModel'),
    ...(BLOCKS[layout].norm === 'layer' ? [normBias(`${norm}.bias`, 'norm')] : []),
    linear(head, 'head.W', 'dModel', 'vocabularySize', 'head'),
    ...buffers.map(buffer),
  ];
}

/** The arguments for `new CausalLM` and its `loadStateDict`. */
export function modelFromTorch(
  where: string,
  stored: ReadonlyMap<string, StoredTensor>,
  options: CausalLMFromTorchOptions,
) {
  requireOptions(where, options, OPTIONS, { isRequired: true });
  const { prefix, rope, numHeads, capacity, activation, tieEmbeddings, ...rest } = options;
  requireInteger(where, 'numHeads', numHeads, 1);
  if (typeof rope === 'boolean' || rope === null) throw kindError(where, 'rope must be an object', `got ${rope}`);
  if (tieEmbeddings !== undefined) requireBoolean(where, 'tieEmbeddings', tieEmbeddings);
  const { named, layout, numLayers, tensors } = modelUnder(where, stored, prefix);
  const style = styleOf(where, layout, { activation });
  const isTied = isTiedState(where, layout, named, tieEmbeddings);
  const { state, sizes } = readTensors(
    where,
    isTied ? tensors.filter(({ group }) => group !== 'head') : tensors,
    named,
  );
  const { dModel, ...heads } = headsFromTorch(where, layout, sizes, numHeads);
  const size = (name: string) => sizes.get(name) as number;
  const { positions: learned }: ModelLayout = MODELS[layout];
  if (learned !== undefined && capacity !== undefined && capacity !== size('capacity')) {
    const rule = `capacity must be absent or that of ${learned}, ${size('capacity')}`;
    throw shapeError(where, rule, `got ${describe(capacity)}`);
  }
  const positions =
    learned !== undefined
      ? ({ positions: 'learned', capacity: size('capacity'), rope } as const)
      : ({ capacity, rope: ropeFromTorch(where, layout, rope, heads, state) || undefined } as const);
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
      ...blockBiases(state, 'layers.0.'),
      tieEmbeddings: isTied,
    },
    state,
  };
}

/**
 * The tensors under a prefix, by their names without it and without the base that Hugging Face's models put before most names;
 * and their layout. No tensor may lie outside the prefix.
 */
function modelUnder(where: string, stored: ReadonlyMap<string, StoredTensor>, prefix = '') {
  const read = (tried: string, hint?: (otherwise?: string) => string) => {
    if (hint === undefined) requireAllUnder(where, stored, tried); // in a trial first of all, before anything is copied
    const named = withoutBase(where, tensorsUnder(where, stored, tried));
    const layout = layoutOf(where, SIGNS, named, hint);
    requireAllUnder(where, stored, tried, () => hint?.(ASTRAY));
    const numLayers = countLayers(where, layout, named);
    return { named, layout, numLayers, tensors: requireTensors(where, modelTensors(layout, numLayers), named) };
  };
  const bases = Object.values(MODELS).map(({ base }) => base);
  return read(prefix, (otherwise) =>
    prefixHint(where, stored, prefix, Object.values(SIGNS), read, { bases, otherwise }),
  );
}

/** The hint about names outside the prefix if no other prefix holds them all. */
const ASTRAY = 'give what belongs to the model a name under the prefix, and leave the rest out of the Map';

/** What modelToTorch reads of a model. */
export interface StoredModel {
  readonly layers: readonly StoredBlock[];
  readonly positions: string;
  namedParameters(): Map<string, Matrix>;
}

/** The tensors of a model; its default layout is 'gpt2' with learned positions, else 'llama'. */
export function modelToTorch(
  where: string,
  model: StoredModel,
  options: CausalLMToTorchOptions,
): Map<string, StoredTensor> {
  const { positions, layers } = model;
  const { layout, prefix } = writtenAs(where, options, SIGNS, positions === 'learned' ? 'gpt2' : 'llama');
  requireFit(where, SIGNS, layout, (other) => modelMisfits(other, model));
  const { base, head } = MODELS[layout];
  const tensors = modelTensors(layout, layers.length).map((t) => (t.name === head ? t : { ...t, name: base + t.name }));
  const parameters = rotatedToTorch(layout, layers[0].attention, model.namedParameters());
  return writeTensors(where, layout, tensors, parameters, prefix);
}

function modelMisfits(layout: CausalLMLayout, { positions, layers }: StoredModel): Misfit[] {
  const { positions: learned }: ModelLayout = MODELS[layout];
  const layoutPositions = learned === undefined ? 'rope' : 'learned';
  const ofLayer = layers.map((layer) => blockMisfits(layout, layer)).find(({ length }) => length > 0) ?? [];
  return [...unless(positions === layoutPositions, 'positions', `'${layoutPositions}'`, `'${positions}'`), ...ofLayer];
}

/** Whether the logits of a state are tied to its table of embeddings; tieEmbeddings, if defined, must fit the state. */
function isTiedState(
  where: string,
  layout: CausalLMLayout,
  named: ReadonlyMap<string, StoredTensor>,
  tieEmbeddings: boolean | undefined,
): boolean {
  const { sign: table, head } = MODELS[layout];
  const headTensor = named.get(head);
  if (headTensor === undefined && tieEmbeddings === false) {
    throw shapeError(where, `the state must hold ${head} if tieEmbeddings is false`, 'it does not');
  }
  if (headTensor === undefined || tieEmbeddings === false) return headTensor === undefined;
  const isTable = isSameTensor(named.get(table), headTensor);
  if (isTable || tieEmbeddings === undefined) return isTable;
  throw shapeError(where, `${head} must be absent or equal ${table} to the bit if tieEmbeddings is true`, 'it differs');
}

/** The names without the base that Hugging Face's models with a head put before all other names; bare models have none. */
function withoutBase(where: string, named: Map<string, StoredTensor>): Map<string, StoredTensor> {
  const { base } = Object.values(MODELS).find((names) => names.base !== '' && named.has(names.base + names.sign)) ?? {};
  if (base === undefined) return named;
  const bare = new Map<string, StoredTensor>();
  for (const [name, tensor] of named) {
    const bareName = name.startsWith(base) ? name.slice(base.length) : name;
    if (bare.has(bareName)) {
      throw shapeError(where, `names must be with or without ${base}`, `got ${bareName} both ways`);
    }
    bare.set(bareName, tensor);
  }
  return bare;
}

/** Every layer has at least this many weights. */
const WEIGHTS_PER_LAYER = 6;

/** Up to this many layers count even if most of their weights are missing, so that the message can name those. */
const MANY_LAYERS = 1024;

function countLayers(where: string, layout: CausalLMLayout, named: ReadonlyMap<string, unknown>): number {
  const { layers } = MODELS[layout];
  const weights = new Set(blockTensors(layout).map(({ name }) => name));
  const weightsByLayer = new Map<string, number>();
  for (const name of named.keys()) {
    const [first, number] = name.split('.', 2);
    if (first !== layers) continue;
    const isWeight = weights.has(name.slice(`${first}.${number}.`.length));
    weightsByLayer.set(number, (weightsByLayer.get(number) ?? 0) + Number(isWeight));
  }
  if (weightsByLayer.size === 0) {
    throw shapeError(where, `the state must hold ${layers}.0 and so on`, 'it has no layers');
  }
  // A number other than 0 … n − 1 is reported later, as an unknown name. A hostile state with millions of layer numbers but few
  // weights does not get a list of tensors for each of them.
  const whole = [...weightsByLayer.values()].filter((count) => count >= WEIGHTS_PER_LAYER).length;
  return Math.min(weightsByLayer.size, Math.max(MANY_LAYERS, whole));
}

/** Compares the stored bytes: a table can have 1e9 entries, too many to convert. */
function isSameTensor(a: StoredTensor | undefined, b: StoredTensor): boolean {
  if (a === undefined || a.dtype !== b.dtype || !isSameShape(a.shape, b.shape)) return false;
  if (a.data.length === 0 || b.data.length === 0) return false; // perhaps detached, which readTensors reports
  const bytes = ({ data: { buffer, byteOffset, byteLength } }: StoredTensor) =>
    new Uint8Array(buffer, byteOffset, byteLength);
  const [left, right] = [bytes(a), bytes(b)];
  let i = 0;
  while (i < left.length && left[i] === right[i]) i++;
  return i === left.length && i === right.length;
}
