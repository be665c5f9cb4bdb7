import { describe, kindError, shapeError } from './errors.js';
import type { StoredTensor } from './stored-tensor.js';

/** Of the element kinds that hold fractions: the array they come in, and their numbers as float32. */
const READERS: Record<string, [array: string, read: (data: StoredTensor['data']) => Float32Array]> = {
  F32: ['Float32Array', (data) => data as Float32Array],
  F64: ['Float64Array', (data) => Float32Array.from(data as Float64Array)],
  F16: ['Uint16Array', (data) => Float32Array.from(data as Uint16Array, halfToFloat)],
  BF16: ['Uint16Array', (data) => new Float32Array(Uint32Array.from(data as Uint16Array, (bits) => bits << 16).buffer)],
};

/**
 * The numbers of a stored tensor as float32: F32 as they lie (not a copy), F16 and BF16 exactly, F64 rounded.
 *
 * @throws TypeError  if it is none, or of integers; ShapeError  if data and shape differ in length
 */
export function storedFloats(where: string, name: string, tensor: unknown): Float32Array {
  const { dtype, shape, data } = (tensor ?? {}) as Partial<StoredTensor>;
  const [array, read] = (typeof dtype === 'string' && Object.hasOwn(READERS, dtype) && READERS[dtype]) || [];
  if (read === undefined || !Array.isArray(shape) || Object.prototype.toString.call(data) !== `[object ${array}]`) {
    const rule = `${name} must be { dtype, shape, data } of F32, F16, BF16 or F64`;
    throw kindError(where, rule, `got dtype ${describe(dtype)}, shape ${describe(shape)}, data ${describe(data)}`);
  }
  const length = shape.reduce((product: number, extent) => product * extent, 1);
  if (data?.length === length) return read(data);
  throw shapeError(where, `${name} must hold ${length} number${length === 1 ? '' : 's'}`, `got ${data?.length}`);
}

/** IEEE 754 binary16: sign, 5 bits of exponent with bias 15, 10 of fraction. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}
