import { describe, kindError, shapeError } from '../core/errors.js';
import type { StoredDtype, StoredTensor } from '../core/stored-tensor.js';
import { duplicateKey } from './json-keys.js';

// https://huggingface.co/docs/safetensors: 8 bytes of header length, a JSON header, the tensors one after another, all
// little-endian. A file is not trusted: everything is checked before anything of its size is allocated.

/** About 100 000 tensors; the format allows 100 MB, which would take seconds to read and gigabytes as objects. */
const LARGEST_HEADER = 1 << 24;
const LENGTH_BYTES = 8;
const METADATA = '__metadata__';
/** Names that mean something to objects; no file needs them. */
const RESERVED_NAMES: readonly string[] = ['__proto__', 'constructor', 'prototype'];

const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const satisfies Record<StoredDtype, new (buffer: ArrayBuffer) => StoredTensor['data']>;

/** The tensors of a file by name, in the order of its header, and its free texts. */
export interface Safetensors extends Map<string, StoredTensor> {
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  name: string;
  dtype: StoredDtype;
  shape: readonly number[];
  from: number;
  to: number;
}

/**
 * The tensors of a safetensors file, copied out. F16 and BF16 come as their bits (a Uint16Array), BOOL as bytes.
 *
 * @throws ShapeError  if the file is damaged or hostile: a length beyond its end, offsets that overlap, leave gaps or do
 *   not fit shape and dtype, a header that is no JSON in UTF-8, names a key twice, or is longer than 16 MiB; TypeError
 *   if bytes is neither a Uint8Array nor an ArrayBuffer
 * @see https://huggingface.co/docs/safetensors
 * @example const tensors = readSafetensors(await readFile('model.safetensors')); tensors.get('wte.weight')?.shape;
 */
export function readSafetensors(bytes: Uint8Array | ArrayBuffer): Safetensors {
  const where = 'readSafetensors';
  const file = bytesOf(where, bytes);
  const { header, dataStart } = readHeader(where, file);
  const { [METADATA]: texts, ...rest } = header;
  const metadata = checkMetadata(where, texts);
  const entries = Object.entries(rest).map(([name, entry]) => checkEntry(where, name, entry));
  checkCoverage(where, entries, file.length - dataStart);
  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, from, to } of entries) {
    // slice: offsets are not aligned.
    const { buffer } = Uint8Array.from(file.subarray(dataStart + from, dataStart + to));
    tensors.set(name, { dtype, shape, data: new ARRAYS[dtype](buffer) });
  }
  return Object.assign(tensors, { metadata });
}

function bytesOf(where: string, bytes: unknown): Uint8Array {
  const kind = Object.prototype.toString.call(bytes);
  if (kind === '[object Uint8Array]') return bytes as Uint8Array;
  if (kind === '[object ArrayBuffer]') return new Uint8Array(bytes as ArrayBuffer);
  throw kindError(where, 'bytes must be a Uint8Array or an ArrayBuffer', `got ${describe(bytes)}`);
}

function readHeader(where: string, file: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (file.length < LENGTH_BYTES) {
    throw shapeError(where, 'the file must hold the 8 bytes of its header length', `it has ${file.length} bytes`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(file.length - LENGTH_BYTES)) {
    const given = `the header is ${length} bytes, the file ${file.length}`;
    throw shapeError(where, 'the header must lie within the file', given, 'is it a safetensors file, and whole?');
  }
  if (length > BigInt(LARGEST_HEADER)) {
    throw shapeError(where, `the header must be at most ${LARGEST_HEADER} bytes`, `it is ${length}`);
  }
  const dataStart = LENGTH_BYTES + Number(length);
  return { header: parseHeader(where, file.subarray(LENGTH_BYTES, dataStart)), dataStart };
}

function parseHeader(where: string, bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw shapeError(where, 'the header must be UTF-8', 'it has bytes that are none');
  }
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw shapeError(where, 'the header must be JSON', error instanceof Error ? error.message : String(error));
  }
  if (!isObject(header)) throw shapeError(where, 'the header must be a JSON object', `got ${describe(header)}`);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw shapeError(where, 'the header must name a key once', `${describe(twice)} comes twice`);
  return header;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]';
}

function checkName(where: string, name: string): void {
  if (!RESERVED_NAMES.includes(name)) return;
  throw shapeError(where, `a name must be none of ${RESERVED_NAMES.join(', ')}`, `got ${describe(name)}`);
}

function checkMetadata(where: string, texts: unknown): Readonly<Record<string, string>> {
  if (texts === undefined) return {};
  if (!isObject(texts)) throw shapeError(where, `${METADATA} must be an object of strings`, `got ${describe(texts)}`);
  for (const [name, text] of Object.entries(texts)) {
    checkName(where, name);
    if (typeof text === 'string') continue;
    throw shapeError(where, `${METADATA} must hold only strings`, `${describe(name)} is ${describe(text)}`);
  }
  return texts as Record<string, string>;
}

function checkEntry(where: string, name: string, entry: unknown): Entry {
  checkName(where, name);
  const what = describe(name);
  if (!isObject(entry)) throw shapeError(where, `${what} must be an object`, `got ${describe(entry)}`);
  const { dtype, shape, data_offsets: offsets, ...unknown } = entry;
  if (Object.keys(unknown).length > 0) {
    const rule = `${what} must have dtype, shape and data_offsets only`;
    throw shapeError(where, rule, `got ${describe(Object.keys(unknown)[0])} too`);
  }
  if (!isDtype(dtype)) {
    throw shapeError(
      where,
      `the dtype of ${what} must be one of ${Object.keys(ARRAYS).join(', ')}`,
      `got ${describe(dtype)}`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw shapeError(where, `the shape of ${what} must be a list of integers of at least 0`, `got ${describe(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0] > offsets[1]) {
    throw shapeError(where, `the data_offsets of ${what} must be [from, to], from ≤ to`, `got ${describe(offsets)}`);
  }
  const [from, to] = offsets;
  // BigInt: a product of sizes may pass 2^53 and wrap to what the offsets say.
  const bytes = shape.reduce((product, size) => product * BigInt(size), BigInt(ARRAYS[dtype].BYTES_PER_ELEMENT));
  if (bytes !== BigInt(to - from)) {
    const given = `${dtype} [${shape.join(', ')}] takes ${bytes}, data_offsets say ${to - from}`;
    throw shapeError(where, `${what} must take the bytes of its shape`, given);
  }
  return { name, dtype, shape, from, to };
}

function isDtype(value: unknown): value is StoredDtype {
  return typeof value === 'string' && Object.hasOwn(ARRAYS, value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The tensors must fill the data, each byte belonging to one: as the format demands, so nothing hides in a file. */
function checkCoverage(where: string, entries: readonly Entry[], dataBytes: number): void {
  let end = 0;
  for (const { name, from, to } of [...entries].sort((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== end) {
      const given = `${describe(name)} begins at ${from}, those before it end at ${end}`;
      throw shapeError(where, 'tensors must follow one another, without overlap or gap', given);
    }
    end = to;
  }
  if (end === dataBytes) return;
  throw shapeError(where, 'the tensors must fill the file', `they take ${end} bytes, the data has ${dataBytes}`);
}

/**
 * A safetensors file of the tensors, in the order of the map. The same map gives the same bytes.
 *
 * @param tensors  by name, as stateDict() and readSafetensors give them
 * @param metadata  free texts to keep with them
 * @throws ShapeError  if a name is reserved or data does not fit its shape; TypeError for wrong kinds, or data of another kind than dtype
 * @example await writeFile('model.safetensors', writeSafetensors(model.stateDict(), { format: 'qkv' }));
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const where = 'writeSafetensors';
  if (Object.prototype.toString.call(tensors) !== '[object Map]') {
    throw kindError(where, 'tensors must be a Map of tensors', `got ${describe(tensors)}`);
  }
  if (!isObject(metadata)) throw kindError(where, 'metadata must be an object of strings', `got ${describe(metadata)}`);
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push([METADATA, checkWrittenMetadata(where, metadata)]);
  let end = 0;
  for (const [name, tensor] of tensors) {
    const { dtype, shape, data } = checkTensor(where, name, tensor);
    header.push([name, { dtype, shape, data_offsets: [end, end + data.byteLength] }]);
    end += data.byteLength;
  }
  const text = `{${header.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`;
  const json = new TextEncoder().encode(text);
  const padded = Math.ceil(json.length / LENGTH_BYTES) * LENGTH_BYTES; // so that the data is aligned
  const file = new Uint8Array(LENGTH_BYTES + padded + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + padded);
  file.set(json, LENGTH_BYTES);
  let at = LENGTH_BYTES + padded;
  for (const { data } of tensors.values()) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

function checkWrittenMetadata(where: string, metadata: Record<string, unknown>): Record<string, unknown> {
  for (const [name, text] of Object.entries(metadata)) {
    checkName(where, name);
    if (typeof text !== 'string') throw kindError(where, `metadata.${name} must be a string`, `got ${describe(text)}`);
  }
  return metadata;
}

function checkTensor(where: string, name: unknown, tensor: unknown): StoredTensor {
  if (typeof name !== 'string') throw kindError(where, 'a name must be a string', `got ${describe(name)}`);
  checkName(where, name);
  if (name === METADATA) {
    throw shapeError(where, `a tensor must not be called ${METADATA}`, 'got that name', 'texts go into metadata');
  }
  const what = describe(name);
  const { dtype, shape, data } = isObject(tensor) ? (tensor as Partial<StoredTensor>) : {};
  // By tag: an array of another realm is one too.
  const fits = isDtype(dtype) && Object.prototype.toString.call(data) === `[object ${ARRAYS[dtype].name}]`;
  if (!fits || !Array.isArray(shape)) {
    const kind = isDtype(dtype) ? ARRAYS[dtype].name : 'typed array';
    const rule = `${what} must be { dtype, shape, data: ${kind} }`;
    throw kindError(where, rule, `got dtype ${describe(dtype)}, shape ${describe(shape)}, data ${describe(data)}`);
  }
  if (!shape.every(isSize) || shape.reduce((product, size) => product * size, 1) !== data?.length) {
    const rule = `the data of ${what} must have as many numbers as its shape`;
    throw shapeError(where, rule, `shape ${describe(shape)}, ${data?.length} numbers`);
  }
  return tensor as StoredTensor;
}
