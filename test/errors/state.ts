import { capabilities, Linear, setSeed } from '../../src/index.js';

/** Every number, word and flag that can be reached from a value, to the bit: what a refused call must leave alone. */
export function picture(value: unknown): string {
  if (Object.is(value, -0)) return '-0';
  if (typeof value !== 'object' || value === null) return typeof value === 'symbol' ? 'symbol' : String(value);
  if (ArrayBuffer.isView(value)) {
    return `${value.constructor.name}[${Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))}]`;
  }
  if (value instanceof Map) return `Map(${[...value].map(([key, inner]) => `${picture(key)}: ${picture(inner)}`)})`;
  const entries = Object.entries(value).map(([key, inner]) => `${key}: ${picture(inner)}`);
  return `${value.constructor?.name}{${entries.join(', ')}}`;
}

/** Where the library's own state stands: the kernels, and the next seed of the stream, which this draws. */
export function libraryState(): string {
  return `${capabilities().kernels} ${picture(new Linear(2, 2).W.data)}`;
}

/** What libraryState gives where nothing was drawn since setSeed(seed). */
export function stateAfter(seed: number): string {
  setSeed(seed);
  const state = libraryState();
  setSeed(seed);
  return state;
}
