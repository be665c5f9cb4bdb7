import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { MultiHeadAttention } from '../../src/nn/attention/multi-head-attention.js';
import { Dropout } from '../../src/nn/dropout.js';
import { Module } from '../../src/nn/module.js';
import { expectClose, expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

const x = Matrix.randomUniform(40, 25, { seed: 1, low: 1, high: 2 });

class Model extends Module {
  readonly attention = new MultiHeadAttention({ dModel: 4, numHeads: 2, dropout: 0.5 });
  readonly drops = [new Dropout(0.25, 7), new Dropout(0.25, 8)];
}

forEachTwin(({ tolerance }) => {
  describe('Dropout', () => {
    it('drops its share of the entries and divides the rest', () => {
      const { data } = new Dropout(0.25, 7).forward(x);
      const dropped = data.filter((value) => value === 0).length;
      // The number is binomial: five standard deviations of 1000 draws.
      expect(Math.abs(dropped - 250)).toBeLessThan(5 * Math.sqrt(1000 * 0.25 * 0.75));
      const kept = x.scale(1 / 0.75).data.map((value, i) => (data[i] === 0 ? 0 : value));
      expectClose(data, kept, tolerance);
      expectSame(new Dropout(1, 7).forward(x).data, new Float32Array(1000));
    });

    it('drops others in every call and with every seed, the same again from the same counter', () => {
      const drop = new Dropout(0.5, 7);
      const [first, second] = [drop.forward(x), drop.forward(x)];
      expect([...first.data]).not.toEqual([...second.data]);
      expect([...first.data]).not.toEqual([...new Dropout(0.5, 8).forward(x).data]);
      expect(drop.dropoutCalls).toBe(2);
      drop.dropoutCalls = 1;
      expectSame(drop.forward(x).data, second.data);
    });

    it('drops and counts in training mode only', () => {
      const drop = new Dropout(0.5, 7).eval();
      expect(drop.forward(x)).toBe(x);
      expect(new Dropout(0, 7).forward(x)).toBe(x);
      expect(drop.dropoutCalls).toBe(0);
    });

    it('drops in the gradient what it dropped in the value', () => {
      const drop = new Dropout(0.5, 7);
      const { gradients } = valueAndGrad(() => drop.forward(x).sum());
      drop.dropoutCalls = 0;
      const ones = drop.forward(x).divide(x);
      expectClose((gradients.get(x) as Matrix).data, ones.data, tolerance);
    });
  });

  it('a model goes on from its dropout state as if it had not stopped', () => {
    const [model, copy] = [new Model(), new Model()];
    const call = ({ attention, drops }: Model) => drops.reduce((y, drop) => drop.forward(y), attention.forward(tokens));
    const tokens = x.sliceColumns(0, 4);
    call(model);
    call(model);
    copy.loadStateDict(model.stateDict());
    copy.loadDropoutState(model.dropoutState());
    expect(copy.attention.dropoutCalls).toBe(2);
    expectSame(call(copy).data, call(model).data);
  });
});

describe('the dropout state of a module', () => {
  it('has the seed and the calls of every module that drops, itself too', () => {
    const model = new Model();
    model.drops[1].dropoutCalls = 5;
    const state = model.dropoutState();
    expect([...state.keys()]).toEqual(['attention.dropout', 'drops.0.dropout', 'drops.1.dropout']);
    expect(state.get('drops.1.dropout')).toEqual({ dtype: 'F64', shape: [2], data: Float64Array.of(8, 5) });
    expect([...new Dropout(0, 3).dropoutState()]).toEqual([
      ['dropout', { dtype: 'F64', shape: [2], data: Float64Array.of(3, 0) }],
    ]);
  });

  it('has nothing of a module that counts no calls, whatever its seed is called', () => {
    class Own extends Module {
      dropoutSeed = 7;
      readonly drop = new Dropout(0.5, 8);
    }
    expect([...new Own().dropoutState().keys()]).toEqual(['drop.dropout']);
  });

  it('holds the largest seed and count', () => {
    const drop = new Dropout(0.5, Number.MAX_SAFE_INTEGER);
    drop.dropoutCalls = Number.MAX_SAFE_INTEGER;
    const copy = new Dropout(0.5, 1);
    copy.loadDropoutState(drop.dropoutState());
    expect([copy.dropoutSeed, copy.dropoutCalls]).toEqual([Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
  });

  it('loads whole or not at all', () => {
    const model = new Model();
    const before = model.dropoutState();
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) {
      const state = new Model().dropoutState();
      state.set('drops.1.dropout', { dtype: 'F64', shape: [2], data: Float64Array.of(1, bad) });
      expect(() => model.loadDropoutState(state)).toThrow(`the calls of drops.1.dropout must be`);
      state.set('drops.1.dropout', { dtype: 'F64', shape: [2], data: Float64Array.of(bad, 1) });
      expect(() => model.loadDropoutState(state)).toThrow(`the seed of drops.1.dropout must be`);
    }
    expect(() => model.loadDropoutState(model.stateDict())).toThrow('exactly the names of dropoutState()');
    expect(model.dropoutState()).toEqual(before);
  });
});
