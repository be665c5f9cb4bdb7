import { describe, expect, it } from 'vitest';
import { Matrix } from '../../src/matrix.js';
import { Linear } from '../../src/nn/linear.js';
import { Module } from '../../src/nn/module.js';
import { LayerNorm } from '../../src/nn/norms.js';
import { Parameter } from '../../src/parameter.js';

class Model extends Module {
  readonly first = new Linear(2, 3, { bias: true, seed: 1 });
  readonly layers = [new LayerNorm(3), new LayerNorm(3)];
  readonly own = new Parameter(1, 1);
  readonly tied = this.first.W;
  readonly notes = { words: 'not a parameter' };
  readonly plain = new Matrix(2, 2);
}

const names = ['first.W', 'first.b', 'layers.0.gain', 'layers.0.bias', 'layers.1.gain', 'layers.1.bias', 'own'];

describe('Module', () => {
  it('finds parameters in order, in modules and arrays, shared ones once', () => {
    const model = new Model();
    expect([...model.namedParameters().keys()]).toEqual(names);
    expect(model.parameters()[0]).toBe(model.first.W);
    expect(model.parameters()).toHaveLength(7);
  });

  it('looks into arrays of arrays, and past whatever else they hold', () => {
    class Grid extends Module {
      readonly rows = [[new LayerNorm(2)], [null, 'words', new Parameter(1, 1)]];
    }
    const grid = new Grid();
    expect([...grid.namedParameters().keys()]).toEqual(['rows.0.0.gain', 'rows.0.0.bias', 'rows.1.2']);
    grid.eval();
    expect((grid.rows[0][0] as LayerNorm).training).toBe(false);
  });

  it('survives modules that know each other', () => {
    const [a, b] = [new Model() as Model & { other?: Module }, new Model() as Model & { other?: Module }];
    a.other = b;
    b.other = a;
    expect(a.parameters()).toHaveLength(14);
    expect(a.eval().training).toBe(false);
  });

  it('saves copies and loads them', () => {
    const [model, copy] = [new Model(), new Model()];
    model.first.W.data.fill(7);
    const state = model.stateDict();
    expect([...state.keys()]).toEqual(names);
    expect(state.get('first.W')).toEqual({ dtype: 'F32', shape: [2, 3], data: new Float32Array(6).fill(7) });
    copy.loadStateDict(state);
    expect(copy.first.W.toArray()).toEqual(model.first.W.toArray());
    for (const { data } of state.values()) (data as Float32Array).fill(0);
    expect(copy.first.W.get(0, 0)).toBe(7);
    expect(model.first.W.get(0, 0)).toBe(7);
  });

  it('changes nothing when a state does not fit, however late that shows', () => {
    const model = new Model();
    const before = model.stateDict();
    const state = new Model().stateDict();
    for (const { data } of state.values()) (data as Float32Array).fill(9);
    state.set('own', { dtype: 'F32', shape: [1, 2], data: new Float32Array(2) });
    expect(() => model.loadStateDict(state)).toThrow('Model.loadStateDict: own must have shape [1, 1]: got [1, 2]');
    state.delete('own');
    state.set('extra', { dtype: 'F32', shape: [1, 1], data: new Float32Array(1) });
    expect(() => model.loadStateDict(state)).toThrow('missing own; unknown extra');
    expect(model.stateDict()).toEqual(before);
  });

  it('trains and evaluates all the way down', () => {
    const model = new Model();
    expect(model.training && model.layers[1].training).toBe(true);
    expect(model.eval()).toBe(model);
    expect(model.training || model.first.training || model.layers[1].training).toBe(false);
    model.train();
    expect(model.training && model.layers[0].training).toBe(true);
  });
});
