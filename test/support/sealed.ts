import type { Module } from 'qkv';
import type { Floats } from '../../src/kernels/contract.js';
import type { FamilySource } from '../../src/kernels/state.js';

// Arrays whose numbers only kernels reach, as those on another device: whoever else reads or writes one is noted. A test
// takes families over such arrays in place of the chosen kernels:
//
//   vi.mock('../../src/kernels/state.js', async (original) => (await import('../support/sealed.js')).sealing(original));
//
// So nothing here may import what imports that.

type MakeFamily = <K extends object>(source: FamilySource<K>) => () => K;
type State = {
  family: MakeFamily;
  parameterArray: (...args: never[]) => Floats;
  table: (length: number) => Floats;
};

/** What reads and writes of numbers are noted in while `readersOf` runs. */
let readers: string[] | undefined;

const targets = new WeakMap<object, Floats>();
const seals = new WeakMap<object, Floats>();

/** Buffers of tables that the host may still fill: until a kernel gets them. It never reads one. */
const fillable = new WeakSet<ArrayBufferLike>();

/** What a host may ask of an array on a device. */
const ABOUT = ['length', 'byteLength', 'byteOffset', 'buffer', 'BYTES_PER_ELEMENT', 'constructor'];

/** The module that chooses the kernels; while `readersOf` runs, what they give, the arrays of caches and host tables are sealed. */
export async function sealing<S extends State>(original: () => Promise<S>): Promise<S> {
  const state = await original();
  const family: MakeFamily = (source) => {
    const chosen = state.family(source);
    return () => new Proxy(chosen(), { get: (kernels, name) => sealedKernel(kernels, name) });
  };
  const parameterArray = (...args: never[]) => {
    const array = state.parameterArray(...args);
    return readers === undefined ? array : sealed(array);
  };
  const table = (length: number) => {
    const array = state.table(length);
    if (readers === undefined) return array;
    fillable.add(array.buffer);
    return sealed(array);
  };
  return { ...state, family, parameterArray, table };
}

function sealedKernel<K extends object>(kernels: K, name: string | symbol): unknown {
  const kernel: unknown = kernels[name as keyof K];
  if (typeof kernel !== 'function') return kernel;
  return (...args: unknown[]) => {
    const given = Reflect.apply(
      kernel,
      kernels,
      args.map((value) => mapped(value, handedOver)),
    );
    return readers === undefined ? given : mapped(given, sealed);
  };
}

/** The value with `change` done to every array of floats in it. */
function mapped(value: unknown, change: (array: Floats) => Floats): unknown {
  if (value instanceof Float32Array || value instanceof Float64Array) return change(value);
  if (Array.isArray(value)) return value.map((part) => mapped(part, change));
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, mapped(part, change)]));
}

export function unsealed<Array extends Floats>(array: Array): Array {
  return (targets.get(array) as Array | undefined) ?? array;
}

/** The array for a kernel. */
function handedOver(array: Floats): Floats {
  fillable.delete(array.buffer);
  return unsealed(array);
}

/** The array as kernels give it. */
export function sealed<Array extends Floats>(array: Array): Array {
  const made = targets.has(array) ? array : seals.get(array);
  if (made !== undefined) return made as Array;
  const seal = new Proxy(array, {
    get(target, key) {
      if (key === 'subarray') return (start?: number, end?: number) => sealed(target.subarray(start, end));
      const value: unknown = Reflect.get(target, key, target);
      if (key === Symbol.toStringTag || ABOUT.includes(String(key))) return value;
      if (key === 'fill' && fillable.has(target.buffer)) {
        return (x: number, start?: number, end?: number) => sealed(target.fill(x, start, end));
      }
      note();
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set(target, key, value) {
      if (!fillable.has(target.buffer)) note();
      return Reflect.set(target, key, value, target);
    },
  });
  targets.set(seal, array);
  seals.set(array, seal);
  return seal;
}

/** The file that asks now, of src. */
function note(): void {
  const [, ...lines] = (new Error().stack ?? '').split('\n');
  const asking = lines.find((line) => !line.includes('support/sealed')) ?? '';
  readers?.push(/\/src\/([\w/-]+\.ts)/.exec(asking)?.[1] ?? 'a test');
}

/** Runs f with the parameters of the modules sealed; gives the files that read or wrote numbers outside kernels. */
export function readersOf(modules: readonly Module[], f: () => unknown): string[] {
  const parameters = modules.flatMap((module) => [...module.parameters()]);
  const exchange = (change: (array: Float32Array) => Float32Array) => {
    for (const parameter of parameters) Object.defineProperty(parameter, 'data', { value: change(parameter.data) });
  };
  exchange(sealed);
  readers = [];
  try {
    f();
    return readers;
  } finally {
    readers = undefined;
    exchange(unsealed);
  }
}
