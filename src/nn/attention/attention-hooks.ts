import { describe, kindError, requireChoice, requireOptions, shapeError, shapeText } from '../../core/errors.js';
import { dropPromise, requireFunction } from '../../core/functions.js';
import type { AttentionProblem, AttentionUnit } from '../../kernels/contract.js';
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
 * Where a hook stands, as in TransformerLens: Q, K and V of a head after their biases; Q and K after the rotation; the
 * masked scores; the weights before dropout; what a head gives, before W_O.
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

/** Of which value a hook is asked. */
export interface AttentionHookPoint {
  name: AttentionHookName;
  /** A head of K and V for hook_k, hook_v and hook_rot_k, else a query head. */
  head: number;
  /** Scores and weights belong to one sequence of a packed batch, or one cache of a step. */
  sequence?: number;
}

/**
 * Gives the Matrix to go on with, of the same shape, or nothing to leave the value as it is. The value itself counts as
 * given: gradients then pass through it, and `of` of valueAndGrad has them.
 */
export type AttentionHook = (value: Matrix, point: AttentionHookPoint) => Matrix | undefined;

export interface AttentionHookOptions {
  /** Only these heads. Default all. */
  heads?: readonly number[];
}

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
    { heads: shape, isTurned }: { heads: HeadShape; isTurned: boolean },
    name: unknown,
    hook: unknown,
    options: AttentionHookOptions,
  ): () => void {
    requireChoice(where, 'name', name, ATTENTION_HOOK_NAMES);
    requireFunction(where, 'hook', hook);
    requireOptions(where, options, ['heads']);
    if (name.startsWith('hook_rot') && !isTurned) {
      throw shapeError(where, `${name} must come with rope`, 'the layer has no rope', 'build it with rope: true');
    }
    const count = /[kv]$/.test(name) ? shape.numKvHeads : shape.numHeads;
    const heads = new Set(checkHeadList(where, options?.heads, count));
    const added: Entry = { name, hook: hook as AttentionHook, heads };
    this.#entries = [...this.#entries, added]; // a new list: the old one may be under way
    return () => {
      this.#entries = this.#entries.filter((other) => other !== added);
    };
  }

  /** Whether somebody asks for this, of one head or of any. */
  wants(name: AttentionHookName, head?: number): boolean {
    return this.#entries.some((entry) => entry.name === name && (head === undefined || entry.heads.has(head)));
  }

  /** What the hooks put in place of a value; undefined where none gives anything. */
  run(where: string, value: Matrix, point: AttentionHookPoint): Matrix | undefined {
    let given: Matrix | undefined;
    for (const { name, hook, heads } of this.#entries) {
      if (name !== point.name || !heads.has(point.head)) continue;
      given = replacement(where, point, value, hook(given ?? value, { ...point })) ?? given;
    }
    return given;
  }

  /** The same for every head of a matrix whose heads are column blocks. */
  runColumns(where: string, name: AttentionHookName, x: Matrix, numHeads: number): Matrix {
    if (!this.wants(name)) return x;
    const before = columnBlocks(x, numHeads);
    const given = before.map((value, head) => this.run(where, value, { name, head }));
    if (given.every((value) => value === undefined)) return x;
    return Matrix.concatColumns(given.map((value, h) => value ?? before[h]));
  }
}

/** What a hook gave, if it may stand there. */
function replacement(where: string, { name, head }: AttentionHookPoint, value: Matrix, given: unknown) {
  if (given === undefined) return undefined;
  const rule = `${name} of head ${head} must give a Matrix as it got, ${shapeText(value)}, or nothing`;
  dropPromise(given);
  if (!isMatrix(given)) throw kindError(where, rule, `got ${describe(given)}`);
  requireMatrix(where, `${name} of head ${head}`, given);
  if (given.rows === value.rows && given.cols === value.cols) return given;
  throw shapeError(where, rule, `got ${shapeText(given)}`);
}

function columnBlocks(x: Matrix, count: number): Matrix[] {
  const width = x.cols / count;
  return Array.from({ length: count }, (_, h) => x.sliceColumns(h * width, (h + 1) * width));
}

/** An attention that hooks look into. */
export interface HookedAttention extends CheckedAttention {
  /** The first keys of every sequence, which hooks see last. */
  extraKeys: number;
  /** The number of the first sequence. Default 0. */
  firstSequence?: number;
}

/** The attention with its scores and weights shown to hooks: a head in which they replace any is computed in steps. */
export function attendWithHooks(
  where: string,
  hooks: AttentionHooks,
  given: HookedAttention,
  drop: Drop,
  call: number,
) {
  if (!hooks.wants('hook_attn_scores') && !hooks.wants('hook_pattern')) return attendChecked(where, given, drop, call);
  const own = withOwnFlags(given);
  const { problem, matrices } = own;
  const { v } = matrices;
  const { numHeads, numKvHeads, cuSeqlens } = problem;
  const forward = { ...problem, ...dropoutOf(drop, call), v: v.data, dV: v.cols / numKvHeads };
  const stepwise = unitsOf(problem).map((unit) => {
    const pattern = hookedPattern(where, hooks, own, unit);
    return pattern && weightsTimesValues(forward, pattern, v, unit);
  });
  // Again: a hook may have taken their data away.
  for (const name of ['v', 'q', 'k', 'bias', 'sinks'] as const) {
    if (matrices[name]) requireMatrix(where, name, matrices[name]);
  }
  if (stepwise.every((z) => z === undefined)) return attendChecked(where, own, drop, call);
  const ofHead = (h: number) => stepwise.filter((_, unit) => unit % numHeads === h);
  // A head that is left alone keeps the bits of the fused attention. Of one that is gone nothing may reach a gradient, not
  // even by 0 · NaN.
  const isGone = Array.from({ length: numHeads }, (_, h) => ofHead(h).every((z) => z !== undefined));
  const group = numHeads / numKvHeads;
  const isKvGone = Array.from({ length: numKvHeads }, (_, g) =>
    isGone.slice(g * group, (g + 1) * group).every(Boolean),
  );
  const rest = isGone.every(Boolean)
    ? undefined
    : attendChecked(where, withoutHeads(own, isGone, isKvGone), drop, call);
  const columns = rest && columnBlocks(rest, numHeads);
  return Matrix.concatColumns(
    isGone.map((_, h) => {
      const column = columns?.[h] as Matrix; // absent only where every block is there
      const blocks = ofHead(h);
      if (blocks.every((z) => z === undefined)) return column;
      return Matrix.concatRows(blocks.map((z, s) => z ?? column.sliceRows(cuSeqlens[s], cuSeqlens[s + 1])));
    }),
  );
}

function withoutHeads(
  { problem, matrices }: CheckedAttention,
  isGone: readonly boolean[],
  isKvGone: readonly boolean[],
): CheckedAttention {
  const [q, k, v] = [withZeros(matrices.q, isGone), withZeros(matrices.k, isKvGone), withZeros(matrices.v, isKvGone)];
  return { problem: { ...problem, q: q.data, k: k.data }, matrices: { ...matrices, q, k, v } };
}

function withZeros(x: Matrix, isGone: readonly boolean[]): Matrix {
  if (!isGone.some(Boolean)) return x;
  const blocks = columnBlocks(x, isGone.length);
  return Matrix.concatColumns(blocks.map((block, h) => (isGone[h] ? new Matrix(block.rows, block.cols) : block)));
}

/** The matrices of attentionWeights as hooks leave them: `own` are those without hooks, of the heads in `list`. */
export function stagesWithHooks(
  where: string,
  hooks: AttentionHooks,
  given: HookedAttention,
  own: readonly Matrix[],
  { stage = 'weights', heads, rows }: Pick<AttentionWeightsOptions, 'stage' | 'heads' | 'rows'>,
): Matrix[] {
  const asked =
    stage === 'weights'
      ? hooks.wants('hook_pattern') || hooks.wants('hook_attn_scores')
      : hooks.wants('hook_attn_scores');
  if (!asked || (stage !== 'weights' && stage !== 'masked')) return [...own];
  const hookedOf = withOwnFlags(given);
  const { problem } = hookedOf;
  const list = heads ?? Array.from({ length: problem.numHeads }, (_, h) => h);
  const hooked = (unit: AttentionUnit) =>
    stage === 'weights' ? hookedPattern(where, hooks, hookedOf, unit) : hookedScores(where, hooks, hookedOf, unit).put;
  return own.map((matrix, i) => {
    const sequence = Math.floor(i / list.length);
    const whole = hooked({ sequence, head: list[i % list.length] });
    const [first, end] = [problem.cuSeqlens[sequence], problem.cuSeqlens[sequence + 1]];
    if (whole === undefined || rows === undefined) return whole?.clone() ?? matrix; // not what a hook gave itself
    const inSequence = rows.filter((row) => row >= first && row < end);
    if (inSequence.length === 0) return matrix;
    return Matrix.concatRows(inSequence.map((row) => whole.sliceRows(row - first, row - first + 1)));
  });
}

/** Hooks run between the steps, which therefore read flags of their own. */
function withOwnFlags(given: HookedAttention): HookedAttention {
  const problem = { ...given.problem };
  for (const name of [...optionsOf('perPair'), ...optionsOf('perKey'), ...optionsOf('distance')]) {
    if (!(name in given.matrices)) Object.assign(problem, { [name]: problem[name]?.slice() });
  }
  return { ...given, problem };
}

function unitsOf({ cuSeqlens, numHeads }: AttentionProblem): AttentionUnit[] {
  const count = (cuSeqlens.length - 1) * numHeads;
  return Array.from({ length: count }, (_, i) => ({ sequence: Math.floor(i / numHeads), head: i % numHeads }));
}

/** The weights of a head whose hooks replaced them or its scores; undefined where they replaced nothing. */
function hookedPattern(
  where: string,
  hooks: AttentionHooks,
  given: HookedAttention,
  unit: AttentionUnit,
): Matrix | undefined {
  const wantsPattern = hooks.wants('hook_pattern', unit.head);
  if (!wantsPattern && !hooks.wants('hook_attn_scores', unit.head)) return undefined;
  const { own, put } = hookedScores(where, hooks, given, unit);
  if (!wantsPattern && put === undefined) return undefined;
  const { sinks } = given.matrices;
  if (sinks) requireMatrix(where, 'sinks', sinks);
  const weights = weightsOfScores(put ?? own, sinks, unit.head);
  return shownTo(where, hooks, 'hook_pattern', given, weights, unit) ?? (put && weights);
}

/** The masked scores of a head, and what hooks put in their place. */
function hookedScores(
  where: string,
  hooks: AttentionHooks,
  given: HookedAttention,
  unit: AttentionUnit,
): { own: Matrix; put: Matrix | undefined } {
  const { q, k, bias } = given.matrices;
  // Again: a hook before this one may have taken their data away.
  for (const [name, m] of Object.entries({ q, k, bias })) if (m) requireMatrix(where, name, m);
  const own = maskedScores(given.problem, { q, k, bias }, unit);
  return { own, put: shownTo(where, hooks, 'hook_attn_scores', given, own, unit) };
}

/** What hooks put in place of scores or weights; they see the extra keys last. */
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
  const put = hooks.run(where, shown, { name, head, sequence: firstSequence + sequence });
  return put && extraKeys > 0 ? extraKeysFirst(put, extraKeys) : put;
}
