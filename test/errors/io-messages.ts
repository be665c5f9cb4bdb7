import { readSafetensors, ShapeError, writeSafetensors } from '../../src/index.js';
import { anything, type BadCall } from './bad-call.js';

/** A file with this header and no data. */
function fileOf(header: string): Uint8Array {
  return Uint8Array.of(header.length, 0, 0, 0, 0, 0, 0, 0, ...Array.from(header, (letter) => letter.charCodeAt(0)));
}

// All damaged and hostile files are in test/io/safetensors.test.ts.
export const ioMessages: readonly BadCall[] = [
  [
    'readSafetensors',
    () => readSafetensors(new Uint8Array(3)),
    ShapeError,
    'readSafetensors: the file must hold the 8 bytes of its header length: it has 3 bytes',
  ],
  [
    'readSafetensors',
    () => readSafetensors(fileOf('{"a":1,"a":2}')),
    ShapeError,
    'readSafetensors: the header must name a key once: "a" comes twice',
  ],
  [
    'readSafetensors',
    () => readSafetensors(fileOf('{"a":{"b":[[]]}}')),
    ShapeError,
    'readSafetensors: the header must nest at most 3 deep: it goes deeper',
  ],
  [
    'readSafetensors',
    () => readSafetensors(fileOf('\t{}')),
    ShapeError,
    'readSafetensors: the header must begin with {: got "\\t"',
  ],
  [
    'readSafetensors',
    () => readSafetensors(anything('model.safetensors')),
    TypeError,
    'readSafetensors: bytes must be a Uint8Array or an ArrayBuffer: got "model.safetensors"',
  ],
  [
    'writeSafetensors',
    () => writeSafetensors(new Map([['a', { dtype: 'F32', shape: [3], data: new Float32Array(2) }]])),
    ShapeError,
    'writeSafetensors: the data of "a" must have as many numbers as its shape: shape [3], 2 numbers',
  ],
  [
    'writeSafetensors',
    () => writeSafetensors(new Map([['a', { dtype: 'F6_E2M3', shape: [3, 3], data: new Uint8Array(7) }]])),
    ShapeError,
    'writeSafetensors: the data of "a" must have the bytes of its shape: F6_E2M3 [3, 3] takes 54 bits, it has 7',
  ],
  [
    'writeSafetensors',
    () => writeSafetensors(new Map([['\ud83d', { dtype: 'U8', shape: [1], data: new Uint8Array(1) }]])),
    ShapeError,
    'writeSafetensors: a name must be text that UTF-8 can hold: "\\ud83d" has half of a surrogate pair',
  ],
  [
    'writeSafetensors',
    () => writeSafetensors(new Map(), { text: 'x'.repeat(2 ** 24) }),
    ShapeError,
    'writeSafetensors: the header must be at most 16777216 bytes: it would be 16777248',
  ],
  [
    'writeSafetensors',
    () => writeSafetensors(anything([])),
    TypeError,
    'writeSafetensors: tensors must be a Map of tensors: got []',
  ],
];
