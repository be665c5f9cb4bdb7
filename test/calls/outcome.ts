import { setSeed } from '../../src/index.js';

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
