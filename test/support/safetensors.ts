import { readFileSync } from 'node:fs';
import type { Tensor, TensorData } from './tensor.js';

/** A safetensors file as tests need it: int64 as int32, flags as bytes. */
export interface TensorFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

interface HeaderEntry {
  dtype: string;
  shape: number[];
  data_offsets: [from: number, to: number];
}

/** Eight bytes of header length, a JSON header, raw little-endian data whose offsets are not aligned. */
export function readTensorFile(path: string): TensorFile {
  const file = readFileSync(path);
  const headerEnd = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(file.toString('utf8', 8, headerEnd)) as {
    __metadata__?: Record<string, string>;
  } & Record<string, HeaderEntry>;
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(entries as Record<string, HeaderEntry>)) {
    const [from, to] = data_offsets;
    const bytes = Uint8Array.from(file.subarray(headerEnd + from, headerEnd + to)); // a copy, so aligned
    const data = decode(dtype, bytes.buffer);
    if (data.length !== shape.reduce((product, extent) => product * extent, 1)) {
      throw new Error(`${path}: ${name} has shape [${shape}] and ${data.length} numbers`);
    }
    tensors.set(name, { shape, data });
  }
  return { metadata, tensors };
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
