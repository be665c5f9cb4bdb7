import { setSeed } from '../../src/index.js';

/** One use of an option, as `place` runs it: with `value` beside `base`, and with `base` alone. */
export interface Use<T, O> {
  value: T;
  /** The other options of both calls. */
  base?: O;
  /** The result with the option, computed by other means. */
  expected?: (options: O) => unknown;
  /** Without the option the call is refused: the option counts because the call with it works. */
  needed?: true;
  /** Why the option does not show here. Then both results must be equal, and `wrong` must still be refused. */
  unchanged?: string;
  wrong?: unknown;
  /** Why the option is understood here only to be refused. */
  refused?: string;
}

/** Uses of every option of O, at least one each; the options within an option stand under their dotted names. */
export type Uses<O> = { [K in keyof O]-?: Use<O[K], O>[] } & { [nested: `${string}.${string}`]: Use<unknown, O>[] };

/** A use made ready: nothing is computed before its functions are called. */
export interface OptionCase {
  /** As the list generated from the types has it. */
  key: string;
  use: number;
  /** What the option is given. */
  value: unknown;
  with: () => unknown;
  without: () => unknown;
  wrong: () => unknown;
  expected?: () => unknown;
  needed: boolean;
  unchanged?: string;
  refused?: string;
}

/** The cases of one public callable, all or some of them. An ignored option makes `with` the same call as `without`. */
export function place<O extends object>(
  name: string,
  base: O,
  call: (options: O) => unknown,
  uses: Partial<Uses<O>>,
): OptionCase[] {
  return Object.entries<Use<unknown, O>[]>(uses as Record<string, Use<unknown, O>[]>).flatMap(([option, list]) =>
    list.map((use, i) => {
      const without = { ...base, ...use.base };
      const having = (value: unknown) => withOption(without, option.split('.'), value);
      const { expected, needed = false, unchanged, refused } = use;
      return {
        key: `${name}.${option}`,
        use: i,
        value: use.value,
        with: () => call(having(use.value)),
        without: () => call(without),
        wrong: () => call(having(use.wrong)),
        expected: expected && (() => expected(having(use.value))),
        needed,
        unchanged,
        refused,
      };
    }),
  );
}

/** `bias` all together, and each of its products by itself. */
export function biasUses<O extends object>(
  names: readonly string[],
  base: NoInfer<O>,
  expected: (options: O) => unknown,
): { bias: Use<never, O>[] } & { [nested: `${string}.${string}`]: Use<unknown, O>[] } {
  const nested = names.map((name) => [`bias.${name}`, [{ value: true, base, expected }]]);
  const uses = [
    { value: true, expected },
    { value: true, base, expected },
    { value: { [names[0]]: true }, base, expected },
  ];
  return { ...Object.fromEntries(nested), bias: uses };
}

function withOption<O extends object>(options: O, [name, ...inner]: readonly string[], value: unknown): O {
  const old: unknown = (options as Record<string, unknown>)[name];
  const bag = typeof old === 'object' && old !== null ? old : {};
  return { ...options, [name]: inner.length === 0 ? value : withOption(bag, inner, value) };
}

/** What a call gives, flat: the numbers and words of its result, or that it threw. The stream of seeds stands at one place for all. */
export async function outcome(call: () => unknown): Promise<(number | string)[]> {
  setSeed(11);
  try {
    return flatten(await call());
  } catch (error) {
    return ['throws', String(error)];
  }
}

/** Every number and word of a result, depth first; matrices by shape and entries, objects by names and values. */
export function flatten(value: unknown): (number | string)[] {
  if (typeof value === 'number' || typeof value === 'string') return [value];
  if (typeof value === 'boolean' || value === undefined || value === null) return [String(value)];
  if (ArrayBuffer.isView(value) || Array.isArray(value))
    return Array.from(value as ArrayLike<unknown>).flatMap(flatten);
  if (value instanceof Map) return [...value].flatMap(([name, inner]) => [String(name), ...flatten(inner)]);
  if (typeof value === 'object') return Object.entries(value).flatMap(([name, inner]) => [name, ...flatten(inner)]);
  throw new Error(`a ${typeof value} cannot be compared`);
}

/** Whether two outcomes are the same to the bit (−0 is not 0, NaN is NaN). */
export function isSame(a: readonly (number | string)[], b: readonly (number | string)[]): boolean {
  return a.length === b.length && a.every((entry, i) => Object.is(entry, b[i]));
}
