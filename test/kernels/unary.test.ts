import { describe, expect, it } from 'vitest';
import { UNARY } from '../../src/kernels/unary.js';
import { buildFamilies } from '../../src/kernels/wasm/emit/module.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { FeedForward } from '../../src/nn/layers/feed-forward.js';
import * as activations from '../../src/ops/activations.js';

describe('the table of operations on single entries', () => {
  it('names kernels that there are', () => {
    const operations = Object.keys(UNARY);
    const withKernel = operations.filter((name) => name !== 'log' && name !== 'sqrt');
    const entries = buildFamilies().flatMap((family) => family.entries.map(({ name }) => name));
    expect(entries).toEqual(expect.arrayContaining(withKernel));
    expect(entries).toEqual(expect.arrayContaining(operations.map((name) => `${name}_backward`)));
  });

  it('gives every activation of a layer a function that computes the same', () => {
    const functions = new Map(Object.entries(activations)) as Map<string, unknown>;
    const x = Matrix.from([[-2, -0.5, 0, 0.75, 3]]);
    for (const activation of Object.keys(activations.ACTIVATIONS) as activations.EntrywiseActivation[]) {
      const [name, approximate] = activation.split('-');
      const f = functions.get(name) as (x: Matrix, options?: object) => Matrix;
      expect(f, activation).toBeTypeOf('function');
      const layer = new FeedForward({ dModel: 5, dHidden: 5, activation, seed: 1 });
      for (const W of [layer.W_1, layer.W_2]) W.data.set(Matrix.identity(5).data);
      const own = approximate === undefined ? f(x) : f(x, { approximate });
      expect([...layer.forward(x).data], activation).toEqual([...own.data]);
    }
  });
});
