import { describe, kindError, requireChoice, ShapeError, shapeError } from '../../core/errors.js';
import { nameList } from '../../core/name-list.js';
import { requireOptions } from '../../core/options.js';
import { isShape, type StoredTensor } from '../../core/stored-tensor.js';
import type { TorchTensor } from './tensors.js';

// The names of a checkpoint: their layout, their prefix, and which are missing or unknown.

/** For each layout the name by which it is recognized. */
export type Signs<Layout extends string> = Readonly<Record<Layout, string>>;

export function signsOf<Name extends string>(layouts: Readonly<Record<Name, { sign: string }>>): Signs<Name> {
  const signs = Object.entries<{ sign: string }>(layouts).map(([name, { sign }]) => [name, sign]);
  return Object.fromEntries(signs);
}

/** The tensors whose names begin with the prefix, under their names without it. */
export function tensorsUnder(where: string, state: unknown, prefix: unknown = ''): Map<string, StoredTensor> {
  if (Object.prototype.toString.call(state) !== '[object Map]') {
    throw kindError(where, 'the state must be a Map of tensors', `got ${describe(state)}`);
  }
  requirePrefix(where, prefix);
  const named = new Map<string, StoredTensor>();
  for (const [name, tensor] of state as ReadonlyMap<unknown, StoredTensor>) {
    if (typeof name !== 'string') throw kindError(where, 'names must be strings', `got ${describe(name)}`);
    if (!name.startsWith(prefix)) continue;
    const { dtype, shape, data } = (tensor ?? {}) as Partial<StoredTensor>;
    if (typeof dtype !== 'string' || !isShape(shape) || !ArrayBuffer.isView(data)) {
      const rule = `${nameList([name])} must be { dtype, shape, data }`;
      throw kindError(where, rule, `got dtype ${describe(dtype)}, shape ${describe(shape)}, data ${describe(data)}`);
    }
    named.set(name.slice(prefix.length), tensor);
  }
  return named;
}

function requirePrefix(where: string, prefix: unknown): asserts prefix is string {
  if (typeof prefix !== 'string') throw kindError(where, 'prefix must be a string', `got ${describe(prefix)}`);
}

/**
 * No tensor of a model may lie outside its prefix: if, say, the matrix to the logits were ignored, it would be another model.
 *
 * @param hint  absent in a trial of a prefix, whose message names that prefix itself
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
  named: ReadonlyMap<string, unknown>,
  hint?: () => string,
): Layout {
  const layouts = Object.keys(signs) as Layout[];
  const matching = layouts.filter((layout) => named.has(signs[layout]));
  if (matching.length === 1) return matching[0];
  const rule = `the state must hold one of ${Object.values(signs).join(', ')}`;
  if (matching.length > 1) throw shapeError(where, rule, `it holds those of ${matching.join(' and ')}`);
  throw shapeError(where, rule, `its names are ${nameList([...named.keys()])}`, hint?.());
}

/**
 * The tensors under a prefix by their names without it, their layout, and the layout's tensors that are expected there. No
 * other tensor may lie there.
 */
export function recognized<Layout extends string>(
  where: string,
  state: unknown,
  prefix: string | undefined,
  signs: Signs<Layout>,
  tensorsOf: (layout: Layout, named: ReadonlyMap<string, unknown>) => TorchTensor[],
): { named: Map<string, StoredTensor>; layout: Layout; tensors: TorchTensor[] } {
  const read = (tried: string | undefined, hint?: () => string) => {
    const named = tensorsUnder(where, state, tried);
    const layout = layoutOf(where, signs, named, hint);
    return { named, layout, tensors: requireTensors(where, tensorsOf(layout, named), named) };
  };
  return read(prefix, () =>
    prefixHint(where, state as ReadonlyMap<string, unknown>, prefix ?? '', Object.values(signs), (other) =>
      read(other),
    ),
  );
}

/** At most this many prefixes are tried: a large model has an attention in every layer. */
const MAX_TRIES = 8;

/**
 * The hint if `prefix` is wrong: a prefix with which `read` succeeds, if there is one.
 *
 * @param read  throws a ShapeError if the names under a prefix do not fit
 * @param last  bases: what may stand between the prefix and a sign; otherwise: the hint if no prefix fits, by default what is
 *   wrong with the likeliest one
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
      if (!endsAtWord(before)) continue; // another name with the same ending
      for (const base of bases) {
        const outer = before.slice(0, before.length - base.length);
        if (before.endsWith(base) && endsAtWord(outer)) candidates.add(outer);
      }
      candidates.add(before);
    }
  }
  candidates.delete(prefix); // it was tried
  const longer = [...candidates].filter((candidate) => candidate.startsWith(prefix));
  const order = [...new Set([...longer, ...candidates])].slice(0, MAX_TRIES);
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
  defaultLayout: Layout,
): { layout: Layout; prefix: string } {
  requireOptions(where, options, ['layout', 'prefix']);
  const { layout = defaultLayout, prefix = '' } = options;
  requireChoice(where, 'layout', layout, Object.keys(signs) as Layout[]);
  requirePrefix(where, prefix);
  return { layout, prefix };
}

/** The tensors of a layout without the groups that the state does not have: exactly these, but buffers, must be its names. */
export function requireTensors(
  where: string,
  layout: readonly TorchTensor[],
  named: ReadonlyMap<string, unknown>,
): TorchTensor[] {
  const expected = inGroups(layout, ({ name }) => named.has(name));
  const known = new Set(expected.map(({ name }) => name));
  const missing = expected.filter(({ name, parts }) => parts.length > 0 && !named.has(name)).map(({ name }) => name);
  const unknown = [...named.keys()].filter((name) => !known.has(name));
  if (missing.length + unknown.length === 0) return expected;
  const names = `missing ${nameList(missing)}; unknown ${nameList(unknown)}`;
  throw shapeError(where, 'the state must have exactly the names of its layout', names);
}

/** The tensors of a layout without those of groups that are wholly absent. */
export function inGroups(layout: readonly TorchTensor[], isThere: (tensor: TorchTensor) => boolean): TorchTensor[] {
  const groups = new Set(layout.filter(isThere).map(({ group }) => group));
  return layout.filter(({ group }) => group === undefined || groups.has(group));
}

/** Whether a new word begins after this text. */
function endsAtWord(before: string): boolean {
  return !/\w/.test(before.slice(-1));
}

function short(prefix: string): string {
  return prefix.length > 100 ? `${prefix.slice(0, 100)}…` : prefix;
}
