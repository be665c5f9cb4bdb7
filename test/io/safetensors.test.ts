import { Linear, readSafetensors, ShapeError, type StoredTensor, writeSafetensors } from 'qkv';
import { describe, expect, it } from 'vitest';
import { fc } from '../support/property.js';

/** A file with this header, as text or bytes, and these data bytes. */
function fileOf(
  header: string | Uint8Array | object,
  data: Uint8Array = new Uint8Array(0),
  length?: bigint,
): Uint8Array {
  const json =
    header instanceof Uint8Array
      ? header
      : new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + data.length);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  file.set(json, 8);
  file.set(data, 8 + json.length);
  return file;
}

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const entry = (dtype: string, shape: unknown, ...data_offsets: unknown[]) => ({ dtype, shape, data_offsets });

describe('readSafetensors', () => {
  it('gives every dtype as its numbers, unaligned as they lie, and the metadata', () => {
    const parts: [string, ArrayBufferView][] = [
      ['BOOL', Uint8Array.of(1, 0, 1)],
      ['F32', Float32Array.of(1.5, -0, Number.NaN)],
      ['U8', Uint8Array.of(7)],
      ['F64', Float64Array.of(0.1)],
      ['F16', Uint16Array.of(0x3c00, 0x7c00)],
      ['BF16', Uint16Array.of(0x3f80)],
      ['I64', BigInt64Array.of(-(2n ** 62n))],
      ['I32', Int32Array.of(-5, 6)],
    ];
    const header: Record<string, unknown> = { __metadata__: { format: 'pt', author: 'ï' } };
    const bytes: number[] = [];
    for (const [dtype, view] of parts) {
      const own = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      const numbers = (view as unknown as ArrayLike<unknown>).length;
      header[`t.${dtype}`] = entry(dtype, [1, numbers], bytes.length, bytes.length + own.length);
      bytes.push(...own);
    }
    // Also from the middle of a larger buffer.
    const file = fileOf(header, Uint8Array.from(bytes));
    const larger = new Uint8Array(file.length + 11);
    larger.set(file, 3);
    for (const source of [file, file.buffer as ArrayBuffer, larger.subarray(3, 3 + file.length)]) {
      const tensors = readSafetensors(source);
      expect(tensors.metadata).toEqual({ format: 'pt', author: 'ï' });
      expect([...tensors.keys()]).toEqual(parts.map(([dtype]) => `t.${dtype}`));
      for (const [dtype, view] of parts) {
        const { data, ...rest } = tensors.get(`t.${dtype}`) as StoredTensor;
        expect(rest).toEqual({ dtype, shape: [1, (view as unknown as ArrayLike<unknown>).length] });
        expect(data).toEqual(view);
      }
    }
  });

  it('takes scalars, empty tensors, empty files and a padded header', () => {
    const file = fileOf(
      '{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"U8","shape":[3,0],"data_offsets":[4,4]}}   ',
      floats(2),
    );
    expect(readSafetensors(file).get('s')).toEqual({ dtype: 'F32', shape: [], data: Float32Array.of(2) });
    expect(readSafetensors(file).get('e')?.data.length).toBe(0);
    expect(readSafetensors(fileOf('{}')).size).toBe(0);
  });

  const good = entry('F32', [1], 0, 4);
  const hostile: [name: string, file: Uint8Array, message: string][] = [
    ['no length', Uint8Array.of(1, 2), 'must hold the 8 bytes of its header length: it has 2 bytes'],
    [
      'a header beyond the file',
      fileOf('{}', undefined, 3n),
      'the header must lie within the file: the header is 3 bytes, the file 10',
    ],
    ['a length of 2^63', fileOf('{}', undefined, 2n ** 63n), 'the header is 9223372036854775808 bytes'],
    [
      'a header of 100 MB',
      fileOf(new Uint8Array(100_000_000).fill(32)),
      'the header must be at most 16777216 bytes: it is 100000000',
    ],
    ['bytes that are no UTF-8', fileOf(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), 'must be UTF-8'],
    ['a byte order mark', fileOf('\ufeff{}'), 'must be JSON'],
    ['no JSON', fileOf('{"a":'), 'must be JSON'],
    ['a list', fileOf('[]'), 'must be a JSON object'],
    ['null', fileOf('null'), 'must be a JSON object: got null'],
    ['a name twice', fileOf(`{"a":${JSON.stringify(good)},"a":${JSON.stringify(good)}}`, floats(1)), '"a" comes twice'],
    [
      'a field twice',
      fileOf('{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,4]}}', floats(1)),
      '"shape" comes twice',
    ],
    [
      '__proto__',
      fileOf('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', floats(1)),
      'must be none of __proto__',
    ],
    ['constructor', fileOf({ constructor: good }, floats(1)), 'got "constructor"'],
    ['__proto__ in the metadata', fileOf('{"__metadata__":{"__proto__":"x"}}'), 'must be none of __proto__'],
    ['metadata that is no text', fileOf({ __metadata__: { a: 1 } }), '__metadata__ must hold only strings: "a" is 1'],
    ['metadata that is a list', fileOf({ __metadata__: [] }), '__metadata__ must be an object of strings'],
    ['an entry that is no object', fileOf({ a: 5 }), '"a" must be an object: got 5'],
    ['another field', fileOf({ a: { ...good, toString: 1 } }, floats(1)), 'got "toString" too'],
    ['an unknown dtype', fileOf({ a: entry('F8', [1], 0, 1) }, Uint8Array.of(1)), 'got "F8"'],
    ['a dtype of Object', fileOf({ a: entry('toString', [1], 0, 1) }, Uint8Array.of(1)), 'got "toString"'],
    ['a negative size', fileOf({ a: entry('F32', [-1], 0, 4) }, floats(1)), 'the shape of "a"'],
    ['a fraction', fileOf({ a: entry('F32', [0.5, 2], 0, 4) }, floats(1)), 'the shape of "a"'],
    ['a shape that is no list', fileOf({ a: entry('F32', { length: 1 }, 0, 4) }, floats(1)), 'the shape of "a"'],
    [
      'a product that wraps',
      fileOf({ a: entry('F32', [2 ** 32, 2 ** 32], 0, 0) }),
      'takes 73786976294838206464, data_offsets say 0',
    ],
    ['offsets backwards', fileOf({ a: entry('F32', [1], 4, 0) }, floats(1)), 'from ≤ to'],
    ['one offset', fileOf({ a: entry('F32', [1], 0) }, floats(1)), 'from ≤ to: got [0]'],
    ['too few bytes', fileOf({ a: entry('F32', [2], 0, 4) }, floats(1)), 'F32 [2] takes 8, data_offsets say 4'],
    ['offsets beyond the end', fileOf({ a: entry('F32', [2], 0, 8) }, floats(1)), 'they take 8 bytes, the data has 4'],
    ['an overlap', fileOf({ a: good, b: good }, floats(1)), '"b" begins at 0, those before it end at 4'],
    ['a gap', fileOf({ a: entry('F32', [1], 4, 8) }, floats(1, 2)), '"a" begins at 4, those before it end at 0'],
    ['bytes nobody owns', fileOf({ a: good }, floats(1, 2)), 'they take 4 bytes, the data has 8'],
    ['a huge tensor', fileOf({ a: entry('U8', [2 ** 50], 0, 2 ** 50) }), 'the data has 0'],
  ];
  for (const [name, file, message] of hostile) {
    it(`refuses ${name}`, () => {
      expect(() => readSafetensors(file)).toThrow(ShapeError);
      expect(() => readSafetensors(file)).toThrow(message);
    });
  }

  it('refuses other things than bytes', () => {
    for (const junk of [undefined, 'file', [1, 2], new Float32Array(4), {}]) {
      expect(() => readSafetensors(junk as never)).toThrow(TypeError);
    }
  });

  it('gives tensors or a ShapeError, whatever bytes of a good file change', () => {
    const file = writeSafetensors(
      new Map([['a', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }]]),
      { b: 'c' },
    );
    const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(file.length), (changes, length) => {
        const bad = file.slice(0, length > file.length / 2 ? length : file.length);
        for (const [at, byte] of changes) if (at < bad.length) bad[at] = byte;
        try {
          for (const { shape, data } of readSafetensors(bad).values()) {
            expect(data.length).toBe(shape.reduce((product, size) => product * size, 1));
          }
        } catch (error) {
          expect(error).toBeInstanceOf(ShapeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('writeSafetensors', () => {
  it('gives back what it was given, bit for bit', () => {
    const data = Float32Array.of(1, -0, Number.NaN, Number.NEGATIVE_INFINITY, 1e-45, 3);
    const tensors = new Map<string, StoredTensor>([
      ['weight', { dtype: 'F32', shape: [2, 3], data }],
      ['é "quoted" \n', { dtype: 'F32', shape: [], data: Float32Array.of(5) }],
      ['count', { dtype: 'I32', shape: [], data: Int32Array.of(-7) }],
      ['rate', { dtype: 'F64', shape: [1], data: Float64Array.of(0.1) }],
      ['ids', { dtype: 'I64', shape: [1], data: BigInt64Array.of(-1n) }],
      ['half', { dtype: 'BF16', shape: [1], data: Uint16Array.of(0x3f80) }],
      ['flag', { dtype: 'BOOL', shape: [1], data: Uint8Array.of(1) }],
      ['empty', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
    ]);
    const file = writeSafetensors(tensors, { step: '7' });
    const read = readSafetensors(file);
    expect([...read]).toEqual([...tensors]);
    expect(read.metadata).toEqual({ step: '7' });
    expect((8 + Number(new DataView(file.buffer).getBigUint64(0, true))) % 8).toBe(0);
    expect(writeSafetensors(read, read.metadata)).toEqual(file);
  });

  it('saves and restores a module', () => {
    const [a, b] = [1, 2].map((seed) => new Linear(3, 5, { bias: true, init: 'torch', seed }));
    b.loadStateDict(readSafetensors(writeSafetensors(a.stateDict())));
    expect(b.stateDict()).toEqual(a.stateDict());
  });

  it('refuses what it could not write', () => {
    const tensor = { dtype: 'F32', shape: [2], data: new Float32Array(2) };
    const write = (name: unknown, value: unknown, metadata?: unknown) =>
      expect(() => writeSafetensors(new Map([[name, value]]) as never, metadata as never));
    write('a', { ...tensor, dtype: 'F64' }).toThrow(
      '"a" must be { dtype, shape, data: Float64Array }: got dtype "F64"',
    );
    write('a', { ...tensor, dtype: 'F8' }).toThrow('"a" must be { dtype, shape, data: typed array }: got dtype "F8"');
    write('a', { ...tensor, shape: [3] }).toThrow('shape [3], 2 numbers');
    write('a', undefined).toThrow(TypeError);
    write(5, tensor).toThrow('a name must be a string: got 5');
    write('__metadata__', tensor).toThrow(ShapeError);
    write('__proto__', tensor).toThrow('must be none of __proto__');
    write('a', tensor, { b: 1 }).toThrow('metadata.b must be a string: got 1');
    write('a', tensor, 'text').toThrow('metadata must be an object of strings');
    expect(() => writeSafetensors({} as never)).toThrow('tensors must be a Map of tensors');
  });
});
