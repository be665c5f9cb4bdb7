import {
  kindError,
  requireBoolean,
  requireChoice,
  requireCount,
  requireInteger,
  requireOptions,
  requireSize,
  shapeError,
} from '../../core/errors.js';
import { requireResident } from '../../matrix/parameter.js';
import type { RopeOptions } from '../../ops/rotary.js';
import type { StepOptions } from '../attention/cached-steps.js';
import { BLOCK_OPTIONS, checkTransformerBlock, type TransformerBlockOptions } from './transformer-block.js';

/** Whatever is not described here is as in TransformerBlockOptions, of every layer. */
export interface CausalLMOptions
  extends Omit<TransformerBlockOptions, 'dHidden' | 'causal' | 'rope' | 'alibi' | 'dropout'> {
  /** Tokens that there are: ids are 0 … vocabularySize − 1. */
  vocabularySize: number;
  numLayers: number;
  /** Default 4·dModel. */
  dHidden?: number;
  /** 'rope' turns queries and keys; 'learned' and 'sinusoidal' add to the embeddings. Default 'rope'. */
  positions?: 'rope' | 'learned' | 'sinusoidal';
  /** Of positions 'rope'. */
  rope?: RopeOptions;
  /** Tokens that a sequence may have; needed for 'learned'. Default: any number. */
  capacity?: number;
  /** The logits are x·tableᵀ with the table of the embeddings, instead of x·W of their own. Default false. */
  tieEmbeddings?: boolean;
  /** Share dropped in training mode: of the embeddings, and in every layer. Default 0. */
  dropout?: number;
}

interface WantedLogits {
  /** Of every token, or of the last one of each sequence: as many rows as there are sequences. Default 'all'. */
  logits?: 'all' | 'last';
}

export interface CausalLMForwardOptions extends WantedLogits {
  /** Offsets of a packed batch: sequence s is ids [cuSeqlens[s], cuSeqlens[s + 1]). */
  cuSeqlens?: ArrayLike<number>;
}

export interface CausalLMStepOptions extends StepOptions, WantedLogits {}

/** Of both. */
export const FORWARD_OPTIONS = ['cuSeqlens', 'logits'] as const satisfies readonly (keyof CausalLMForwardOptions &
  keyof CausalLMStepOptions)[];

const OWN_OPTIONS = [
  'vocabularySize',
  'numLayers',
  'positions',
  'capacity',
  'tieEmbeddings',
] as const satisfies readonly (keyof CausalLMOptions)[];

/** Of a layer that is always causal and has no ALiBi. */
const CAUSAL_LM_OPTIONS: readonly (keyof CausalLMOptions)[] = /* @__PURE__ */ (() => {
  const ofLayer = BLOCK_OPTIONS.filter((name) => name !== 'causal' && name !== 'alibi');
  return [...OWN_OPTIONS, ...ofLayer];
})();

/**
 * Sixteen times the deepest published model, https://arxiv.org/abs/2203.00555. A layer takes 6 KB of objects and 0.2 ms to
 * build, however narrow it is.
 */
const MAX_LAYERS = 2 ** 14;

/** The options of every layer, all options checked but the seed, which is drawn only where the rest is right. */
export function checkCausalLM(where: string, options: CausalLMOptions): TransformerBlockOptions {
  requireOptions(where, options, CAUSAL_LM_OPTIONS, 'required');
  const { vocabularySize, numLayers, positions = 'rope', rope, capacity, tieEmbeddings = false, ...given } = options;
  requireInteger(where, 'vocabularySize', vocabularySize, 1);
  requireInteger(where, 'numLayers', numLayers, 1);
  requireCount(where, 'numLayers', numLayers, MAX_LAYERS);
  requireChoice(where, 'positions', positions, ['rope', 'learned', 'sinusoidal']);
  requireBoolean(where, 'tieEmbeddings', tieEmbeddings);
  const { dModel } = options;
  requireInteger(where, 'dModel', dModel, 1);
  const { dHidden = 4 * dModel } = options;
  const layer = { ...given, dHidden, causal: true, rope: positions === 'rope' && (rope === undefined || rope) };
  const ofLayer = checkTransformerBlock(where, layer);
  if (typeof rope === 'boolean') throw kindError(where, 'rope must be an object', `got ${rope}`, 'it is on by default');
  if (rope !== undefined && positions !== 'rope') {
    throw shapeError(where, "rope must come with positions: 'rope'", `got positions: '${positions}'`);
  }
  if (capacity !== undefined) requireInteger(where, 'capacity', capacity, 1);
  else if (positions === 'learned') {
    throw kindError(where, "capacity must be given with positions: 'learned'", 'got undefined');
  }
  requireSize(where, 'the table', Math.max(vocabularySize, capacity ?? 0), dModel);
  const rows = (tieEmbeddings ? 1 : 2) * vocabularySize + (positions === 'learned' ? (capacity ?? 0) : 0);
  requireResident(where, 'the weights', rows * dModel + numLayers * ofLayer);
  return layer;
}

/** The rows whose logits are wanted; undefined for all. */
export function rowsOfLogits(
  where: string,
  cuSeqlens: Int32Array,
  { logits = 'all' }: WantedLogits,
): Int32Array | undefined {
  requireChoice(where, 'logits', logits, ['all', 'last']);
  if (logits === 'all') return undefined;
  return cuSeqlens.slice(1).map((end, s) => {
    if (end > cuSeqlens[s]) return end - 1;
    throw shapeError(where, "every sequence must have a token with logits: 'last'", `sequence ${s} has none`);
  });
}
