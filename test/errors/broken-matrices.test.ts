import { describe, expect, test } from 'vitest';
import * as qkv from '../../src/index.js';
import { Gradients, KVCache, Linear, Matrix, Module } from '../../src/index.js';
import { type GoodCall, invoke } from '../calls/callable.js';
import { CALLABLES, PLACES } from '../calls/places.js';
import { GOOD_CALLS } from '../calls/registry.js';
import { attempt } from './attempt.js';
import { grammarFault } from './grammar.js';

// A matrix can be broken after it was made: in plain JavaScript, by who resizes or transfers its buffer. Kernels would
// then compute with what other calls left in their memory. Every door of the library has to see it.

type Break = (matrix: Matrix) => void;

const overwrite = (matrix: Matrix, fields: object) => Object.assign(matrix, fields);

/** A copy of the data in a buffer that can shrink, in place of the data. */
function resizable({ data }: Matrix): ArrayBuffer & { resize(bytes: number): void } {
  const buffer = Reflect.construct(ArrayBuffer, [data.byteLength, { maxByteLength: data.byteLength }]);
  new Float32Array(buffer).set(data);
  return buffer;
}

const BREAKS: Record<string, Break> = {
  'shorter data': (m) => overwrite(m, { data: m.data.slice(1) }),
  'longer data': (m) => overwrite(m, { data: new Float32Array(m.data.length + 1) }),
  'a list as data': (m) => overwrite(m, { data: Array.from(m.data) }),
  'integers as data': (m) => overwrite(m, { data: Int32Array.from(m.data) }),
  'no data': (m) => overwrite(m, { data: undefined }),
  'a shrunk buffer': (m) => {
    const buffer = resizable(m);
    overwrite(m, { data: new Float32Array(buffer) });
    buffer.resize(buffer.byteLength - 4);
  },
  'a buffer below its view': (m) => {
    const buffer = resizable(m);
    overwrite(m, { data: new Float32Array(buffer, 0, m.data.length) });
    buffer.resize(0);
  },
  'a transferred buffer': (m) => {
    overwrite(m, { data: Float32Array.from(m.data) });
    structuredClone(m.data, { transfer: [m.data.buffer as ArrayBuffer] });
  },
  'more rows': (m) => overwrite(m, { rows: m.rows + 1 }),
  'fewer columns': (m) => overwrite(m, { cols: m.cols - 1 }),
  'sizes below 0': (m) => overwrite(m, { rows: -m.rows, cols: -m.cols }),
  fractions: (m) => overwrite(m, { rows: m.rows * 0.3125, cols: m.cols * 3.2 }),
  'sizes that are texts': (m) => overwrite(m, { rows: String(m.rows) }),
};

/** Matrices that a call can reach: of its object, of its arguments, in lists, bags, modules and gradients. */
function matricesOf(value: unknown, seen = new Set<unknown>()): Matrix[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || seen.has(value)) return [];
  seen.add(value);
  if (value instanceof Matrix) return [value];
  if (value instanceof Module) return value.parameters();
  const inner =
    value instanceof Gradients ? [...value.entries()].map(([, gradient]) => gradient) : Object.values(value);
  return inner.flatMap((one) => matricesOf(one, seen));
}

/** Calls that read no number of these matrices. */
const READS_NONE: Record<string, string> = {
  'Module.train': 'sets flags',
  'Module.eval': 'sets flags',
  'Module.loadDropoutState': 'the seeds of dropout',
  'Module.dropoutState': 'the seeds of dropout',
  'Module.namedParameters': 'gives the matrices themselves',
  'Module.parameters': 'gives the matrices themselves',
  'MultiHeadAttention.addHook': 'keeps a function',
  'MultiHeadAttention.createCache': 'sizes only',
  'TransformerBlock.createCache': 'sizes only',
  'CausalLM.createCaches': 'sizes only',
  'Gradients.get': 'looks a matrix up, and gives the gradient itself',
  'Gradients.dense': 'looks a matrix up, as get',
  'Gradients.entries': 'gives the matrices themselves',
  'Optimizer.stateDict': 'what the optimizer keeps itself',
  'KVCache.reset': 'its rows are its own',
  'KVCache.release': 'its rows are its own',
  'Parameter.release': 'gives the memory back, whatever data is',
  'KVCache.fork': 'its rows are its own',
  capabilities: 'of the engine',
  'new Module': 'has no field yet',
};

/** Matrices that a call does not read, by their place. */
const NOT_READ: Record<string, readonly number[]> = {
  'MultiHeadAttention.attentionWeights': [2, 3], // W_V, W_O and the value of the context
};

const square = () => Matrix.randomUniform(4, 6, { seed: 2 });

/** Good calls of what takes no argument. */
const WITHOUT_ARGUMENTS: Record<string, () => GoodCall> = {
  'Module.stateDict': () => ({ self: new Linear(4, 2), args: [] }),
};

/** Every method of Matrix: one that is new is called without arguments, unless it has a call in the registry. */
const METHODS = [Matrix.prototype, Object.getPrototypeOf(Matrix.prototype)]
  .flatMap((prototype: object) => Object.entries(Object.getOwnPropertyDescriptors(prototype)))
  .filter(([name, { value }]) => typeof value === 'function' && name !== 'constructor')
  .map(([name]) => `Matrix.${name}`);

const CALLS: Record<string, () => GoodCall> = {
  ...Object.fromEntries(METHODS.map((name) => [name, () => ({ self: square(), args: [] })])),
  ...WITHOUT_ARGUMENTS,
  ...GOOD_CALLS,
};

/** The call's result, or what it threw; a generator is asked for its first value. */
async function outcome(name: string, call: GoodCall): Promise<unknown> {
  try {
    const result = invoke(name, call);
    const isGenerator = typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
    return isGenerator ? await (result as AsyncGenerator).next() : result;
  } catch (error) {
    return error;
  }
}

const NAMES = Object.keys(CALLS).filter((name) => !(name in READS_NONE) && matricesOf(CALLS[name]()).length > 0);

describe.each(Object.entries(BREAKS))('%s', (what, breakIt) => {
  if (what.includes('buffer') && !('resize' in ArrayBuffer.prototype)) return;

  test.each(NAMES)('is seen by %s', async (name) => {
    const count = matricesOf(CALLS[name]()).length;
    for (let i = 0; i < count; i++) {
      if (NOT_READ[name]?.includes(i)) continue;
      const call = CALLS[name]();
      const matrix = matricesOf(call)[i];
      breakIt(matrix);
      const { rows, cols, data } = matrix;
      const error = await outcome(name, call);
      expect(grammarFault(error), `matrix ${i}`).toBeUndefined();
      // Other sizes may break another rule first.
      if (what.includes('data') || what.includes('buffer'))
        expect((error as Error).message).toMatch(/\.data\b.* must /);
      expect(matrix.rows === rows && matrix.cols === cols && matrix.data === data).toBe(true); // and left as it is
    }
  });
});

describe('a broken matrix', () => {
  const broken = () => {
    const m = square();
    BREAKS['shorter data'](m);
    return m;
  };
  const places = PLACES.filter(({ kinds }) => kinds.includes('Matrix'));

  test.each(places)('is refused as $key', (place) => {
    if (place.name in READS_NONE) return;
    expect(attempt(place.name, [[place, broken()]])?.message).toMatch(/data\.length must be rows·cols/);
  });

  test('is looked for in every callable that has a matrix to read', () => {
    console.log(`${NAMES.length} callables with matrices, ${places.length} places for one`);
    const names = CALLABLES.map(({ name }) => name);
    expect(names.filter((name) => !(name in CALLS) && !(name in READS_NONE))).toEqual([]);
    expect(Object.keys(READS_NONE).filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('between forward and backward', () => {
  test.each(Object.entries(BREAKS))('%s of an input is seen, not computed with', (_, breakIt) => {
    const [a, b] = [square(), square()];
    const run = () =>
      qkv.valueAndGrad(() => {
        const loss = a.matmul(b, { transposeB: true }).sum();
        breakIt(b);
        return loss;
      });
    expect(run).toThrow(/^valueAndGrad: matrix\.(data|rows)/);
  });

  test.each(Object.entries(BREAKS))('%s of a result is seen', (_, breakIt) => {
    const a = square();
    const run = () =>
      qkv.valueAndGrad(() => {
        const y = a.softmax();
        const loss = y.sum();
        breakIt(y);
        return loss;
      });
    expect(run).toThrow(/^valueAndGrad: matrix\.(data|rows)/);
  });

  test('what no step reads may be gone', () => {
    const [a, unused] = [square(), square()];
    const { value } = qkv.valueAndGrad(() => {
      unused.scale(2);
      BREAKS['a transferred buffer'](unused);
      return a.sum();
    });
    expect(value).toBe(a.sum().get(0, 0));
  });
});

test('a sparse gradient must keep rows of its table', () => {
  const layer = new qkv.Embedding(6, 4);
  const { gradients } = qkv.valueAndGrad(() => layer.forward([1, 3]).sum());
  const found = gradients.get(layer.table) as qkv.SparseGradient;
  const before = Array.from(layer.table.data);
  found.rows[1] = 2 ** 30;
  for (const use of [
    () => new qkv.SGD([layer.table], { learningRate: 1 }).step(gradients),
    () => gradients.scale(2),
    () => gradients.dense(layer.table),
    () => gradients.add(gradients),
    () => qkv.clipGradNorm(gradients, 1),
  ]) {
    expect(use).toThrow('gradient.rows must be from 0 to 5');
  }
  expect(Array.from(layer.table.data)).toEqual(before);
});

test('a list that answers differently when asked again is read once', () => {
  const changing = (first: readonly number[], later: number) => {
    const asked = new Set<string | symbol>();
    return new Proxy([...first], {
      get: (target, key) => {
        if (key === 'length' || typeof key === 'symbol' || !asked.has(key)) {
          asked.add(key);
          return Reflect.get(target, key);
        }
        return later;
      },
    });
  };
  const rows = new qkv.Embedding(6, 4, { seed: 1 });
  expect(rows.forward(changing([1, 3], 2 ** 29)).data).toEqual(rows.forward([1, 3]).data);
  const logits = square();
  const loss = qkv.crossEntropy(logits, [0, 5, 2, 1]);
  expect(qkv.crossEntropy(logits, changing([0, 5, 2, 1], 2 ** 29)).data).toEqual(loss.data);
});

test('a hook that takes a matrix of the call away is seen by the next step', () => {
  const layer = new qkv.MultiHeadAttention({ dModel: 4, numHeads: 2, seed: 1 });
  const x = Matrix.randomUniform(3, 4, { seed: 1 });
  const bias = new Matrix(3, 3);
  layer.addHook('hook_attn_scores', (scores) => {
    BREAKS['a transferred buffer'](bias);
    return scores;
  });
  expect(() => layer.forward(x, { bias })).toThrow('MultiHeadAttention: bias.data.length must be rows·cols');
});

test('a cache is as before where rows are refused', () => {
  const cache = new KVCache({ capacity: 3, dK: 6 });
  const [k, v] = [square().sliceRows(0, 1), square().sliceRows(0, 1)];
  BREAKS['shorter data'](v);
  expect(() => cache.append(k, v)).toThrow('KVCache.append: v.data.length');
  expect(cache.position).toBe(0);
});
