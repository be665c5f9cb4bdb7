import {
  describe,
  kindError,
  requireArrayLike,
  requireCount,
  requireFinite,
  requireFloat32,
  requireInteger,
  requireSize,
  shapeError,
  shapeText,
} from '../../core/errors.js';
import { ATTENTION_NAMES } from '../../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../../core/options.js';
import { requireSeed, seedWords } from '../../core/random.js';
import { checkCuSeqlens, longestSequence, singleSequence } from '../../core/sequences.js';
import type { AttentionProblem } from '../../kernels/attention-problem.js';
import { drawSeed } from '../../kernels/state.js';
import { type Matrix, requireMatrix } from '../../matrix/matrix.js';
import { kept } from '../../matrix/tape.js';
import { checkBias, checkKeyMask, checkMask, type Mask, requireMaskKinds } from './masks.js';
import { checkOffsets, checkReach } from './reach.js';

export type { Mask };

/** What every attention function understands. Lq, Lk: rows of q and k. */
export interface AttentionOptions {
  /** Heads are column blocks of q. Default 1. */
  numHeads?: number;
  /** Heads of k and v; query head h reads head floor(h / (numHeads / numKvHeads)). Default numHeads. */
  numKvHeads?: number;
  /** Factor of the scores. Default 1/√(columns of a query head). */
  scale?: number;
  /** Query i attends keys up to its position offset + i. 'top-left' means offset 0. Default false. */
  causal?: boolean | 'top-left';
  /** The position of query 0, for causal, window and ALiBi. Default Lk − Lq of each sequence: the last query sees the last key. */
  causalOffset?: number;
  /** Keys at most so far to the left and right of the query's position; w means [w, 0] if causal, else [w, w]. Infinity = open. */
  window?: number | readonly [left: number, right: number];
  /** 1 = may attend; packed: (Lq × longest key sequence), columns counted from the sequence's first key. */
  mask?: Mask;
  /** One flag a key row, 1 = real token, 0 = padding. */
  keyMask?: Uint8Array;
  /** Added to the logits, shaped as mask; −∞ = may not attend. */
  bias?: Matrix;
  /** Logits become c·tanh(logit / c), before bias and masks. 0 = off. */
  softcap?: number;
  /** Linear bias −slope·|query position − key position|: true for the published slopes, or one slope a head. */
  alibi?: boolean | Float32Array;
  /** (1 × numHeads) logits that only the softmax denominator sees. */
  sinks?: Matrix;
  /** Offsets of a packed batch: sequence s is rows [cuSeqlens[s], cuSeqlens[s + 1]) of q. */
  cuSeqlens?: ArrayLike<number>;
  /** The same for k and v. Default cuSeqlens. */
  cuSeqlensK?: ArrayLike<number>;
  /** Share of the weights set to 0, the rest divided by 1 − dropout. Default 0. */
  dropout?: number;
  /** Of the dropout: the same seed drops the same weights. Default: the next of setSeed's stream. */
  seed?: number;
}

const NO_SEQUENCES = /* @__PURE__ */ Int32Array.of(0);

interface HeadWidths {
  readonly numHeads: number;
  readonly dK: number;
}

/**
 * What an option has an entry for. 'distance': the distance of a key from a query. 'reach': the positions that a query may
 * see.
 */
export type OptionKind =
  | 'heads'
  | 'scalar'
  | 'reach'
  | 'perPair'
  | 'perKey'
  | 'distance'
  | 'perHead'
  | 'packing'
  | 'drop';

/** Of every option its kind: what slices, shifts, packs or hands on options reads it here, and names none of them itself. */
const KINDS = {
  numHeads: 'heads',
  numKvHeads: 'heads',
  scale: 'scalar',
  causal: 'reach',
  causalOffset: 'reach',
  window: 'reach',
  mask: 'perPair',
  keyMask: 'perKey',
  bias: 'perPair',
  softcap: 'scalar',
  alibi: 'distance',
  sinks: 'perHead',
  cuSeqlens: 'packing',
  cuSeqlensK: 'packing',
  dropout: 'drop',
  seed: 'drop',
} as const satisfies Record<keyof AttentionOptions, OptionKind>;

/** Those that multi-head layers take when they are built. */
export const LAYER_OPTIONS = ['causal', 'window', 'alibi', 'softcap'] as const satisfies readonly Name[];
/** Those that they take with a call. */
export const CALL_OPTIONS = ['mask', 'bias', 'keyMask', 'cuSeqlens', 'cuSeqlensK'] as const satisfies readonly Name[];

type Name = keyof typeof KINDS;
export type LayerOption = (typeof LAYER_OPTIONS)[number];
export type CallOption = (typeof CALL_OPTIONS)[number];
/** The names of the options of a kind. */
export type OptionsOf<Kind extends OptionKind> = { [N in Name]: (typeof KINDS)[N] extends Kind ? N : never }[Name];

export const ATTENTION_OPTIONS = /* @__PURE__ */ Object.keys(KINDS) as Name[];

/** Of every kind its options; looked up in every call. */
const BY_KIND = /* @__PURE__ */ (() => {
  const byKind: { [Kind in OptionKind]?: Name[] } = {};
  for (const name of ATTENTION_OPTIONS) byKind[KINDS[name]] = [...(byKind[KINDS[name]] ?? []), name];
  return byKind as Readonly<Record<OptionKind, readonly Name[]>>;
})();

export function optionsOf<Kind extends OptionKind>(kind: Kind): readonly OptionsOf<Kind>[] {
  return BY_KIND[kind] as readonly OptionsOf<Kind>[];
}

/** The options of these names. */
export function picked<N extends Name>(
  names: readonly N[],
  options: Pick<AttentionOptions, N>,
): Pick<AttentionOptions, N> {
  const own = {} as Pick<AttentionOptions, N>;
  for (const name of names) own[name] = options[name]; // what Object.fromEntries gives is slower to read and to spread
  return own;
}

/**
 * Checks q, k and every option, once, and fills in the defaults: what a kernel needs, and nothing it has to doubt.
 * Dropout is checked here and belongs to the forward problem (`dropoutOf`): weights and log-sum-exp are before it.
 *
 * @param checked  what the caller has checked already of cuSeqlens and cuSeqlensK
 */
export function attentionProblem(
  where: string,
  q: Matrix,
  k: Matrix,
  options: AttentionOptions,
  checked: Sequences = {},
): AttentionProblem {
  requireMatrix(where, 'q', q);
  requireMatrix(where, 'k', k);
  const { numHeads, numKvHeads } = checkHeads(where, options);
  const dK = requireDivisible(where, 'q', q, 'numHeads', numHeads);
  if (k.cols !== numKvHeads * dK) {
    const rule = `k must have numKvHeads·dK = ${numKvHeads}·${dK} columns`;
    throw shapeError(where, rule, `q is ${shapeText(q)}, k is ${shapeText(k)}`);
  }
  requireSize(where, 'the log-sum-exp', q.rows, numHeads);
  checkDropout(where, options);
  const { scale, softcap } = checkLogits(where, dK, options);
  const { cuSeqlens, cuSeqlensK } = checkSequences(where, q, k, options, checked);
  const columns = longestSequence(cuSeqlensK);
  const mask = checkMask(where, options.mask, q.rows, columns, numHeads);
  const bias = options.bias === undefined ? undefined : checkBias(where, options.bias, q.rows, columns, numHeads);
  const offsets = checkOffsets(where, options, cuSeqlens, cuSeqlensK);
  const { left, right } = checkReach(where, options);
  return {
    q: q.data,
    k: k.data,
    numHeads,
    numKvHeads,
    dK,
    cuSeqlens,
    cuSeqlensK,
    scale,
    offsets,
    left,
    right,
    mask,
    maskRowsPerHead: mask !== undefined && mask.length !== q.rows * columns ? q.rows : 0,
    keyMask: checkKeyMask(where, options.keyMask, k.rows),
    bias: bias?.data,
    biasRowsPerHead: bias !== undefined && bias.rows !== q.rows ? q.rows : 0,
    columns,
    softcap,
    alibi: checkAlibi(where, options.alibi, numHeads),
    sinks: checkSinks(where, options.sinks, numHeads),
  };
}

function checkLogits(where: string, dK: number, options: AttentionOptions): { scale: number; softcap: number } {
  const { scale = dK === 0 ? 1 : 1 / Math.sqrt(dK), softcap = 0 } = options;
  requireFloat32(where, 'scale', scale);
  requireFloat32(where, 'softcap', softcap, 0);
  return { scale, softcap: softcap + 0 }; // kernels ask its bits whether it is off: not those of −0
}

/** What can be said of a layer's options before there is a q or a k: nothing is computed. */
export function checkLayerOptions(where: string, { numHeads, dK }: HeadWidths, options: AttentionOptions): void {
  checkLogits(where, dK, options);
  checkOffsets(where, options, NO_SEQUENCES, NO_SEQUENCES);
  checkReach(where, options);
  checkAlibi(where, options.alibi, numHeads);
  checkSinks(where, options.sinks, numHeads);
}

/** The columns of one head of x. */
export function requireDivisible(where: string, name: string, x: Matrix, heads: string, count: number): number {
  if (x.cols % count === 0) return x.cols / count;
  throw shapeError(where, `columns of ${name} must be divisible by ${heads}`, `${x.cols} is not divisible by ${count}`);
}

/** The kinds of the options that can only be measured against q and k. */
export function requireKinds(where: string, options: AttentionOptions): void {
  requireMaskKinds(where, options);
  for (const name of optionsOf('packing')) {
    if (options[name] !== undefined) requireArrayLike(where, name, options[name]);
  }
}

const GUIDE: OptionsGuide = {
  form: '{ mask } for flags, 1 = may attend, { bias } for numbers to add',
  elsewhere: [ATTENTION_NAMES],
};

export function requireAttentionOptions(
  where: string,
  options: unknown,
  more: readonly string[] = [],
  guide = GUIDE,
): void {
  requireOptions(where, options, more.length === 0 ? ATTENTION_OPTIONS : [...ATTENTION_OPTIONS, ...more], guide);
}

export function checkHeads(where: string, { numHeads = 1, numKvHeads = numHeads }: AttentionOptions) {
  requireInteger(where, 'numHeads', numHeads, 1);
  requireInteger(where, 'numKvHeads', numKvHeads, 1);
  requireCount(where, 'numHeads', numHeads);
  if (numHeads % numKvHeads !== 0) {
    const rule = 'numHeads must be divisible by numKvHeads';
    throw shapeError(where, rule, `${numHeads} is not divisible by ${numKvHeads}`);
  }
  return { numHeads, numKvHeads };
}

/** Checked offsets of a packed batch. */
export type Sequences = { [Name in OptionsOf<'packing'>]?: Int32Array };

function checkSequences(where: string, q: Matrix, k: Matrix, options: AttentionOptions, checked: Sequences) {
  const given = options.cuSeqlens;
  const givenK = options.cuSeqlensK === undefined ? given : options.cuSeqlensK;
  const nameK = options.cuSeqlensK === undefined ? 'cuSeqlens (no cuSeqlensK given)' : 'cuSeqlensK';
  const check = (name: string, offsets: unknown, rows: number) =>
    offsets === undefined ? singleSequence(rows) : checkCuSeqlens(where, name, offsets, rows);
  const cuSeqlens = checked.cuSeqlens ?? check('cuSeqlens', given, q.rows);
  const cuSeqlensK = checked.cuSeqlensK ?? check(nameK, givenK, k.rows);
  if (cuSeqlens.length !== cuSeqlensK.length) {
    const given = `${cuSeqlens.length - 1} and ${cuSeqlensK.length - 1} sequences`;
    throw shapeError(where, 'cuSeqlens and cuSeqlensK must have the same number of entries', `got ${given}`);
  }
  return { cuSeqlens, cuSeqlensK };
}

/** One slope a head, or undefined where there is none. */
export function checkAlibi(where: string, alibi: unknown, numHeads: number): Float32Array | undefined {
  if (alibi === undefined || alibi === false) return undefined;
  if (alibi === true) return alibiSlopes(numHeads);
  if (Object.prototype.toString.call(alibi) !== '[object Float32Array]') {
    throw kindError(where, 'alibi must be true, false or a Float32Array of slopes', `got ${describe(alibi)}`);
  }
  const slopes = alibi as Float32Array;
  if (slopes.length !== numHeads) {
    throw shapeError(where, `alibi must have one slope for each of the ${numHeads} heads`, `got ${slopes.length}`);
  }
  slopes.forEach((slope, h) => requireFinite(where, `alibi[${h}]`, slope));
  return kept(slopes);
}

/**
 * 2^(−8(h+1)/n) for n heads, n a power of two; else the slopes of the power p below n, then every second of those of 2p.
 * Press, Smith, Lewis 2022, arXiv 2108.12409, §3 and the authors' code.
 */
function alibiSlopes(numHeads: number): Float32Array {
  const power = 2 ** Math.floor(Math.log2(numHeads));
  return Float32Array.from({ length: numHeads }, (_, h) =>
    h < power ? 2 ** ((-8 * (h + 1)) / power) : 2 ** ((-4 * (2 * (h - power) + 1)) / power),
  );
}

function checkSinks(where: string, sinks: unknown, numHeads: number): Float32Array | undefined {
  if (sinks === undefined) return undefined;
  requireMatrix(where, 'sinks', sinks);
  if (sinks.rows === 1 && sinks.cols === numHeads) return sinks.data;
  throw shapeError(where, `sinks must be (1 × numHeads) = 1×${numHeads}`, `got ${shapeText(sinks)}`);
}

export function checkDropout(where: string, { dropout = 0, seed }: AttentionOptions): void {
  requireFinite(where, 'dropout', dropout, 0, 1);
  if (seed !== undefined) requireSeed(where, seed);
}

/** The dropout of one forward call; draws a seed only where one is needed. */
export function dropoutOf({ dropout = 0, seed }: AttentionOptions, call: number) {
  const [seedLow, seedHigh] = dropout === 0 ? [0, 0] : seedWords(seed ?? drawSeed());
  return { dropout, seedLow, seedHigh, call };
}
