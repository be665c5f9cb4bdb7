import { Linear, MultiHeadAttention, readSafetensors, ShapeError, type StoredTensor, writeSafetensors } from 'qkv';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
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

/** Bytes of an element; from the ninth on the library only keeps them. */
const SIZES: Readonly<Record<string, number>> = {
  ...{ F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U8: 1, BOOL: 1 },
  ...{ C64: 8, U64: 8, U32: 4, U16: 2, I16: 2, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1 },
  ...{ F8_E4M3FNUZ: 1, F8_E5M2FNUZ: 1, F6_E2M3: 0.75, F6_E3M2: 0.75, F4: 0.5 },
};
const ARRAYS: Readonly<Record<string, new (bytes: ArrayBuffer) => StoredTensor['data']>> = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
};

/** `count` elements that begin so; of the small ones four times as many, which end with a byte. */
function storedOf(dtype: string, count: number, bytes: Uint8Array): StoredTensor {
  const shape = SIZES[dtype] < 1 ? [count, 4] : [count];
  const { buffer } = Uint8Array.from(bytes.subarray(0, shape.reduce((a, b) => a * b) * SIZES[dtype]));
  return { dtype, shape, data: new (ARRAYS[dtype] ?? Uint8Array)(buffer) } as StoredTensor;
}

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

  it('takes a header in another order than its data, and empty tensors anywhere', () => {
    const data = Uint8Array.from({ length: 12 }, (_, i) => i);
    const tensors = readSafetensors(
      fileOf({ c: entry('U8', [4], 8, 12), a: entry('U8', [8], 0, 8), e: entry('U8', [0], 0, 0) }, data),
    );
    expect([...tensors].map(([name, { data }]) => [name, [...data]])).toEqual([
      ['c', [8, 9, 10, 11]],
      ['a', [0, 1, 2, 3, 4, 5, 6, 7]],
      ['e', []],
    ]);
    for (const at of [0, 1, 2]) {
      const file = fileOf(
        { a: entry('U8', [1], 0, 1), b: entry('U8', [1], 1, 2), e: entry('F64', [0, 3], at, at) },
        data.subarray(0, 2),
      );
      expect(readSafetensors(file).get('e')).toEqual({ dtype: 'F64', shape: [0, 3], data: new Float64Array(0) });
    }
  });

  it('gives names in the order of the header, numbers too', () => {
    const names = ['b', '10', '2', 'a', '0', '007', '-1', '1.5', '4294967295', ''];
    const header = names.map((name) => `${JSON.stringify(name)}:{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`);
    const file = fileOf(`{${header.slice(0, 4)},"__metadata__":{"1":"x"},${header.slice(4)}}`);
    expect([...readSafetensors(file).keys()]).toEqual(names);
  });

  it('takes a header of 16 MiB, and none that is longer', () => {
    const header = `{"a":${JSON.stringify(entry('U8', [1], 0, 1))}`;
    const padded = (bytes: number) => fileOf(`${header}${' '.repeat(bytes - header.length - 1)}}`, Uint8Array.of(7));
    expect(readSafetensors(padded(2 ** 24)).get('a')?.data).toEqual(Uint8Array.of(7));
    const refused = 'readSafetensors: the header must be at most 16777216 bytes: it is 16777217';
    expect(() => readSafetensors(padded(2 ** 24 + 1))).toThrow(refused);
    const empty: StoredTensor = { dtype: 'U8', shape: [0], data: new Uint8Array(0) };
    const name = 'x'.repeat(2 ** 24 - '{"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'.length);
    const longest = writeSafetensors(new Map([[name, empty]]));
    expect(longest.length).toBe(8 + 2 ** 24);
    expect(readSafetensors(longest).get(name)).toEqual(empty);
    expect(() => writeSafetensors(new Map([[`${name}x`, empty]]))).toThrow(
      'at most 16777216 bytes: it would be 16777224',
    );
  });

  it('needs no TextDecoder, and none that takes shared memory', () => {
    const good = fileOf({ 'é€🙂': entry('U8', [2], 0, 2) }, Uint8Array.of(1, 2));
    const shared = new Uint8Array(new SharedArrayBuffer(good.length));
    shared.set(good);
    const bad = fileOf(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d));
    const refusing = class {
      constructor(_: string, options?: object) {
        if (options !== undefined) throw new RangeError('fatal is not supported');
      }
      decode() {
        throw new TypeError('The provided ArrayBufferView value must not be shared');
      }
    };
    for (const decoder of [undefined, refusing]) {
      vi.stubGlobal('TextDecoder', decoder);
      vi.stubGlobal('TextEncoder', undefined);
      onTestFinished(() => void vi.unstubAllGlobals());
      for (const file of [good, shared]) {
        const tensors = readSafetensors(file);
        expect([...tensors]).toEqual([['é€🙂', { dtype: 'U8', shape: [2], data: Uint8Array.of(1, 2) }]]);
        expect(tensors.get('é€🙂')?.data.buffer).toBeInstanceOf(ArrayBuffer);
        expect(readSafetensors(writeSafetensors(tensors))).toEqual(tensors);
      }
      expect(() => readSafetensors(bad)).toThrow('the header must be UTF-8');
      vi.unstubAllGlobals();
    }
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
    ['a string that never ends', fileOf(`{"${'\\"'.repeat(1_000_000)}`), 'must be JSON'],
    ['no header', fileOf(''), 'must be JSON'],
    ['a space before the header', fileOf(' {}'), 'the header must begin with {: got " "'],
    ['a million lists', fileOf(`{"a":${'['.repeat(1e6)}${']'.repeat(1e6)}}`), 'the header must nest at most 3 deep'],
    ['objects within one another', fileOf('{"__metadata__":{"a":{"b":{}}}}'), 'nest at most 3 deep: it goes deeper'],
    ['half of a surrogate pair', fileOf('{"__metadata__":{"\\ud800":"x"}}'), 'a name must be text that UTF-8 can hold'],
    [
      'half of one in a text',
      fileOf('{"__metadata__":{"a":"\\udc00"}}'),
      '__metadata__ must be text that UTF-8 can hold',
    ],
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
    [
      'an unknown dtype',
      fileOf({ a: entry('F8', [1], 0, 1) }, Uint8Array.of(1)),
      'readSafetensors: the dtype of "a" must be one of F64, F32, F16, BF16, I64, I32, U8, BOOL, C64, U64, U32, U16, I16, ' +
        'I8, F8_E4M3, F8_E5M2, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, F6_E2M3, F6_E3M2, F4: got "F8"',
    ],
    ['no dtype', fileOf({ a: { shape: [1], data_offsets: [0, 1] } }, Uint8Array.of(1)), 'F4: got undefined'],
    [
      'a part of a byte',
      fileOf({ a: entry('F4', [3], 0, 2) }, Uint8Array.of(1, 2)),
      '"a" must take the bytes of its shape: F4 [3] takes 12 bits, data_offsets say 2',
    ],
    ['a dtype of Object', fileOf({ a: entry('toString', [1], 0, 1) }, Uint8Array.of(1)), 'got "toString"'],
    ['a negative size', fileOf({ a: entry('F32', [-1], 0, 4) }, floats(1)), 'the shape of "a"'],
    ['a fraction', fileOf({ a: entry('F32', [0.5, 2], 0, 4) }, floats(1)), 'the shape of "a"'],
    ['a shape that is no list', fileOf({ a: entry('F32', { length: 1 }, 0, 4) }, floats(1)), 'the shape of "a"'],
    [
      'a product that wraps',
      fileOf({ a: entry('F32', [2 ** 32, 2 ** 32], 0, 0) }),
      'takes 73786976294838206464, data_offsets say 0',
    ],
    [
      'a product that does not end',
      fileOf({ a: entry('F32', new Array(1e5).fill(2 ** 53 - 1), 0, 0) }),
      'F32 an Array of length 100000 takes ',
    ],
    ['offsets backwards', fileOf({ a: entry('F32', [1], 4, 0) }, floats(1)), 'from ≤ to'],
    ['one offset', fileOf({ a: entry('F32', [1], 0) }, floats(1)), 'from ≤ to: got [0]'],
    ['too few bytes', fileOf({ a: entry('F32', [2], 0, 4) }, floats(1)), 'F32 [2] takes 8, data_offsets say 4'],
    ['offsets beyond the end', fileOf({ a: entry('F32', [2], 0, 8) }, floats(1)), 'they take 8 bytes, the data has 4'],
    ['an overlap', fileOf({ a: good, b: good }, floats(1)), '"b" begins at 0, those before it end at 4'],
    ['a gap', fileOf({ a: entry('F32', [1], 4, 8) }, floats(1, 2)), '"a" begins at 4, those before it end at 0'],
    [
      'a gap between',
      fileOf({ a: entry('U8', [1], 0, 1), b: entry('U8', [1], 2, 3) }, Uint8Array.of(1, 2, 3)),
      '"b" begins at 2, those before it end at 1',
    ],
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

  it('gives exactly these bytes', () => {
    const file = writeSafetensors(
      new Map<string, StoredTensor>([
        ['10', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
        ['2', { dtype: 'F32', shape: [1], data: Float32Array.of(7, 1, 7).subarray(1, 2) }], // a part of its buffer
      ]),
      { a: 'ï' },
    );
    const header =
      '{"__metadata__":{"a":"ï"},"10":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},' +
      '"2":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   ';
    const json = new TextEncoder().encode(header);
    expect(json.length).toBe(136);
    expect([...file]).toEqual([136, 0, 0, 0, 0, 0, 0, 0, ...json, 0, 0, 0x80, 0x3f, 1, 2, 3]);
    expect([...writeSafetensors(new Map())]).toEqual([8, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode('{}      ')]);
  });

  it('gives every tensor a place that its elements can be read from', () => {
    const dtype = fc.constantFrom(...Object.keys(SIZES));
    const tensor = fc.tuple(dtype, fc.nat(5), fc.uint8Array({ minLength: 40, maxLength: 40 }));
    const name = fc.oneof(
      fc.nat(30).map(String),
      fc.string({ unit: 'binary' }).filter((text) => !/^__|^con|^pro/.test(text)),
    );
    fc.assert(
      fc.property(
        fc.dictionary(name, tensor, { maxKeys: 9 }),
        fc.dictionary(name, fc.string({ unit: 'binary' }), { maxKeys: 5 }),
        (dictionary, texts) => {
          const names = Object.keys(dictionary).reverse(); // numbers last
          const tensors = new Map(names.map((each) => [each, storedOf(...dictionary[each])]));
          const file = writeSafetensors(tensors, texts);
          const read = readSafetensors(file);
          expect([...read]).toEqual([...tensors]);
          expect(read.metadata).toEqual({ ...texts });
          expect(writeSafetensors(read, read.metadata)).toEqual(file);
          const length = Number(new DataView(file.buffer).getBigUint64(0, true));
          const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
          for (const [each, { dtype }] of tensors) {
            expect((8 + length + header[each].data_offsets[0]) % Math.ceil(SIZES[dtype])).toBe(0);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  // Written by the format's own writer: safetensors 0.8.0 for Python, with data that counts its bytes.
  it('gives the bytes of the format’s own writer again', () => {
    const header =
      '{"__metadata__":{"10":"é\u2028\\"\\\\\x7f\\u001f/"},"uint64":{"dtype":"U64","shape":[2],"data_offsets":[0,16]},' +
      '"int64":{"dtype":"I64","shape":[2],"data_offsets":[16,32]},"10":{"dtype":"F64","shape":[1],"data_offsets":[32,40]},' +
      '"2":{"dtype":"F64","shape":[1],"data_offsets":[40,48]},"complex64":{"dtype":"C64","shape":[2],"data_offsets":[48,64]},' +
      '"float32":{"dtype":"F32","shape":[2],"data_offsets":[64,72]},"uint32":{"dtype":"U32","shape":[2],"data_offsets":[72,80]},' +
      '"int32":{"dtype":"I32","shape":[2],"data_offsets":[80,88]},"bfloat16":{"dtype":"BF16","shape":[2],"data_offsets":[88,92]},' +
      '"float16":{"dtype":"F16","shape":[2],"data_offsets":[92,96]},"uint16":{"dtype":"U16","shape":[2],"data_offsets":[96,100]},' +
      '"int16":{"dtype":"I16","shape":[2],"data_offsets":[100,104]},' +
      '"float8_e5m2fnuz":{"dtype":"F8_E5M2FNUZ","shape":[2],"data_offsets":[104,106]},' +
      '"float8_e4m3fnuz":{"dtype":"F8_E4M3FNUZ","shape":[2],"data_offsets":[106,108]},' +
      '"float8_e8m0fnu":{"dtype":"F8_E8M0","shape":[2],"data_offsets":[108,110]},' +
      '"float8_e4m3fn":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[110,112]},' +
      '"float8_e5m2":{"dtype":"F8_E5M2","shape":[2],"data_offsets":[112,114]},' +
      '"int8":{"dtype":"I8","shape":[2],"data_offsets":[114,116]},"uint8":{"dtype":"U8","shape":[2],"data_offsets":[116,118]},' +
      '"float4_e2m1fn_x2":{"dtype":"F4","shape":[2,2],"data_offsets":[118,120]},' +
      '"bool":{"dtype":"BOOL","shape":[2],"data_offsets":[120,122]}}';
    const json = new TextEncoder().encode(header);
    const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
    padded.set(json);
    const file = fileOf(
      padded,
      Uint8Array.from({ length: 122 }, (_, i) => i),
    );
    const tensors = readSafetensors(file);
    expect(tensors.size).toBe(21);
    expect(tensors.get('uint32')).toEqual({
      dtype: 'U32',
      shape: [2],
      data: Uint8Array.of(72, 73, 74, 75, 76, 77, 78, 79),
    });
    expect([...new Uint32Array(tensors.get('uint32')?.data.buffer as ArrayBuffer)]).toEqual([0x4b4a4948, 0x4f4e4d4c]);
    expect(tensors.get('float8_e4m3fn')).toEqual({ dtype: 'F8_E4M3', shape: [2], data: Uint8Array.of(110, 111) });
    expect(tensors.get('float4_e2m1fn_x2')).toEqual({ dtype: 'F4', shape: [2, 2], data: Uint8Array.of(118, 119) });
    expect(writeSafetensors(tensors, tensors.metadata)).toEqual(file);
  });

  it('keeps what it cannot compute with; only its conversion is refused', () => {
    const layer = new Linear(2, 3, { seed: 1 });
    for (const dtype of Object.keys(SIZES).slice(8)) {
      const data = new Uint8Array(6 * SIZES[dtype]);
      const scale = storedOf(dtype, 8, new Uint8Array(64));
      const file = readSafetensors(writeSafetensors(layer.stateDict().set('scale', scale)));
      expect(file.get('scale')).toEqual(scale);
      file.delete('scale');
      new Linear(2, 3).loadStateDict(file);
      const state = new Map([['W', { dtype, shape: [2, 3], data } as StoredTensor]]);
      expect(() => layer.loadStateDict(state)).toThrow(
        `Linear.loadStateDict: W must be { dtype: 'F32', shape, data: Float32Array }: got dtype "${dtype}"`,
      );
      const attention = new MultiHeadAttention({ dModel: 2, numHeads: 1 }).toTorch();
      attention.set('out_proj.weight', {
        dtype,
        shape: [2, 2],
        data: new Uint8Array(4 * SIZES[dtype]),
      } as StoredTensor);
      expect(() => MultiHeadAttention.fromTorch(attention, { numHeads: 1 })).toThrow(
        `out_proj.weight must be { dtype, shape, data } of F32, F16, BF16 or F64: got dtype "${dtype}"`,
      );
    }
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
    write('a', { ...tensor, shape: [-2] }).toThrow('shape [-2], 2 numbers');
    write('a', { ...tensor, shape: [2 ** 31, 2 ** 33 + 1] }).toThrow('2 numbers');
    write('a', { dtype: 'I8', shape: [2], data: new Int8Array(2) }).toThrow(
      '"a" must be { dtype, shape, data: Uint8Array }: got dtype "I8", shape [2], data [0, 0]',
    );
    write('a', { dtype: 'U32', shape: [2], data: new Uint8Array(2) }).toThrow(
      'writeSafetensors: the data of "a" must have the bytes of its shape: U32 [2] takes 8, it has 2',
    );
    write('a', { dtype: 'F4', shape: [3], data: new Uint8Array(2) }).toThrow('F4 [3] takes 12 bits, it has 2');
    write('a', { dtype: 'F4', shape: [0.5], data: new Uint8Array(2) }).toThrow('F4 [0.5], it has 2');
    write('\ud800', tensor).toThrow('a name must be text that UTF-8 can hold: "\\ud800" has half of a surrogate pair');
    write('a', tensor, { b: '\udfff' }).toThrow('metadata.b must be text that UTF-8 can hold');
    write('a'.repeat(2 ** 24), tensor).toThrow('the header must be at most 16777216 bytes: it would be 16777272');
    write('a', { ...tensor, dtype: 'F8' }).toThrow('"a" must be { dtype, shape, data: typed array }: got dtype "F8"');
    write('a', { ...tensor, shape: [3] }).toThrow('shape [3], 2 numbers');
    write('a', undefined).toThrow('"a" must be { dtype, shape, data: typed array }: got dtype undefined');
    write(5, tensor).toThrow('a name must be a string: got 5');
    write('__metadata__', tensor).toThrow(ShapeError);
    write('__proto__', tensor).toThrow('must be none of __proto__');
    write('a', tensor, { b: 1 }).toThrow('metadata.b must be a string: got 1');
    write('a', tensor, 'text').toThrow('metadata must be an object of strings');
    expect(() => writeSafetensors({} as never)).toThrow('tensors must be a Map of tensors');
  });
});
