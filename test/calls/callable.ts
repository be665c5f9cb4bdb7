import * as qkv from '../../src/index.js';

/** A call that works: the object of a method, and an argument for every parameter that a bad one can replace. */
export interface GoodCall {
  self?: object;
  args: unknown[];
  /** What a refused call must leave alone and no property shows. */
  hidden?: () => unknown;
}

/** A public callable: a call that works, made afresh, and what each of its options does. What it refuses: see messages.txt. */
export type Callable = (() => GoodCall) | { works: () => GoodCall; options: OptionUses | OptionUses[] };

/** Callables by their names in the list of the public surface. */
export type Callables = Record<string, Callable>;

/** In place of an option that has to be given. */
export const missing = undefined as never;

/** All or some options of the callable that has this name. */
export type OptionUses = (name: string) => OptionCase[];

/** One use of an option: called with `value` beside `base`, and with `base` alone. */
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

/** What options do beside those of `base`. An ignored option makes `with` the same call as `without`. */
export function uses<O extends object>(base: O, call: (options: O) => unknown, table: Partial<Uses<O>>): OptionUses {
  const entries = Object.entries<Use<unknown, O>[]>(table as Record<string, Use<unknown, O>[]>);
  return (name) =>
    entries.flatMap(([option, list]) =>
      list.map((use, i) => {
        const { value, expected, needed = false, unchanged, refused } = use;
        const without = { ...base, ...use.base };
        const having = (value: unknown) => withOption(without, option.split('.'), value);
        return {
          key: `${name}.${option}`,
          use: i,
          value,
          with: () => call(having(value)),
          without: () => call(without),
          wrong: () => call(having(use.wrong)),
          expected: expected && (() => expected(having(value))),
          needed,
          unchanged,
          refused,
        };
      }),
    );
}

/** A callable whose working call shows what the options do that are its last argument: in its result, or as `shown` has it. */
export function optioned<O extends object, Result = unknown>(
  works: () => GoodCall,
  table: Partial<Uses<O>>,
  shown?: (result: Result) => unknown,
): Callable {
  const base = works().args.at(-1) as O;
  return { works, options: (name) => uses(base, (options) => withLast(name, works(), options, shown), table)(name) };
}

/** A callable whose last argument may be left out: `called` is its name. */
export function withOptional<Value, Result = unknown>(
  works: () => GoodCall,
  called: string,
  list: Use<Value, Record<string, Value>>[],
  shown?: (result: Result) => unknown,
): Callable {
  const call = (name: string) => (options: Record<string, Value>) => withLast(name, works(), options[called], shown);
  return { works, options: (name) => uses<Record<string, Value>>({}, call(name), { [called]: list })(name) };
}

function withLast<Result>(name: string, good: GoodCall, last: unknown, shown?: (result: Result) => unknown): unknown {
  const result = invoke(name, { ...good, args: [...good.args.slice(0, -1), last] });
  return shown === undefined ? result : shown(result as Result);
}

/** Calls a public callable by its name in the list. */
export function invoke(name: string, { self, args }: GoodCall): unknown {
  const surface = qkv as unknown as Record<string, object>;
  const [owner, member] = name.replace(/^new /, '').split('.');
  if (name.startsWith('new ')) return Reflect.construct(surface[owner] as new () => unknown, args);
  const holder = member === undefined ? surface : (self ?? surface[owner]);
  const callee = (holder as Record<string, (...args: unknown[]) => unknown>)[member ?? owner];
  return callee.apply(holder, args);
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
