import { readSafetensors, ShapeError, writeSafetensors } from '../../src/index.js';
import { anything, type BadCall } from './bad-call.js';

// The damaged and hostile files are in test/io/safetensors.test.ts.
export const ioMessages: readonly BadCall[] = [
  [
    'readSafetensors',
    () => readSafetensors(new Uint8Array(3)),
    ShapeError,
    'readSafetensors: the file must hold the 8 bytes of its header length: it has 3 bytes',
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
    () => writeSafetensors(anything([])),
    TypeError,
    'writeSafetensors: tensors must be a Map of tensors: got []',
  ],
];
