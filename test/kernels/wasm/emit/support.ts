import { createHash } from 'node:crypto';
import binaryen from 'binaryen';
import { expect } from 'vitest';
import { definedIn } from '../../../../src/kernels/wasm/emit/language/builder.js';
import { buildFamilies } from '../../../../src/kernels/wasm/emit/module.js';

type Entry = (...values: number[]) => void;

/** A NaN that arithmetic does not make. */
const POISON = 0x7fc0dead;
const PAGES = 16;

const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65536, shared: true });
const words = new Uint32Array(memory.buffer);
const floats = new Float32Array(memory.buffer);

function instantiate(bytes: Uint8Array, needs: readonly Record<string, Entry>[] = []): Record<string, Entry> {
  // TypeScript 6 tells buffers that may be shared apart; these bytes are not.
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), {
    ...Object.fromEntries(needs.entries()),
    env: { memory },
  });
  return instance.exports as Record<string, Entry>;
}

/** The entries of all families, on the memory that Arena lays out. */
export const entries: Record<string, Entry> = {};
const instances = new Map<string, Record<string, Entry>>();
for (const { name, needs, exports, bytes } of buildFamilies()) {
  const own = instantiate(
    bytes,
    needs.map((other) => instances.get(other) as Record<string, Entry>),
  );
  instances.set(name, own);
  for (const [entry, exported] of Object.entries(exports)) entries[entry] = own[exported];
}

/** A module of its own for helpers that are not entries. */
export function entriesOf(emit: (m: binaryen.Module) => void): Record<string, Entry> {
  const m = new binaryen.Module();
  m.setFeatures(binaryen.Features.MVP | binaryen.Features.SIMD128 | binaryen.Features.Atomics);
  m.setMemory(1, 65536, null, [], true, false, 'memory');
  m.addMemoryImport('memory', 'env', 'memory', true);
  emit(m);
  for (const name of definedIn(m).keys()) m.addFunctionExport(name, name);
  expect(m.validate()).toBe(1);
  const bytes = m.emitBinary();
  m.dispose();
  return instantiate(bytes);
}

/**
 * Lays arrays out from the very end of memory downwards, so that reading past the first traps; between them and before
 * the last is NaN. After a call no word outside the outputs may have changed.
 */
export class Arena {
  #next = words.length;
  readonly #outputs: { address: number; length: number }[] = [];
  readonly #scratches: { address: number; length: number }[] = [];

  constructor() {
    words.fill(POISON);
  }

  #take(length: number): number {
    this.#next -= length;
    const start = this.#next;
    this.#next -= 5; // not a multiple of 4: no array is aligned to 16 for long
    if (this.#next < 0) throw new Error(`the test memory is too small for ${length} more floats`);
    return start * 4;
  }
  input(values: ArrayLike<number>): number {
    const address = this.#take(values.length);
    floats.set(values, address / 4);
    return address;
  }
  inputInts(values: ArrayLike<number>): number {
    const address = this.#take(values.length);
    words.set(Uint32Array.from(values), address / 4);
    return address;
  }
  output(length: number): number {
    const address = this.#take(length);
    this.#outputs.push({ address, length });
    return address;
  }
  /** What a call changes in place: an output that holds these at first. */
  inPlace(values: ArrayLike<number>): number {
    const address = this.output(values.length);
    floats.set(values, address / 4);
    return address;
  }
  /** Room in which a call may leave anything. */
  scratch(length: number): number {
    const address = this.#take(length);
    this.#scratches.push({ address, length });
    return address;
  }
  read(address: number): Float32Array {
    const length = this.#outputs.find((output) => output.address === address)?.length ?? 0;
    return floats.slice(address / 4, address / 4 + length);
  }
  #poisonOutputs(): void {
    for (const { address, length } of this.#outputs) words.fill(POISON, address / 4, address / 4 + length);
  }
  hash(): string {
    const hash = createHash('sha256');
    for (const { address, length } of this.#outputs) hash.update(words.slice(address / 4, address / 4 + length));
    return hash.digest('hex');
  }

  /** Whether the outputs of units [from, to) of `units` are still poison. Every output has as many words a unit. */
  #untouched(from: number, to: number, units: number): boolean {
    return this.#outputs.every(({ address, length }) => {
      const perUnit = length / Math.max(units, 1);
      return words.subarray(address / 4 + from * perUnit, address / 4 + to * perUnit).every((word) => word === POISON);
    });
  }

  /** Runs units [0, units) by `call`, at once and cut in two: the same bits, and nothing but its own units was written. */
  run(units: number, cut: number, call: (from: number, to: number) => void): void {
    this.#poisonOutputs();
    const before = words.slice(this.#next);
    call(cut, units);
    expect(this.#untouched(0, cut, units), `units before ${cut} are as before`).toBe(true);
    this.#poisonOutputs();
    call(0, cut);
    expect(this.#untouched(cut, units, units), `units from ${cut} on are as before`).toBe(true);
    call(cut, units);
    const parts = this.hash();
    this.#poisonOutputs();
    call(0, units);
    expect(this.hash(), 'in two parts').toBe(parts);
    this.#expectOutside(before);
  }

  /** Runs `call`: nothing outside the outputs is written. */
  guard(call: () => void): void {
    const before = words.slice(this.#next);
    call();
    this.#expectOutside(before);
  }

  #expectOutside(before: Uint32Array): void {
    const after = words.slice(this.#next);
    for (const { address, length } of [...this.#outputs, ...this.#scratches]) {
      const start = address / 4 - this.#next;
      after.set(before.subarray(start, start + length), start);
    }
    expect(
      after.every((word, i) => word === before[i]),
      'words outside the outputs are as before',
    ).toBe(true);
  }
}

/** 100 runs give one hash. */
export function expectOneHash(arena: Arena, call: () => void): void {
  const hashes = new Set<string>();
  for (let i = 0; i < 100; i++) {
    call();
    hashes.add(arena.hash());
  }
  expect(hashes.size).toBe(1);
}

/** |got − exact| in units of the last place of a float32 of the size of exact. */
export function ulps(got: number, exact: number): number {
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(exact))));
  return Math.abs(got - exact) / 2 ** (exponent - 23);
}

/** `count` floats spread evenly over [low, high]. */
export function grid(low: number, high: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
}

/** entry(x, out, from, to) over all of x. */
export function mapped(entry: Entry, x: ArrayLike<number>): Float32Array {
  const arena = new Arena();
  const [from, to] = [arena.input(x), arena.output(x.length)];
  entry(from, to, 0, x.length);
  return arena.read(to);
}

/** Every pair within the bound that `law` gives for it; a NaN error fails. */
export function expectWithin(
  x: ArrayLike<number>,
  got: ArrayLike<number>,
  exact: (x: number) => number,
  error: (got: number, exact: number) => number,
  bound: (x: number, exact: number) => number,
): void {
  const wrong: string[] = [];
  for (let i = 0; i < x.length; i++) {
    const value = exact(x[i]);
    const off = error(got[i], value);
    if (!(off <= bound(x[i], value))) wrong.push(`f(${x[i]}) = ${got[i]}, exactly ${value}: ${off}`);
  }
  expect(wrong.slice(0, 3)).toEqual([]);
}

/** Every |got − exact| ≤ bound(i); NaN where NaN is due, and what float32 cannot hold infinite. */
export function expectBound(
  got: ArrayLike<number>,
  exact: ArrayLike<number>,
  bound: (i: number) => number,
  label: string,
): void {
  expect(got.length).toBe(exact.length);
  for (let i = 0; i < got.length; i++) {
    const rounded = Math.fround(exact[i]);
    if (!Number.isFinite(rounded)) expect(got[i], `${label} ${i}`).toBe(rounded);
    else expect(Math.abs(got[i] - exact[i]) <= bound(i), `${label} ${i}: ${got[i]}, exactly ${exact[i]}`).toBe(true);
  }
}

export const float64 = (length: number): Float64Array => new Float64Array(length);
