import { describe, kindError, requireBoolean, requireInteger, requireOptions, shapeError } from '../../core/errors.js';
import { isSameShape, type StoredTensor } from '../../core/stored-tensor.js';
import type { Matrix } from '../../matrix/matrix.js';
import { type AttentionOptions, LAYER_OPTIONS, type LayerOption } from '../../ops/attention/options.js';
import type { RopeOptions } from '../../ops/rotary.js';
import type { Activation } from '../layers/feed-forward.js';
import { headsFromTorch, turnedFromTorch, turnedToTorch } from './attention.js';
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

/** Everything else is found in the weights. Whatever is not described here is as in CausalLMOptions. */
export interface CausalLMFromTorchOptions extends Pick<AttentionOptions, Exclude<LayerOption, 'causal' | 'alibi'>> {
  numHeads: number;
  /** What stands before every name, as 'module.'; a name without it is refused. Default ''. */
  prefix?: string;
  /**
   * Demands a model whose logits share the table of the embeddings, or one that has a matrix of its own. Default: tied
   * where the state holds no such matrix, or one that is the table to the bit, as PyTorch's state_dict() saves tied ones.
   */
  tieEmbeddings?: boolean;
  /** Of 'llama' (half-split) and 'meta' (interleaved). Asked for the other way, weights are permuted to give the same. */
  rope?: RopeOptions;
  /** Of 'llama' and 'meta'; that of 'gpt2' is its table of positions. Default: any number. */
  capacity?: number;
  /** Default 'gelu-tanh' in 'gpt2'; the others are always 'swiglu'. */
  activation?: Activation;
  /** Of the norms: in LLaMA's configurations rms_norm_eps. Default 1e-5. */
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

/** What `new CausalLM` and `loadStateDict` have to be given. */
export function modelFromTorch(
  where: string,
  stored: ReadonlyMap<string, StoredTensor>,
  options: CausalLMFromTorchOptions,
) {
  requireOptions(where, options, OPTIONS, 'required');
  const { prefix, rope, numHeads, capacity, activation, tieEmbeddings, ...rest } = options;
  requireInteger(where, 'numHeads', numHeads, 1);
  if (typeof rope === 'boolean' || rope === null) throw kindError(where, 'rope must be an object', `got ${rope}`);
  if (tieEmbeddings !== undefined) requireBoolean(where, 'tieEmbeddings', tieEmbeddings);
  const { given, layout, numLayers, tensors } = namesUnder(where, stored, prefix);
  const style = styleOf(where, layout, { activation });
  const isTied = isTiedState(where, layout, given, tieEmbeddings);
  const { state, sizes } = readTensors(
    where,
    isTied ? tensors.filter(({ group }) => group !== 'head') : tensors,
    given,
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
      ...blockBiases(state, 'layers.0.'),
      tieEmbeddings: isTied,
    },
    state,
  };
}

/** What lies under a prefix, without what Hugging Face's models put before most names. Nothing may lie elsewhere. */
function namesUnder(where: string, stored: ReadonlyMap<string, StoredTensor>, prefix = '') {
  const read = (under: string, hint?: (otherwise?: string) => string) => {
    if (hint === undefined) requireAllUnder(where, stored, under); // of a trial: before anything is copied
    const given = withoutBase(where, tensorsUnder(where, stored, under));
    const layout = layoutOf(where, SIGNS, given, hint);
    requireAllUnder(where, stored, under, () => hint?.(ASTRAY));
    const numLayers = countLayers(where, layout, given);
    return { given, layout, numLayers, tensors: requireTensors(where, modelTensors(layout, numLayers), given) };
  };
  const bases = Object.values(MODELS).map(({ base }) => base);
  return read(prefix, (otherwise) =>
    prefixHint(where, stored, prefix, Object.values(SIGNS), read, { bases, otherwise }),
  );
}

/** What to do with names outside a prefix where no other prefix holds them all. */
const ASTRAY = 'give what belongs to the model a name under the prefix, and leave the rest out of the Map';

/** What modelToTorch has to know of a model. */
export interface StoredModel {
  readonly layers: readonly StoredBlock[];
  readonly positions: string;
  namedParameters(): Map<string, Matrix>;
}

/** The tensors of a model. */
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
  const parameters = turnedToTorch(layout, layers[0].attention, model.namedParameters());
  return writeTensors(where, layout, tensors, parameters, prefix);
}

function modelMisfits(layout: CausalLMLayout, { positions, layers }: StoredModel): Misfit[] {
  const { positions: learned }: ModelLayout = MODELS[layout];
  const asked = learned === undefined ? 'rope' : 'learned';
  const ofLayer = layers.map((layer) => blockMisfits(layout, layer)).find(({ length }) => length > 0) ?? [];
  return [...unless(positions === asked, 'positions', `'${asked}'`, `'${positions}'`), ...ofLayer];
}

/** Whether the logits of a state are those of its table. */
function isTiedState(
  where: string,
  layout: CausalLMLayout,
  given: ReadonlyMap<string, StoredTensor>,
  asked: boolean | undefined,
): boolean {
  const { sign: table, head } = MODELS[layout];
  const own = given.get(head);
  if (own === undefined && asked === false) {
    throw shapeError(where, `the state must hold ${head} where tieEmbeddings is false`, 'it does not');
  }
  if (own === undefined || asked === false) return own === undefined;
  const isTable = isSameTensor(given.get(table), own);
  if (isTable || asked === undefined) return isTable;
  throw shapeError(where, `${head} must be absent or ${table} to the bit where tieEmbeddings is true`, 'it is another');
}

/** Without what Hugging Face's models with a head put before all other names; the bare models do not. */
function withoutBase(where: string, given: Map<string, StoredTensor>): Map<string, StoredTensor> {
  const { base } = Object.values(MODELS).find((names) => names.base !== '' && given.has(names.base + names.sign)) ?? {};
  if (base === undefined) return given;
  const bare = new Map<string, StoredTensor>();
  for (const [name, tensor] of given) {
    const own = name.startsWith(base) ? name.slice(base.length) : name;
    if (bare.has(own)) throw shapeError(where, `names must be with or without ${base}`, `got ${own} both ways`);
    bare.set(own, tensor);
  }
  return bare;
}

/** A layer has this many weights at least. */
const WEIGHTS_OF_A_LAYER = 6;

/** Of so many layers every missing name is counted, however few are there. */
const MANY_LAYERS = 1024;

function countLayers(where: string, layout: CausalLMLayout, given: ReadonlyMap<string, unknown>): number {
  const { layers } = MODELS[layout];
  const weights = new Set(blockTensors(layout).map(({ name }) => name));
  const found = new Map<string, number>();
  for (const name of given.keys()) {
    const [first, number] = name.split('.', 2);
    if (first !== layers) continue;
    const isWeight = weights.has(name.slice(`${first}.${number}.`.length));
    found.set(number, (found.get(number) ?? 0) + Number(isWeight));
  }
  if (found.size === 0) throw shapeError(where, `the state must hold ${layers}.0 and so on`, 'it has no layers');
  // A number that is not 0 … n − 1 will be an unknown name. Of names that are no model's, not a layer each is built.
  const whole = [...found.values()].filter((count) => count >= WEIGHTS_OF_A_LAYER).length;
  return Math.min(found.size, Math.max(MANY_LAYERS, whole));
}

/** To the bit, as they are stored: tables have 1e9 entries. */
function isSameTensor(a: StoredTensor | undefined, b: StoredTensor): boolean {
  if (a === undefined || a.dtype !== b.dtype || !isSameShape(a.shape, b.shape)) return false;
  if (a.data.length === 0 || b.data.length === 0) return false; // moved away, perhaps: for others to say
  const bytes = ({ data: { buffer, byteOffset, byteLength } }: StoredTensor) =>
    new Uint8Array(buffer, byteOffset, byteLength);
  const [left, right] = [bytes(a), bytes(b)];
  let i = 0;
  while (i < left.length && left[i] === right[i]) i++;
  return i === left.length && i === right.length;
}
