import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { Parameter } from '../../src/matrix/parameter.js';
import { MultiHeadAttention } from '../../src/nn/attention/multi-head-attention.js';
import { Linear } from '../../src/nn/layers/linear.js';
import { scaledDotProductAttention } from '../../src/ops/attention/attention.js';
import { Adam } from '../../src/train/adam.js';
import { forEachTwin } from '../support/twins.js';

forEachTwin(() => {
  describe('Parameter', () => {
    it('is a matrix with a copy of the data', () => {
      const data = Float32Array.of(1, 2, 3, 4);
      const parameter = new Parameter(2, 2, data);
      data.fill(0);
      expect(parameter).toBeInstanceOf(Matrix);
      expect(parameter.toArray()).toEqual([
        [1, 2],
        [3, 4],
      ]);
      expect(new Parameter(1, 2).toArray()).toEqual([[0, 0]]);
      expect(new Parameter(0, 3).rows).toBe(0);
    });

    it('is made by the factories of Matrix, with their numbers', () => {
      const seeded = { seed: 3 };
      const made = [
        [Parameter.zeros(2, 3), Matrix.zeros(2, 3)],
        [Parameter.from([[1, 2]]), Matrix.from([[1, 2]])],
        [Parameter.ones(2, 3), Matrix.ones(2, 3)],
        [Parameter.full(2, 3, 0.1), Matrix.full(2, 3, 0.1)],
        [Parameter.fromFlat(1, 2, [1, 2]), Matrix.fromFlat(1, 2, [1, 2])],
        [Parameter.fromJSON('[[1, 2]]'), Matrix.fromJSON('[[1, 2]]')],
        [Parameter.identity(2), Matrix.identity(2)],
        [Parameter.randomNormal(2, 3, seeded), Matrix.randomNormal(2, 3, seeded)],
        [Parameter.randomUniform(2, 3, seeded), Matrix.randomUniform(2, 3, seeded)],
      ];
      for (const [parameter, matrix] of made) {
        expect(parameter).toBeInstanceOf(Parameter);
        expect(parameter.toArray()).toEqual(matrix.toArray());
      }
      // What joins matrices is an operation, and its result not a parameter; every other factory must be above.
      const joins = ['concatRows', 'concatColumns', 'where'];
      const tested = [
        'zeros',
        'ones',
        'full',
        'from',
        'fromFlat',
        'fromJSON',
        'identity',
        'randomNormal',
        'randomUniform',
      ];
      const statics = [Matrix, Object.getPrototypeOf(Matrix)].flatMap((holder) => Object.getOwnPropertyNames(holder));
      const factories = new Set(statics.filter((name) => !['length', 'name', 'prototype', ...joins].includes(name)));
      expect([...factories].sort()).toEqual(tested.sort());
    });

    it('shows what is written to it', () => {
      const parameter = new Parameter(2, 2, Float32Array.of(1, 0, 0, 1));
      const x = Matrix.from([[1, 1]]);
      parameter.data[0] = 5;
      expect(x.matmul(parameter).toArray()).toEqual([[5, 1]]);
      parameter.row(1)[1] = 7;
      expect(x.matmul(parameter).toArray()).toEqual([[5, 7]]);
      parameter.set(0, 0, 2);
      expect(parameter.matmul(parameter).toArray()).toEqual([
        [4, 0],
        [0, 49],
      ]);
    });

    it('has no name of its own', () => {
      expect(new Parameter(1, 1).name).toBe('');
    });
  });

  describe('a released Parameter', () => {
    const released = () => {
      const parameter = new Parameter(2, 2, Float32Array.of(1, 2, 3, 4));
      parameter.name = 'W';
      parameter.release();
      parameter.release();
      return parameter;
    };
    const x = Matrix.identity(2);

    it('is refused at every door, by its name', () => {
      const w = released();
      const layer = new Linear(2, 2, { seed: 1 });
      const state = layer.stateDict();
      layer.W.release();
      const attention = new MultiHeadAttention({ dModel: 2, numHeads: 1, seed: 1 });
      attention.W_O.release();
      const doors = {
        data: () => w.data,
        row: () => w.row(0),
        get: () => w.get(0, 0),
        set: () => w.set(0, 0, 1),
        clone: () => w.clone(),
        toArray: () => w.toArray(),
        'w.matmul': () => w.matmul(x),
        'matmul(w)': () => x.matmul(w),
        add: () => x.add(w),
        softmax: () => w.softmax(),
        concat: () => Matrix.concatRows([x, w]),
        attention: () => scaledDotProductAttention(x, w, x),
        bias: () => scaledDotProductAttention(x, x, x, { bias: w }),
        Linear: () => layer.forward(x),
        stateDict: () => layer.stateDict(),
        loadStateDict: () => layer.loadStateDict(state),
        MultiHeadAttention: () => attention.forward(x),
        step: () => attention.step(x, attention.createCache({ capacity: 2 })),
        toTorch: () => attention.toTorch(),
        Adam: () => new Adam([w], { learningRate: 1 }),
      };
      for (const [door, call] of Object.entries(doors)) {
        const name = /Linear|Dict/.test(door) ? 'W, ' : /Multi|step|toTorch/.test(door) ? 'W_O, ' : 'W, ';
        expect(call, door).toThrow(TypeError);
        expect(call, door).toThrow(`the parameter must not be released: ${name}2×2, was (clone() it before)`);
      }
      expect([w.rows, w.cols, w.name]).toEqual([2, 2, 'W']);
    });

    it('is refused by a tape that needs it, or gives the gradient of what it was', () => {
      const w = new Parameter(2, 2, Float32Array.of(1, 2, 3, 4));
      const whole = valueAndGrad(() => scaledDotProductAttention(x, w, w).sum());
      const input = new Parameter(2, 2, Float32Array.of(1, 2, 3, 4));
      const product = () => {
        const out = x.matmul(input).sum();
        input.release();
        for (let i = 0; i < 9; i++) new Parameter(2, 2).data.fill(9);
        return out;
      };
      expect(() => valueAndGrad(product)).toThrow('the parameter must not be released');
      const attended = () => {
        const out = scaledDotProductAttention(x, w, w).sum();
        w.release();
        for (let i = 0; i < 9; i++) new Parameter(2, 2).data.fill(9);
        return out;
      };
      let got: ReturnType<typeof valueAndGrad> | undefined;
      try {
        got = valueAndGrad(attended);
      } catch (error) {
        expect((error as Error).message).toContain('the parameter must not be released');
      }
      if (got) expect((got.gradients.get(w) as Matrix).toArray()).toEqual((whole.gradients.get(w) as Matrix).toArray());
    });

    it('leaves rows and clones that were taken before as they were', () => {
      const parameter = new Parameter(2, 3, Float32Array.of(1, 2, 3, 4, 5, 6));
      const [row, part, copy] = [parameter.row(1), parameter.data.subarray(1, 3), parameter.clone()];
      parameter.release();
      for (let i = 0; i < 99; i++) new Parameter(2, 3).data.fill(7);
      expect([...row, ...part, ...copy.data]).toEqual([4, 5, 6, 2, 3, 1, 2, 3, 4, 5, 6]);
    });

    it('releases its own memory, whatever array stands in its place', () => {
      const [a, b] = [new Parameter(1, 2), new Parameter(1, 2, Float32Array.of(3, 4))];
      Object.defineProperty(a, 'data', { value: b.data, configurable: true });
      a.release();
      for (let i = 0; i < 99; i++) new Parameter(1, 2).data.fill(7);
      expect([...b.data]).toEqual([3, 4]);
    });
  });
});
