import { describe, expect, it } from 'vitest';
import * as qkv from '../../src/index.js';
import { Matrix, setKernels, valueAndGrad } from '../../src/index.js';
import { expectTable } from '../support/compare.js';
import type { Differentiable } from '../support/differences.js';
import { forEachTwin, TWINS, type Twin } from '../support/twins.js';
import { ATTENTION_GRADIENT_CASES } from './attention-gradient-cases.js';
import { GRADIENT_CASES } from './gradient-cases.js';

// Matrices serve every choice of kernels, whichever was made when they were: what they hold is used, and results are as
// the kernels of now make them.

const ALL = { ...GRADIENT_CASES, ...ATTENTION_GRADIENT_CASES };

/** Under other kernels; those from before come back. */
function under<T>(name: Twin['name'], f: () => T): T {
  const before = qkv.capabilities().kernels;
  setKernels(name);
  try {
    return f();
  } finally {
    setKernels(before);
  }
}

/** The same numbers, as an operation under float64 leaves them. */
const in64 = (m: Matrix) =>
  under('float64', () =>
    m.multiply(
      new Matrix(
        m.rows,
        m.cols,
        m.data.map(() => 1),
      ),
    ),
  );

const kindOf = ({ data }: Matrix) => Object.prototype.toString.call(data);
const kindUnder = (twin: Twin) => `[object ${twin.name === 'float64' ? 'Float64Array' : 'Float32Array'}]`;

function resultsOf({ f }: Differentiable, inputs: Matrix[]): Matrix[] {
  return [f(...inputs)].flat();
}

function gradientsOf({ f }: Differentiable, inputs: Matrix[]): Matrix[] {
  const { gradients } = valueAndGrad(() =>
    [f(...inputs)].flat().reduce((total, result) => total.add(result.tanh().sum()), new Matrix(1, 1)),
  );
  return inputs.map((input) => {
    const found = gradients.get(input) as Matrix | qkv.SparseGradient;
    if (!('values' in found)) return found;
    const whole = new Matrix(input.rows, input.cols);
    found.rows.forEach((row, r) => whole.row(row).set(found.values.row(r)));
    return whole;
  });
}

const table = ({ rows, cols, data }: Matrix) => ({ rows, cols, data: Float64Array.from(data) });

forEachTwin((twin) => {
  describe.each(Object.entries(ALL))('%s', (_, cases) => {
    it.each(Object.entries(cases))('of matrices made under float64, %s', (_, one) => {
      const expected = under('float64', () => resultsOf(one, one.inputs()).map(table));
      const expectedGradients = under('float64', () => gradientsOf(one, one.inputs()).map(table));
      const inputs = one.inputs().map(in64);
      for (const input of inputs) expect(kindOf(input)).toBe('[object Float64Array]');
      resultsOf(one, inputs).forEach((result, i) => {
        expectTable(result, expected[i], twin.tolerance, `result ${i}`);
        expect(kindOf(result)).toBe(kindUnder(twin));
      });
      gradientsOf(one, inputs).forEach((gradient, i) => {
        expectTable(gradient, expectedGradients[i], twin.tolerance, `gradient ${i}`);
      });
    });
  });

  const x = () => Matrix.randomUniform(5, 4, { seed: 1, low: -1 });

  it('gradients found under float64 add up, scale, clip and move parameters', () => {
    const [p, embedding] = [x(), new qkv.Embedding(6, 4, { seed: 1 })];
    const find = () =>
      valueAndGrad(() =>
        p
          .multiply(p)
          .sum()
          .add(embedding.forward([1, 3]).sum()),
      ).gradients;
    const found = under('float64', find);
    const own = find();
    const twice = (g: qkv.Gradients) => [g.get(p) as Matrix, (g.get(embedding.table) as qkv.SparseGradient).values];
    for (const sum of [found.add(own), own.add(found), found.add(found), found.scale(2), own.scale(2)]) {
      const [dense, sparse] = twice(sum);
      expectTable(
        dense,
        table(
          new Matrix(
            5,
            4,
            p.data.map((v) => 4 * v),
          ),
        ),
        twin.tolerance,
        'dense',
      );
      expectTable(sparse, table(new Matrix(2, 4, new Float32Array(8).fill(2))), twin.tolerance, 'sparse');
      for (const m of [dense, sparse]) expect(kindOf(m)).toBe(kindUnder(twin));
    }
    // What only one of the two has is copied.
    const lone = found.add(valueAndGrad(() => x().sum()).gradients).get(p) as Matrix;
    expect(kindOf(lone)).toBe(kindUnder(twin));
    expect(qkv.clipGradNorm(found.scale(1), 1).norm).toBeCloseTo(qkv.clipGradNorm(own, 1).norm, 4);
    const before = p.clone();
    new qkv.SGD([p, embedding.table], { learningRate: 0.5 }).step(found);
    expectTable(p, table(before.scale(0)), twin.tolerance, 'p − 0.5·2p');
  });

  it('caches filled under float64 go on', () => {
    const run = (later: Twin['name']) => {
      const cache = under('float64', () => {
        const made = new qkv.KVCache({ capacity: 3, dK: 4, mode: 'ring', sinkTokens: 1 });
        made.append(x(), x());
        return made;
      });
      return under(later, () => {
        const fork = cache.fork();
        for (const one of [cache, fork]) one.append(x().sliceRows(0, 2), x().sliceRows(2, 4));
        return [cache.attend(x().sliceRows(1, 2)), fork.attend(x().sliceRows(1, 3))];
      });
    };
    const expected = run('float64').map(table);
    run(twin.name).forEach((out, i) => expectTable(out, expected[i], twin.tolerance, `attend ${i}`));
  });

  it('layers, custom gradients and the rest take them', () => {
    const block = new qkv.TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, rope: true, seed: 1 });
    const input = in64(x());
    const halved = qkv.customGradient(
      (a) => a,
      (dOut) => [in64(dOut.scale(0.5))],
    );
    const calls: (() => Matrix | Matrix[])[] = [
      () => block.forward(input),
      () => block.step(input, block.createCache({ capacity: 9 })),
      () => halved(input),
      () => qkv.attentionWeights(input, input, { numHeads: 2 }),
      () => valueAndGrad(() => halved(input).sum()).gradients.get(input) as Matrix,
      () => qkv.unpack(qkv.pack([input, input]).packed, [0, 5, 10]),
      () => new Matrix(5, 4, new qkv.Parameter(5, 4, Float32Array.from(input.data)).data),
    ];
    for (const call of calls) {
      const expected = under('float64', () => [call()].flat().map(table));
      [call()].flat().forEach((out, i) => expectTable(out, expected[i], twin.tolerance, String(call)));
    }
  });
});

it('float32 matrices serve float64, and the constructor still refuses 64-bit data from outside', () => {
  expect(TWINS.map(({ name }) => name)).toContain('float64');
  const data = under('float64', () => Matrix.identity(2).scale(1 / 3).data);
  expect(() => new Matrix(2, 2, data)).toThrow('Matrix: data must be a Float32Array: got [0.33');
});
