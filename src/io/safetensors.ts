// io: file formats, from bytes to named tensors and back. Knows no file system and no model.

import { requireArguments } from '../core/arguments.js';
import type { OwnBytes } from '../core/array-types.js';
import { describe, kindError, shapeError } from '../core/errors.js';
import { isShape, newState, type StoredDtype, type StoredTensor } from '../core/stored-tensor.js';
import { jsonKeys } from './json-keys.js';
import {
  checkName,
  checkText,
  DTYPES,
  isDtype,
  isObject,
  isSize,
  LARGEST_HEADER,
  LENGTH_BYTES,
  METADATA,
  tensorBits,
} from './safetensors-format.js';
import { decodeUtf8, encodeUtf8 } from './utf8.js';

// A file is not trusted: every size that it claims is checked before anything of that size is allocated.

/** Levels of objects and lists: the header, an entry, its shape. */
const MAX_DEPTH = 3;

/** The tensors of a file by name, in the order of its header. */
export interface Safetensors extends Map<string, StoredTensor> {
  /** The free texts of the file, from its `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A tensor as the header describes it. */
interface Entry {
  name: string;
  dtype: StoredDtype;
  shape: readonly number[];
  /** Its first byte, and the byte after its last, counted from the start of the data. */
  from: number;
  to: number;
}

/**
 * Copies the tensors out of a safetensors file, in the order of its header. F16 and BF16 come as their bits (a
 * Uint16Array), BOOL as bytes, as do the dtypes that the library does not compute with (F8, I8, U32, …): see
 * {@link StoredDtype}.
 *
 * @param bytes  the whole file
 * @throws ShapeError  if the file is damaged or hostile: a length beyond its end; offsets that overlap, leave gaps or do
 *   not fit shape and dtype; a header that is not JSON in UTF-8, has a key twice, or is longer than 16 MiB; TypeError
 *   if bytes is neither a Uint8Array nor an ArrayBuffer
 * @see https://huggingface.co/docs/safetensors
 * @example const tensors = readSafetensors(await readFile('model.safetensors')); tensors.get('wte.weight')?.shape;
 */
export function readSafetensors(bytes: Uint8Array | ArrayBuffer): Safetensors {
  const where = 'readSafetensors';
  requireArguments(where, arguments.length, 1);
  const file = bytesOf(where, bytes);
  const { header, names, dataStart } = readHeader(where, file);
  const metadata = checkMetadata(where, header[METADATA]);
  const entries = names.map((name) => checkEntry(where, name, header[name]));
  checkCoverage(where, entries, file.length - dataStart);
  const tensors = newState();
  for (const { name, dtype, shape, from, to } of entries) {
    // Copied, because offsets need not be aligned, and the file may lie in shared memory.
    const { buffer } = new Uint8Array(file.subarray(dataStart + from, dataStart + to));
    tensors.set(name, { dtype, shape, data: new DTYPES[dtype][1](buffer) });
  }
  return Object.assign(tensors, { metadata });
}

function bytesOf(where: string, bytes: unknown): Uint8Array {
  const kind = Object.prototype.toString.call(bytes);
  if (kind === '[object Uint8Array]') return bytes as Uint8Array;
  if (kind === '[object ArrayBuffer]') return new Uint8Array(bytes as ArrayBuffer);
  throw kindError(where, 'bytes must be a Uint8Array or an ArrayBuffer', `got ${describe(bytes)}`);
}

interface Header {
  readonly header: Readonly<Record<string, unknown>>;
  /** The names of the tensors, in the order of the text. */
  readonly names: readonly string[];
  /** The first byte of the data. */
  readonly dataStart: number;
}

function readHeader(where: string, file: Uint8Array): Header {
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
  return { ...parseHeader(where, file.subarray(LENGTH_BYTES, dataStart)), dataStart };
}

function parseHeader(where: string, bytes: Uint8Array): Omit<Header, 'dataStart'> {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw shapeError(where, 'the header must be UTF-8', 'it has bytes that are not');
  const { names, header } = parseJson(where, text);
  if (!isObject(header)) throw shapeError(where, 'the header must be a JSON object', `got ${describe(header)}`);
  if (text[0] !== '{') throw shapeError(where, 'the header must begin with {', `got ${describe(text[0])}`);
  return { header, names };
}

function parseJson(where: string, text: string): { names: readonly string[]; header: unknown } {
  try {
    const { keys, duplicate, isDeep } = jsonKeys(text, MAX_DEPTH);
    if (duplicate !== undefined)
      throw shapeError(where, 'the header must name a key once', `${describe(duplicate)} comes twice`);
    // Before JSON.parse, which takes seconds and gigabytes for a million nested lists.
    if (isDeep) throw shapeError(where, `the header must nest at most ${MAX_DEPTH} deep`, 'it goes deeper');
    return { names: keys.filter((name) => name !== METADATA), header: JSON.parse(text) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw shapeError(where, 'the header must be JSON', error.message);
  }
}

function checkMetadata(where: string, texts: unknown): Readonly<Record<string, string>> {
  if (texts === undefined) return {};
  if (!isObject(texts)) throw shapeError(where, `${METADATA} must be an object of strings`, `got ${describe(texts)}`);
  for (const [name, text] of Object.entries(texts)) {
    checkName(where, name);
    if (typeof text !== 'string') {
      throw shapeError(where, `${METADATA} must hold only strings`, `${describe(name)} is ${describe(text)}`);
    }
    checkText(where, METADATA, text);
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
    const known = Object.keys(DTYPES).join(', ');
    throw shapeError(where, `the dtype of ${what} must be one of ${known}`, `got ${describe(dtype)}`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw shapeError(where, `the shape of ${what} must be a list of integers of at least 0`, `got ${describe(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0] > offsets[1]) {
    throw shapeError(where, `the data_offsets of ${what} must be [from, to], from ≤ to`, `got ${describe(offsets)}`);
  }
  const [from, to] = offsets;
  const bits = tensorBits(dtype, shape);
  if (bits !== 8n * BigInt(to - from)) {
    const given = `${dtype} ${describe(shape)} takes ${bytesText(bits)}, data_offsets say ${to - from}`;
    throw shapeError(where, `${what} must take the bytes of its shape`, given);
  }
  return { name, dtype, shape, from, to };
}

/** A number of bytes for a message; of bits where they do not fill whole bytes. */
function bytesText(bits: bigint): string {
  return bits % 8n === 0n ? String(bits / 8n) : `${bits} bits`;
}

/** Every byte of the data must belong to exactly one tensor, as the format demands: nothing can hide in a file. */
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
 * A safetensors file of the tensors: the header in the order of the map, the data by element size, largest first, so that
 * every tensor is aligned.
 *
 * The same map always gives the same bytes. A file of the format's own writer, read by {@link readSafetensors} and written
 * again, keeps its bytes, unless it has an empty `__metadata__` or several texts named by integers (an object has those in
 * rising order).
 *
 * @param tensors  by name, as from stateDict() and readSafetensors
 * @param metadata  free texts to keep in the file; without any, it has no `__metadata__`
 * @throws ShapeError  if a name is reserved, data does not fit its shape, a name or text is not well-formed Unicode, or the
 *   header would be longer than 16 MiB; TypeError for wrong kinds, or data of a kind that is not that of its dtype
 * @example await writeFile('model.safetensors', writeSafetensors(model.stateDict(), { format: 'qkv' }));
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): OwnBytes {
  const where = 'writeSafetensors';
  requireArguments(where, arguments.length, 2);
  if (Object.prototype.toString.call(tensors) !== '[object Map]') {
    throw kindError(where, 'tensors must be a Map of tensors', `got ${describe(tensors)}`);
  }
  if (!isObject(metadata)) throw kindError(where, 'metadata must be an object of strings', `got ${describe(metadata)}`);
  const checked = Array.from(tensors, ([name, tensor]) => checkTensor(where, name, tensor));
  // Elements of a byte or less need no alignment. Sorting is stable: equal sizes stay in the order of the map.
  const sizeOf = ({ dtype }: StoredTensor) => Math.max(8, DTYPES[dtype][0]);
  const bySize = [...checked].sort((a, b) => sizeOf(b) - sizeOf(a));
  const offsets = new Map<string, readonly [from: number, to: number]>();
  let end = 0;
  for (const { name, data } of bySize) {
    offsets.set(name, [end, end + data.byteLength]);
    end += data.byteLength;
  }
  const json = encodeUtf8(headerText(where, checked, offsets, metadata));
  const padded = Math.ceil(json.length / LENGTH_BYTES) * LENGTH_BYTES; // so that the data is aligned
  if (padded > LARGEST_HEADER) {
    throw shapeError(where, `the header must be at most ${LARGEST_HEADER} bytes`, `it would be ${padded}`);
  }
  const dataStart = LENGTH_BYTES + padded;
  const file = new Uint8Array(dataStart + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.fill(0x20, LENGTH_BYTES, dataStart);
  file.set(json, LENGTH_BYTES);
  let offset = dataStart;
  for (const { data } of bySize) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return file;
}

function headerText(
  where: string,
  tensors: readonly NamedTensor[],
  offsets: ReadonlyMap<string, readonly number[]>,
  metadata: Record<string, unknown>,
): string {
  const fields: [string, unknown][] = tensors.map(({ name, dtype, shape }) => [
    name,
    { dtype, shape, data_offsets: offsets.get(name) },
  ]);
  if (Object.keys(metadata).length > 0) fields.unshift([METADATA, checkWrittenMetadata(where, metadata)]);
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${JSON.stringify(field)}`).join(',')}}`;
}

function checkWrittenMetadata(where: string, metadata: Record<string, unknown>): Record<string, unknown> {
  for (const [name, text] of Object.entries(metadata)) {
    checkName(where, name);
    if (typeof text !== 'string') throw kindError(where, `metadata.${name} must be a string`, `got ${describe(text)}`);
    checkText(where, `metadata.${name}`, text);
  }
  return metadata;
}

interface NamedTensor extends StoredTensor {
  readonly name: string;
}

function checkTensor(where: string, name: unknown, tensor: unknown): NamedTensor {
  if (typeof name !== 'string') throw kindError(where, 'a name must be a string', `got ${describe(name)}`);
  checkName(where, name);
  if (name === METADATA) {
    throw shapeError(where, `a tensor must not be called ${METADATA}`, 'got that name', 'texts go into metadata');
  }
  const what = describe(name);
  const { dtype, shape, data } = isObject(tensor) ? (tensor as Partial<StoredTensor>) : {};
  // By tag: a typed array of another realm counts too.
  const fits = isDtype(dtype) && Object.prototype.toString.call(data) === `[object ${DTYPES[dtype][1].name}]`;
  if (!fits || !Array.isArray(shape) || data === undefined) {
    const kind = isDtype(dtype) ? DTYPES[dtype][1].name : 'typed array';
    const rule = `${what} must be { dtype, shape, data: ${kind} }`;
    throw kindError(where, rule, `got dtype ${describe(dtype)}, shape ${describe(shape)}, data ${describe(data)}`);
  }
  const bits = isShape(shape) ? tensorBits(dtype, shape) : -1n;
  if (bits === 8n * BigInt(data.byteLength)) return { name, dtype, shape, data };
  if (DTYPES[dtype][0] === 8 * data.BYTES_PER_ELEMENT) {
    const rule = `the data of ${what} must have as many numbers as its shape`;
    throw shapeError(where, rule, `shape ${describe(shape)}, ${data.length} numbers`);
  }
  const rule = `the data of ${what} must have the bytes of its shape`;
  const takes = bits < 0n ? '' : ` takes ${bytesText(bits)}`;
  throw shapeError(where, rule, `${dtype} ${describe(shape)}${takes}, it has ${data.length}`);
}
