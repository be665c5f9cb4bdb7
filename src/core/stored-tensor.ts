import type { AnyBuffer } from './array-types.js';
import { describe, kindError, shapeError } from './errors.js';
import { nameList } from './name-list.js';
import { noJson } from './prepared-class.js';

/**
 * The element kinds of stored tensors, named as in the safetensors format. The dtypes of the first line come in a typed array
 * of their kind: F64, F32, I64 and I32 in the one of that name, F16 and BF16 as their bits in a Uint16Array, U8 and BOOL in a
 * Uint8Array.
 *
 * The dtypes of the other two lines are kept but not interpreted: `data` is a Uint8Array of their bytes (little-endian,
 * elements of less than a byte packed), and conversions refuse them. `new Uint32Array(tensor.data.buffer)` reads a U32 tensor
 * that came from `readSafetensors`.
 */
export type StoredDtype =
  | ('F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'U8' | 'BOOL')
  | ('C64' | 'U64' | 'U32' | 'U16' | 'I16' | 'I8')
  | ('F8_E4M3' | 'F8_E5M2' | 'F8_E8M0' | 'F8_E4M3FNUZ' | 'F8_E5M2FNUZ' | 'F6_E2M3' | 'F6_E3M2' | 'F4');

/** A tensor as files store it: any number of dimensions, row-major. */
export interface StoredTensor {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly data: (Float32Array | Float64Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array) & AnyBuffer;
}

/** A Map of tensors that does not let JSON.stringify write '{}'. */
export function newState(entries: Iterable<readonly [string, StoredTensor]> = []): Map<string, StoredTensor> {
  const toJSON = () => {
    throw noJson('stateDict', 'writeSafetensors(state) keeps them; of a small matrix JSON.stringify(matrix) does');
  };
  return Object.defineProperty(new Map(entries), 'toJSON', { value: toJSON });
}

/** What a state dict must hold under a name. */
export interface StateEntry {
  readonly dtype: 'F32' | 'F64' | 'I32';
  readonly shape: readonly number[];
}

const ARRAYS = { F32: 'Float32Array', F64: 'Float64Array', I32: 'Int32Array' };

/**
 * The state must be a Map with exactly the names of `entries`, and under each a tensor of the entry's dtype and shape.
 *
 * @param source  the method that gives such a state, for the message
 */
export function requireState(
  where: string,
  state: unknown,
  entries: ReadonlyMap<string, StateEntry>,
  source = 'stateDict',
): asserts state is ReadonlyMap<string, StoredTensor> {
  if (Object.prototype.toString.call(state) !== '[object Map]') {
    throw kindError(where, 'the state must be a Map of tensors', `got ${describe(state)}`);
  }
  const tensors = state as ReadonlyMap<unknown, StoredTensor | undefined>;
  const missing = [...entries.keys()].filter((name) => !tensors.has(name));
  const unknown = [...tensors.keys()].filter((name) => !(entries as ReadonlyMap<unknown, StateEntry>).has(name));
  if (missing.length + unknown.length > 0) {
    const names = `missing ${nameList(missing)}; unknown ${nameList(unknown)}`;
    throw shapeError(where, `the state must have exactly the names of ${source}()`, names);
  }
  for (const [name, entry] of entries) requireTensor(where, name, tensors.get(name), entry);
}

/** Whether the value is an array of integers of at least 0, without holes. */
export function isShape(shape: unknown): shape is readonly number[] {
  if (!Array.isArray(shape)) return false;
  for (let axis = 0; axis < shape.length; axis++)
    if (!Number.isSafeInteger(shape[axis]) || shape[axis] < 0) return false;
  return true;
}

/** `shape` may have holes, which its own `every` would skip; `expected` has none. */
export function isSameShape(shape: readonly unknown[], expected: readonly unknown[]): boolean {
  return shape.length === expected.length && expected.every((extent, axis) => shape[axis] === extent);
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
