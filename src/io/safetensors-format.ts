import { describe, shapeError } from '../core/errors.js';
import type { StoredDtype, StoredTensor } from '../core/stored-tensor.js';

// What reading and writing share. https://huggingface.co/docs/safetensors: 8 bytes of header length, a JSON header, the
// tensors one after another, all little-endian.

export const LENGTH_BYTES = 8;
/** In bytes, enough for about 300 000 tensors. The format allows 100 MB: ten seconds to read, and gigabytes of objects. */
export const LARGEST_HEADER = 1 << 24;
/** The key of the header under which the free texts stand. */
export const METADATA = '__metadata__';
/** Keys that are special in JavaScript objects; no file needs them. */
const RESERVED_NAMES: readonly string[] = ['__proto__', 'constructor', 'prototype'];
/** Half of a surrogate pair: UTF-8 cannot hold it, and other readers refuse such a file. */
const LONE_SURROGATE = /[\ud800-\udfff]/u;
/** A product stops growing here: no file has this many bits, and a shape may have millions of sizes. */
const MAX_BITS = 1n << 128n;

type DataArray = (new (buffer: ArrayBuffer) => StoredTensor['data']) & { readonly BYTES_PER_ELEMENT: number };

/** The bits of an element and the array of the data; Uint8Array holds bytes, whatever the size of an element. */
export const DTYPES: Readonly<Record<StoredDtype, readonly [bits: number, array: DataArray]>> = {
  F64: [64, Float64Array],
  F32: [32, Float32Array],
  F16: [16, Uint16Array],
  BF16: [16, Uint16Array],
  I64: [64, BigInt64Array],
  I32: [32, Int32Array],
  U8: [8, Uint8Array],
  BOOL: [8, Uint8Array],
  C64: [64, Uint8Array],
  U64: [64, Uint8Array],
  U32: [32, Uint8Array],
  U16: [16, Uint8Array],
  I16: [16, Uint8Array],
  I8: [8, Uint8Array],
  F8_E4M3: [8, Uint8Array],
  F8_E5M2: [8, Uint8Array],
  F8_E8M0: [8, Uint8Array],
  F8_E4M3FNUZ: [8, Uint8Array],
  F8_E5M2FNUZ: [8, Uint8Array],
  F6_E2M3: [6, Uint8Array],
  F6_E3M2: [6, Uint8Array],
  F4: [4, Uint8Array],
};

export function isDtype(value: unknown): value is StoredDtype {
  return typeof value === 'string' && Object.hasOwn(DTYPES, value);
}

export function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/**
 * The bits of a tensor, exact up to 2^128. As numbers, sizes of a hostile file could multiply to more than 2^53 and round to
 * the length that the file claims.
 */
export function tensorBits(dtype: StoredDtype, shape: readonly number[]): bigint {
  if (shape.includes(0)) return 0n;
  let bits = BigInt(DTYPES[dtype][0]);
  for (const size of shape) if (bits < MAX_BITS) bits *= BigInt(size);
  return bits;
}

export function checkName(where: string, name: string): void {
  if (RESERVED_NAMES.includes(name)) {
    throw shapeError(where, `a name must be none of ${RESERVED_NAMES.join(', ')}`, `got ${describe(name)}`);
  }
  checkText(where, 'a name', name);
}

export function checkText(where: string, what: string, text: string): void {
  if (!LONE_SURROGATE.test(text)) return;
  throw shapeError(where, `${what} must be text that UTF-8 can hold`, `${describe(text)} has half of a surrogate pair`);
}
