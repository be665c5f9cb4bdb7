import { describe, kindError, requireChoice, requireOptions, ShapeError, shapeError } from '../../core/errors.js';
import { nameList } from '../../core/name-list.js';
import { isShape, type StoredTensor } from '../../core/stored-tensor.js';
import type { TorchTensor } from './tensors.js';

// The names of a checkpoint: whose they are, what stands before them, which are missing or left over.

/** By layout, the name by which it is recognized. */
export type Signs<Layout extends string> = Readonly<Record<Layout, string>>;

export function signsOf<Name extends string>(layouts: Readonly<Record<Name, { sign: string }>>): Signs<Name> {
  const signs = Object.entries<{ sign: string }>(layouts).map(([name, { sign }]) => [name, sign]);
  return Object.fromEntries(signs);
}

/** The tensors whose names begin with the prefix, without it. */
export function tensorsUnder(where: string, state: unknown, prefix: unknown = ''): Map<string, StoredTensor> {
  if (Object.prototype.toString.call(state) !== '[object Map]') {
    throw kindError(where, 'the state must be a Map of tensors', `got ${describe(state)}`);
  }
  requirePrefix(where, prefix);
  const found = new Map<string, StoredTensor>();
  for (const [name, tensor] of state as ReadonlyMap<unknown, StoredTensor>) {
    if (typeof name !== 'string') throw kindError(where, 'names must be strings', `got ${describe(name)}`);
    if (!name.startsWith(prefix)) continue;
    const { dtype, shape, data } = (tensor ?? {}) as Partial<StoredTensor>;
    if (typeof dtype !== 'string' || !isShape(shape) || !ArrayBuffer.isView(data)) {
      const rule = `${nameList([name])} must be { dtype, shape, data }`;
      throw kindError(where, rule, `got dtype ${describe(dtype)}, shape ${describe(shape)}, data ${describe(data)}`);
    }
    found.set(name.slice(prefix.length), tensor);
  }
  return found;
}

function requirePrefix(where: string, prefix: unknown): asserts prefix is string {
  if (typeof prefix !== 'string') throw kindError(where, 'prefix must be a string', `got ${describe(prefix)}`);
}

/**
 * Nothing of a model may lie outside its prefix: a matrix to the logits that is left aside makes another model.
 *
 * @param hint  absent of a trial, whose message names the prefix already
 */
export function requireAllUnder(
  where: string,
  state: ReadonlyMap<string, unknown>,
  prefix: string,
  hint?: () => string | undefined,
) {
  const outside = [...state.keys()].filter((name) => !name.startsWith(prefix));
  if (outside.length === 0) return;
  const rule = `every name of the state must begin with ${hint === undefined ? 'it' : `prefix '${short(prefix)}'`}`;
  throw shapeError(where, rule, `${outside.length} of ${state.size} do not: ${nameList(outside)}`, hint?.());
}

/** The layout whose sign is among the names. */
export function layoutOf<Layout extends string>(
  where: string,
  signs: Signs<Layout>,
  given: ReadonlyMap<string, unknown>,
  hint?: () => string,
): Layout {
  const layouts = Object.keys(signs) as Layout[];
  const found = layouts.filter((layout) => given.has(signs[layout]));
  if (found.length === 1) return found[0];
  const rule = `the state must hold one of ${Object.values(signs).join(', ')}`;
  if (found.length > 1) throw shapeError(where, rule, `it holds those of ${found.join(' and ')}`);
  throw shapeError(where, rule, `its names are ${nameList([...given.keys()])}`, hint?.());
}

/** What lies under a prefix, and the tensors of its layout that are there: all that lies there. */
export function recognized<Layout extends string>(
  where: string,
  state: unknown,
  prefix: string | undefined,
  signs: Signs<Layout>,
  tensorsOf: (layout: Layout, given: ReadonlyMap<string, unknown>) => TorchTensor[],
): { given: Map<string, StoredTensor>; layout: Layout; tensors: TorchTensor[] } {
  const read = (under: string | undefined, hint?: () => string) => {
    const given = tensorsUnder(where, state, under);
    const layout = layoutOf(where, signs, given, hint);
    return { given, layout, tensors: requireTensors(where, tensorsOf(layout, given), given) };
  };
  return read(prefix, () =>
    prefixHint(where, state as ReadonlyMap<string, unknown>, prefix ?? '', Object.values(signs), (other) =>
      read(other),
    ),
  );
}

/** More prefixes than these are not tried: a large model has one attention after another. */
const MAX_TRIES = 8;

/**
 * Which prefix a state needs where `prefix` is wrong: one under which `read` finds all that it needs.
 *
 * @param read  throws a ShapeError where the names under a prefix do not fit
 * @param more  bases: what may stand between the prefix and a sign; otherwise: what to say where no prefix does, default
 *   what is wrong with the likeliest
 */
export function prefixHint(
  where: string,
  state: ReadonlyMap<string, unknown>,
  prefix: string,
  signs: readonly string[],
  read: (prefix: string) => unknown,
  { bases = [], otherwise }: { bases?: readonly string[]; otherwise?: string } = {},
): string {
  const longestFirst = [...signs].sort((a, b) => b.length - a.length);
  const candidates = new Set<string>();
  for (const name of state.keys()) {
    for (const sign of longestFirst) {
      if (!name.endsWith(sign)) continue;
      const before = name.slice(0, name.length - sign.length);
      if (!isWholeWord(before)) continue; // another name with the same end
      for (const base of bases) {
        const outer = before.slice(0, before.length - base.length);
        if (before.endsWith(base) && isWholeWord(outer)) candidates.add(outer);
      }
      candidates.add(before);
    }
  }
  candidates.delete(prefix); // it was tried
  const near = [...candidates].filter((candidate) => candidate.startsWith(prefix));
  const order = [...new Set([...near, ...candidates])].slice(0, MAX_TRIES);
  let failure: string | undefined;
  for (const candidate of order) {
    try {
      read(candidate);
      return candidate === '' ? 'did you mean no prefix?' : `did you mean prefix: '${short(candidate)}'?`;
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      failure ??= `with prefix '${short(candidate)}', ${error.message.slice(where.length + 2)}`;
    }
  }
  return otherwise ?? failure ?? 'is prefix right?';
}

/** The layout to write, and the prefix of its names. */
export function writtenAs<Layout extends string>(
  where: string,
  options: { layout?: unknown; prefix?: unknown },
  signs: Signs<Layout>,
  usual: Layout,
): { layout: Layout; prefix: string } {
  requireOptions(where, options, ['layout', 'prefix']);
  const { layout = usual, prefix = '' } = options;
  requireChoice(where, 'layout', layout, Object.keys(signs) as Layout[]);
  requirePrefix(where, prefix);
  return { layout, prefix };
}

/** The tensors of a layout that a state has: exactly these must be its names. */
export function requireTensors(
  where: string,
  layout: readonly TorchTensor[],
  given: ReadonlyMap<string, unknown>,
): TorchTensor[] {
  const expected = inGroups(layout, ({ name }) => given.has(name));
  const known = new Set(expected.map(({ name }) => name));
  const missing = expected.filter(({ name, parts }) => parts.length > 0 && !given.has(name)).map(({ name }) => name);
  const unknown = [...given.keys()].filter((name) => !known.has(name));
  if (missing.length + unknown.length === 0) return expected;
  const names = `missing ${nameList(missing)}; unknown ${nameList(unknown)}`;
  throw shapeError(where, 'the state must have exactly the names of its layout', names);
}

/** Without the groups of which nothing is there. */
export function inGroups(layout: readonly TorchTensor[], isThere: (tensor: TorchTensor) => boolean): TorchTensor[] {
  const groups = new Set(layout.filter(isThere).map(({ group }) => group));
  return layout.filter(({ group }) => group === undefined || groups.has(group));
}

/** Whether what follows begins a name of its own. */
function isWholeWord(before: string): boolean {
  return !/\w/.test(before.slice(-1));
}

function short(prefix: string): string {
  return prefix.length > 100 ? `${prefix.slice(0, 100)}…` : prefix;
}
