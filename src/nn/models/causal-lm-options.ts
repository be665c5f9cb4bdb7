import {
  kindError,
  requireBoolean,
  requireChoice,
  requireCount,
  requireInteger,
  requireSize,
  shapeError,
} from '../../core/errors.js';
import { ATTENTION_NAMES, MODEL_NAMES } from '../../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../../core/options.js';
import { requireResident } from '../../matrix/parameter.js';
import type { RopeOptions } from '../../ops/rotary.js';
import type { StepOptions } from '../attention/cached-steps.js';
import { BLOCK_OPTIONS, checkTransformerBlock, type TransformerBlockOptions } from './transformer-block.js';

/** Options not described here are as in TransformerBlockOptions and hold for every layer. */
export interface CausalLMOptions
  extends Omit<TransformerBlockOptions, 'dHidden' | 'causal' | 'rope' | 'alibi' | 'dropout'> {
  /** Number of tokens: ids are 0 … vocabularySize − 1. */
  vocabularySize: number;
  numLayers: number;
  /** Default 4·dModel. */
  dHidden?: number;
  /** 'rope' rotates queries and keys; 'learned' and 'sinusoidal' are added to the embeddings. Default 'rope'. */
  positions?: 'rope' | 'learned' | 'sinusoidal';
  /** Only with positions 'rope'. */
  rope?: RopeOptions;
  /** The most tokens that a sequence may have; required with positions 'learned'. Default: any number. */
  capacity?: number;
  /** Compute the logits as x·tableᵀ with the table of the embeddings instead of x·W with a matrix of their own. Default false. */
  tieEmbeddings?: boolean;
  /** Share dropped in training mode: of the embeddings, and as in TransformerBlockOptions in every layer. Default 0. */
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

const MODEL_OPTIONS = [
  'vocabularySize',
  'numLayers',
  'positions',
  'capacity',
  'tieEmbeddings',
] as const satisfies readonly (keyof CausalLMOptions)[];

/** With the options of the layers, which are always causal and have no ALiBi. */
const CAUSAL_LM_OPTIONS: readonly (keyof CausalLMOptions)[] = /* @__PURE__ */ (() => {
  const ofLayer = BLOCK_OPTIONS.filter((name) => name !== 'causal' && name !== 'alibi');
  return [...MODEL_OPTIONS, ...ofLayer];
})();

const GUIDE: OptionsGuide = {
  isRequired: true,
  form: 'new CausalLM({ vocabularySize: 256, dModel: 64, numLayers: 2, numHeads: 4, dHidden: 256 })',
  elsewhere: [{ causal: 'it always is', iscausal: 'it always is' }, MODEL_NAMES, ATTENTION_NAMES],
};

export const CALL_PLACES = [['the constructor', CAUSAL_LM_OPTIONS]] as const;

/** Of forward and step. */
export const CALL_GUIDE: OptionsGuide = {
  form: "forward(ids, { cuSeqlens }) for a packed batch, { logits: 'last' } for the next token alone",
  elsewhere: [ATTENTION_NAMES],
  places: CALL_PLACES,
};

/**
 * Sixteen times the depth of the deepest published model, https://arxiv.org/abs/2203.00555. Even the narrowest layer takes
 * 6 KB of objects and 0.2 ms to build.
 */
const MAX_LAYERS = 2 ** 14;

/** Checks every option but the seed, which is drawn only if the others are right. @returns  the options of every layer */
export function checkCausalLM(where: string, options: CausalLMOptions): TransformerBlockOptions {
  requireOptions(where, options, CAUSAL_LM_OPTIONS, GUIDE);
  const { vocabularySize, numLayers, positions = 'rope', rope, capacity, tieEmbeddings = false, ...others } = options;
  requireInteger(where, 'vocabularySize', vocabularySize, 1);
  requireInteger(where, 'numLayers', numLayers, 1);
  requireCount(where, 'numLayers', numLayers, MAX_LAYERS);
  requireChoice(where, 'positions', positions, ['rope', 'learned', 'sinusoidal']);
  requireBoolean(where, 'tieEmbeddings', tieEmbeddings);
  const { dModel } = options;
  requireInteger(where, 'dModel', dModel, 1);
  const { dHidden = 4 * dModel } = options;
  const layer = { ...others, dHidden, causal: true, rope: positions === 'rope' && (rope === undefined || rope) };
  const entriesPerLayer = checkTransformerBlock(where, layer);
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
  requireResident(where, 'the weights', rows * dModel + numLayers * entriesPerLayer);
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
