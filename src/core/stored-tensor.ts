import type { AnyBuffer } from './array-types.js';
import { describe, kindError, shapeError } from './errors.js';
import { nameList } from './name-list.js';

/**
 * The element kinds of files; the names are those of the safetensors format. `data` holds the numbers in the array that
 * bears the name, F16 and BF16 as their bits in a Uint16Array, U8 and BOOL in a Uint8Array.
 *
 * Those of the last two lines are kept, not understood: `data` is a Uint8Array of their bytes (little-endian, a part of a
 * byte filled up by its neighbors), and conversions refuse them. `new Uint32Array(tensor.data.buffer)` reads a U32 out
 * of `readSafetensors`.
 */
export type StoredDtype =
  | ('F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'U8' | 'BOOL')
  | ('C64' | 'U64' | 'U32' | 'U16' | 'I16' | 'I8')
  | ('F8_E4M3' | 'F8_E5M2' | 'F8_E8M0' | 'F8_E4M3FNUZ' | 'F8_E5M2FNUZ' | 'F6_E2M3' | 'F6_E3M2' | 'F4');

/** A tensor as it is stored outside the library: any number of dimensions, row-major. */
export interface StoredTensor {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly data: (Float32Array | Float64Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array) & AnyBuffer;
}

/** What a state dict must hold under a name. */
export interface StateEntry {
  readonly dtype: 'F32' | 'F64' | 'I32';
  readonly shape: readonly number[];
}

const ARRAYS = { F32: 'Float32Array', F64: 'Float64Array', I32: 'Int32Array' };

/** A Map with exactly the names of `entries`, which `source`() gives, and under each a tensor of that kind and shape. */
export function requireState(
  where: string,
  state: unknown,
  entries: ReadonlyMap<string, StateEntry>,
  source = 'stateDict',
): asserts state is ReadonlyMap<string, StoredTensor> {
  if (Object.prototype.toString.call(state) !== '[object Map]') {
    throw kindError(where, 'the state must be a Map of tensors', `got ${describe(state)}`);
  }
  const given = state as ReadonlyMap<unknown, StoredTensor | undefined>;
  const missing = [...entries.keys()].filter((name) => !given.has(name));
  const unknown = [...given.keys()].filter((name) => !(entries as ReadonlyMap<unknown, StateEntry>).has(name));
  if (missing.length + unknown.length > 0) {
    const names = `missing ${nameList(missing)}; unknown ${nameList(unknown)}`;
    throw shapeError(where, `the state must have exactly the names of ${source}()`, names);
  }
  for (const [name, entry] of entries) requireTensor(where, name, given.get(name), entry);
}

/** Integers of at least 0, none of them a hole. */
export function isShape(shape: unknown): shape is readonly number[] {
  if (!Array.isArray(shape)) return false;
  for (let axis = 0; axis < shape.length; axis++)
    if (!Number.isSafeInteger(shape[axis]) || shape[axis] < 0) return false;
  return true;
}

/** Not by the given one's own methods: they pass over holes. */
export function isSameShape(given: readonly unknown[], wanted: readonly unknown[]): boolean {
  return given.length === wanted.length && wanted.every((extent, axis) => given[axis] === extent);
}

function requireTensor(where: string, name: string, tensor: StoredTensor | undefined, entry: StateEntry): void {
  const { dtype, shape, data } = tensor ?? {};
  const array = ARRAYS[entry.dtype];
  if (!Array.isArray(shape) || Object.prototype.toString.call(data) !== `[object ${array}]` || dtype !== entry.dtype) {
    const rule = `${name} must be { dtype: '${entry.dtype}', shape, data: ${array} }`;
    throw kindError(where, rule, `got dtype ${describe(dtype)}, shape ${describe(shape)}, data ${describe(data)}`);
  }
  if (!isSameShape(shape, entry.shape)) {
    throw shapeError(where, `${name} must have shape [${entry.shape.join(', ')}]`, `got ${describe(shape)}`);
  }
  const length = entry.shape.reduce((product, extent) => product * extent, 1);
  if (data?.length === length) return;
  throw shapeError(where, `${name} must hold ${length} number${length === 1 ? '' : 's'}`, `got ${data?.length}`);
}
