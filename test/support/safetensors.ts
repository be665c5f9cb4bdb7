import { readFileSync } from 'node:fs';
import { readSafetensors, type StoredTensor } from 'qkv';
import type { Tensor, TensorData } from './tensor.js';

/** A safetensors file as tests need it: int64 as int32, flags as bytes. */
export interface TensorFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export function readTensorFile(path: string): TensorFile {
  const file = readSafetensors(readFileSync(path));
  const tensor = ({ dtype, shape, data }: StoredTensor): Tensor => ({
    shape,
    data: decode(dtype, data.buffer as ArrayBuffer),
  });
  return { metadata: file.metadata, tensors: new Map(Array.from(file, ([name, stored]) => [name, tensor(stored)])) };
}

/** The numbers of one element kind, under the names of safetensors or of ONNX. */
export function decode(dtype: string, bytes: ArrayBuffer): TensorData {
  switch (dtype) {
    case 'F32':
    case 'float32':
      return new Float32Array(bytes);
    case 'F64':
    case 'float64':
      return new Float64Array(bytes);
    case 'I64':
    case 'int64':
      return Int32Array.from(new BigInt64Array(bytes), Number);
    case 'BOOL':
    case 'bool':
      return new Uint8Array(bytes);
    case 'F16':
    case 'float16':
      return Float32Array.from(new Uint16Array(bytes), halfToFloat);
    default:
      throw new Error(`no reader for tensors of dtype ${dtype}`);
  }
}

/** IEEE 754 binary16: sign, 5 bits of exponent with bias 15, 10 of fraction. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}
