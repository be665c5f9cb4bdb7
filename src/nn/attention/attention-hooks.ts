import { describe, kindError, requireChoice, shapeError, shapeText } from '../../core/errors.js';
import { dropPromise, requireFunction } from '../../core/functions.js';
import { requireOptions } from '../../core/options.js';
import type { AttentionProblem, AttentionUnit } from '../../kernels/attention-problem.js';
import { isMatrix, Matrix, requireMatrix } from '../../matrix/matrix.js';
import {
  type AttentionWeightsOptions,
  attendChecked,
  type CheckedAttention,
  checkHeadList,
} from '../../ops/attention/attention.js';
import { dropoutOf, optionsOf } from '../../ops/attention/options.js';
import { maskedScores, weightsOfScores, weightsTimesValues } from '../../ops/attention/unfused.js';
import type { Drop } from '../dropout.js';
import { extraKeysFirst, extraKeysLast } from './extra-keys.js';
import type { HeadShape } from './heads.js';

/**
 * The value that a hook sees, named as in TransformerLens: hook_q, hook_k and hook_v are Q, K and V of a head after their
 * biases; hook_rot_q and hook_rot_k are Q and K after the rotation; hook_attn_scores are the masked scores, hook_pattern the
 * weights before dropout; hook_z is the output of a head, before W_O.
 */
export type AttentionHookName = (typeof ATTENTION_HOOK_NAMES)[number];

export const ATTENTION_HOOK_NAMES = [
  'hook_q',
  'hook_k',
  'hook_v',
  'hook_rot_q',
  'hook_rot_k',
  'hook_attn_scores',
  'hook_pattern',
  'hook_z',
] as const;

/** Which value a hook was called with. */
export interface AttentionHookPoint {
  name: AttentionHookName;
  /** A head of K and V for hook_k, hook_v and hook_rot_k, else a query head. */
  head: number;
  /** Of scores and weights: the number of the sequence in a packed batch, or of the cache in a step. */
  sequence?: number;
}

/**
 * Returns the Matrix that replaces the value, of the same shape, or nothing to leave it as it is. Returning the value itself
 * counts as a replacement: gradients then pass through it, and `of` of valueAndGrad can keep them.
 */
export type AttentionHook = (value: Matrix, point: AttentionHookPoint) => Matrix | undefined;

export interface AttentionHookOptions {
  /** Only these heads. Default all. */
  heads?: readonly number[];
}

/** A hook that was added. */
interface Entry {
  name: AttentionHookName;
  hook: AttentionHook;
  heads: ReadonlySet<number>;
}

/** The hooks of one layer, in the order in which they were added. */
export class AttentionHooks {
  #entries: readonly Entry[] = [];

  add(
    where: string,
    { heads: shape, isRotary }: { heads: HeadShape; isRotary: boolean },
    name: unknown,
    hook: unknown,
    options: AttentionHookOptions,
  ): () => void {
    requireChoice(where, 'name', name, ATTENTION_HOOK_NAMES);
    requireFunction(where, 'hook', hook);
    requireOptions(where, options, ['heads']);
    if (name.startsWith('hook_rot') && !isRotary) {
      throw shapeError(where, `${name} must come with rope`, 'the layer has no rope', 'build it with rope: true');
    }
    const count = /[kv]$/.test(name) ? shape.numKvHeads : shape.numHeads;
    const heads = new Set(checkHeadList(where, options?.heads, count));
    const entry: Entry = { name, hook: hook as AttentionHook, heads };
    this.#entries = [...this.#entries, entry]; // a new list, because `run` may be going through the old one
    return () => {
      this.#entries = this.#entries.filter((other) => other !== entry);
    };
  }

  /** Whether there is a hook of this name, for one head or for any. */
  wants(name: AttentionHookName, head?: number): boolean {
    return this.#entries.some((entry) => entry.name === name && (head === undefined || entry.heads.has(head)));
  }

  /** What the hooks replace a value with; undefined if none replaces it. */
  run(where: string, value: Matrix, point: AttentionHookPoint): Matrix | undefined {
    let replaced: Matrix | undefined;
    for (const { name, hook, heads } of this.#entries) {
      if (name !== point.name || !heads.has(point.head)) continue;
      replaced = checkReplacement(where, point, value, hook(replaced ?? value, { ...point })) ?? replaced;
    }
    return replaced;
  }

  /** Runs the hooks on every head of x, whose heads are column blocks; returns x with their replacements. */
  runColumns(where: string, name: AttentionHookName, x: Matrix, numHeads: number): Matrix {
    if (!this.wants(name)) return x;
    const blocks = columnBlocks(x, numHeads);
    const replaced = blocks.map((value, head) => this.run(where, value, { name, head }));
    if (replaced.every((value) => value === undefined)) return x;
    return Matrix.concatColumns(replaced.map((value, h) => value ?? blocks[h]));
  }
}

/** What a hook returned, if it is undefined or a Matrix of the value's shape. */
function checkReplacement(where: string, { name, head }: AttentionHookPoint, value: Matrix, returned: unknown) {
  if (returned === undefined) return undefined;
  const rule = `${name} of head ${head} must give a ${shapeText(value)} Matrix, as it got, or nothing`;
  dropPromise(returned);
  if (!isMatrix(returned)) throw kindError(where, rule, `got ${describe(returned)}`);
  requireMatrix(where, `${name} of head ${head}`, returned);
  if (returned.rows === value.rows && returned.cols === value.cols) return returned;
  throw shapeError(where, rule, `got ${shapeText(returned)}`);
}

function columnBlocks(x: Matrix, count: number): Matrix[] {
  const width = x.cols / count;
  return Array.from({ length: count }, (_, h) => x.sliceColumns(h * width, (h + 1) * width));
}

/** An attention whose scores and weights hooks may see. */
export interface HookedAttention extends CheckedAttention {
  /** How many of the first keys of every sequence are extra keys, which hooks see last. */
  extraKeys: number;
  /** The number of the first sequence, as hooks see it. Default 0. */
  firstSequence?: number;
}

/**
 * The attention, with its scores and weights shown to hooks: (Lq × numHeads·dV). A head of a sequence in which hooks replace
 * any is computed step by step, everything else by the fused kernel.
 */
export function attendWithHooks(
  where: string,
  hooks: AttentionHooks,
  attention: HookedAttention,
  drop: Drop,
  call: number,
) {
  if (!hooks.wants('hook_attn_scores') && !hooks.wants('hook_pattern')) {
    return attendChecked(where, attention, drop, call);
  }
  const snapshot = withCopiedFlags(attention);
  const { problem, matrices } = snapshot;
  const { v } = matrices;
  const { numHeads, numKvHeads, cuSeqlens } = problem;
  const forward = { ...problem, ...dropoutOf(drop, call), v: v.data, dV: v.cols / numKvHeads };
  // For every unit, a head of a sequence: its output, or undefined if hooks replaced nothing in it.
  const outputs = unitsOf(problem).map((unit) => {
    const pattern = hookedPattern(where, hooks, snapshot, unit);
    return pattern && weightsTimesValues(forward, pattern, v, unit);
  });
  // Again, because a hook may have detached their data.
  for (const name of ['v', 'q', 'k', 'bias', 'sinks'] as const) {
    if (matrices[name]) requireMatrix(where, name, matrices[name]);
  }
  if (outputs.every((z) => z === undefined)) return attendChecked(where, snapshot, drop, call);
  const ofHead = (h: number) => outputs.filter((_, unit) => unit % numHeads === h);
  // A head without replacements keeps the bits of the fused attention. A head replaced in every sequence is zeroed there, so
  // that it cannot reach a gradient, not even by 0 · NaN.
  const isReplaced = Array.from({ length: numHeads }, (_, h) => ofHead(h).every((z) => z !== undefined));
  const group = numHeads / numKvHeads;
  const isKvReplaced = Array.from({ length: numKvHeads }, (_, g) =>
    isReplaced.slice(g * group, (g + 1) * group).every(Boolean),
  );
  const fused = isReplaced.every(Boolean)
    ? undefined
    : attendChecked(where, withoutHeads(snapshot, isReplaced, isKvReplaced), drop, call);
  const fusedHeads = fused && columnBlocks(fused, numHeads);
  return Matrix.concatColumns(
    isReplaced.map((_, h) => {
      const fusedHead = fusedHeads?.[h] as Matrix; // absent only if hooks replaced something in every unit
      const blocks = ofHead(h);
      if (blocks.every((z) => z === undefined)) return fusedHead;
      return Matrix.concatRows(blocks.map((z, s) => z ?? fusedHead.sliceRows(cuSeqlens[s], cuSeqlens[s + 1])));
    }),
  );
}

function withoutHeads(
  { problem, matrices }: CheckedAttention,
  isReplaced: readonly boolean[],
  isKvReplaced: readonly boolean[],
): CheckedAttention {
  const q = withZeros(matrices.q, isReplaced);
  const [k, v] = [withZeros(matrices.k, isKvReplaced), withZeros(matrices.v, isKvReplaced)];
  return { problem: { ...problem, q: q.data, k: k.data }, matrices: { ...matrices, q, k, v } };
}

function withZeros(x: Matrix, isReplaced: readonly boolean[]): Matrix {
  if (!isReplaced.some(Boolean)) return x;
  const blocks = columnBlocks(x, isReplaced.length);
  return Matrix.concatColumns(blocks.map((block, h) => (isReplaced[h] ? new Matrix(block.rows, block.cols) : block)));
}

/**
 * The matrices of attentionWeights, with the replacements of hooks.
 *
 * @param stages  the matrices without hooks: for every sequence those of the chosen heads
 */
export function stagesWithHooks(
  where: string,
  hooks: AttentionHooks,
  attention: HookedAttention,
  stages: readonly Matrix[],
  { stage = 'weights', heads, rows }: Pick<AttentionWeightsOptions, 'stage' | 'heads' | 'rows'>,
): Matrix[] {
  const isHooked =
    stage === 'weights'
      ? hooks.wants('hook_pattern') || hooks.wants('hook_attn_scores')
      : hooks.wants('hook_attn_scores');
  if (!isHooked || (stage !== 'weights' && stage !== 'masked')) return [...stages];
  const snapshot = withCopiedFlags(attention);
  const { problem } = snapshot;
  const chosenHeads = heads ?? Array.from({ length: problem.numHeads }, (_, h) => h);
  const hooked = (unit: AttentionUnit) =>
    stage === 'weights'
      ? hookedPattern(where, hooks, snapshot, unit)
      : hookedScores(where, hooks, snapshot, unit).replaced;
  return stages.map((matrix, i) => {
    const sequence = Math.floor(i / chosenHeads.length);
    const whole = hooked({ sequence, head: chosenHeads[i % chosenHeads.length] });
    const [first, end] = [problem.cuSeqlens[sequence], problem.cuSeqlens[sequence + 1]];
    if (whole === undefined || rows === undefined) return whole?.clone() ?? matrix; // a copy: the hook may keep its matrix
    const inSequence = rows.filter((row) => row >= first && row < end);
    if (inSequence.length === 0) return matrix;
    return Matrix.concatRows(inSequence.map((row) => whole.sliceRows(row - first, row - first + 1)));
  });
}

/** The attention with copies of its masks and slopes, which a hook that runs between the steps may overwrite. */
function withCopiedFlags(attention: HookedAttention): HookedAttention {
  const problem = { ...attention.problem };
  for (const name of [...optionsOf('perPair'), ...optionsOf('perKey'), ...optionsOf('distance')]) {
    if (!(name in attention.matrices)) Object.assign(problem, { [name]: problem[name]?.slice() });
  }
  return { ...attention, problem };
}

function unitsOf({ cuSeqlens, numHeads }: AttentionProblem): AttentionUnit[] {
  const count = (cuSeqlens.length - 1) * numHeads;
  return Array.from({ length: count }, (_, i) => ({ sequence: Math.floor(i / numHeads), head: i % numHeads }));
}

/** The weights of a unit if hooks replaced them or its scores; undefined if they replaced nothing. */
function hookedPattern(
  where: string,
  hooks: AttentionHooks,
  attention: HookedAttention,
  unit: AttentionUnit,
): Matrix | undefined {
  const wantsPattern = hooks.wants('hook_pattern', unit.head);
  if (!wantsPattern && !hooks.wants('hook_attn_scores', unit.head)) return undefined;
  const { scores, replaced } = hookedScores(where, hooks, attention, unit);
  if (!wantsPattern && replaced === undefined) return undefined;
  const { sinks } = attention.matrices;
  if (sinks) requireMatrix(where, 'sinks', sinks);
  const weights = weightsOfScores(replaced ?? scores, sinks, unit.head);
  return shownTo(where, hooks, 'hook_pattern', attention, weights, unit) ?? (replaced && weights);
}

/** The masked scores of a unit, and what hooks replace them with. */
function hookedScores(
  where: string,
  hooks: AttentionHooks,
  attention: HookedAttention,
  unit: AttentionUnit,
): { scores: Matrix; replaced: Matrix | undefined } {
  const { q, k, bias } = attention.matrices;
  // Again, because an earlier hook may have detached their data.
  for (const [name, m] of Object.entries({ q, k, bias })) if (m) requireMatrix(where, name, m);
  const scores = maskedScores(attention.problem, { q, k, bias }, unit);
  return { scores, replaced: shownTo(where, hooks, 'hook_attn_scores', attention, scores, unit) };
}

/** What hooks replace scores or weights with, the extra keys first again; hooks see them last. */
function shownTo(
  where: string,
  hooks: AttentionHooks,
  name: AttentionHookName,
  { extraKeys, firstSequence = 0 }: HookedAttention,
  value: Matrix,
  { head, sequence }: AttentionUnit,
): Matrix | undefined {
  if (!hooks.wants(name, head)) return undefined;
  const shown = extraKeys === 0 ? value : extraKeysLast(value, extraKeys);
  const replaced = hooks.run(where, shown, { name, head, sequence: firstSequence + sequence });
  return replaced && extraKeys > 0 ? extraKeysFirst(replaced, extraKeys) : replaced;
}
