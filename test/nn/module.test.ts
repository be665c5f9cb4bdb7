import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { Parameter } from '../../src/matrix/parameter.js';
import { SelfAttention } from '../../src/nn/attention/self-attention.js';
import { FeedForward } from '../../src/nn/layers/feed-forward.js';
import { Linear } from '../../src/nn/layers/linear.js';
import { LayerNorm } from '../../src/nn/layers/norms.js';
import { Module } from '../../src/nn/module.js';
import { SGD } from '../../src/train/sgd.js';

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

  it('loads what lies in its own parameters: two layers may change places', () => {
    class Pair extends Module {
      readonly a = new Linear(2, 2, { seed: 1 });
      readonly b = new Linear(2, 2, { seed: 2 });
    }
    const pair = new Pair();
    const [a, b] = [pair.a.W.clone(), pair.b.W.clone()];
    const live = ({ W }: Linear) => ({ dtype: 'F32' as const, shape: [2, 2], data: W.data });
    pair.loadStateDict(new Map([...Object.entries({ 'a.W': live(pair.b), 'b.W': live(pair.a) })]));
    expect([pair.a.W.toArray(), pair.b.W.toArray()]).toEqual([b.toArray(), a.toArray()]);
  });

  it('changes nothing when a state does not fit, however late that shows', () => {
    const model = new Model();
    const before = model.stateDict();
    const state = new Model().stateDict();
    for (const { data } of state.values()) (data as Float32Array).fill(9);
    state.set('own', { dtype: 'F32', shape: [1, 2], data: new Float32Array(2) });
    expect(() => model.loadStateDict(state)).toThrow('Module.loadStateDict: own must have shape [1, 1]: got [1, 2]');
    state.delete('own');
    state.set('extra', { dtype: 'F32', shape: [1, 1], data: new Float32Array(1) });
    expect(() => model.loadStateDict(state)).toThrow('missing own; unknown extra');
    expect(model.stateDict()).toEqual(before);
    const last = [...model.namedParameters().values()].at(-1);
    const whole = new Model().stateDict();
    for (const { data } of whole.values()) (data as Float32Array).fill(9);
    last?.release();
    expect(() => model.loadStateDict(whole)).toThrow('Parameter.data: the parameter must not be released');
    expect(model.first.W.clone().data).toEqual(before.get('first.W')?.data);
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

/** A part of every kind of place that is looked into. */
class Everywhere extends Module {
  readonly heads = { en: new Linear(2, 3, { seed: 1 }), deep: { de: [new Linear(3, 2, { seed: 2 })] } };
  readonly byName = new Map<unknown, unknown>([
    ['first', new LayerNorm(2)],
    [7, { inner: new Parameter(1, 2) }],
    [Symbol('third'), new Parameter(1, 3)],
  ]);
  readonly several = new Set([new Parameter(1, 4), new LayerNorm(5)]);
  readonly bare = Object.assign(Object.create(null), { p: new Parameter(1, 6) });
  readonly attention = new SelfAttention({ dModel: 2, dropout: 0.5, seed: 1 });
  readonly list = [{ dropping: new FeedForward({ dModel: 2, dHidden: 2, dropout: 0.5, seed: 1 }) }];
}

const EVERYWHERE = [
  'heads.en.W',
  'heads.deep.de.0.W',
  'byName.first.gain',
  'byName.first.bias',
  'byName.7.inner',
  'byName.2',
  'several.0',
  'several.1.gain',
  'several.1.bias',
  'bare.p',
  'attention.W_Q',
  'attention.W_K',
  'attention.W_V',
  'list.0.dropping.W_1',
  'list.0.dropping.W_2',
];

describe('parts in plain objects, Maps, Sets and arrays', () => {
  it('are found under stable names, by everything that asks for them', () => {
    const model = new Everywhere();
    expect([...model.namedParameters().keys()]).toEqual(EVERYWHERE);
    expect(model.parameters()).toHaveLength(EVERYWHERE.length);
    expect([...model.stateDict().keys()]).toEqual(EVERYWHERE);
    expect([...model.dropoutState().keys()]).toEqual(['attention.dropout', 'list.0.dropping.dropout']);
    model.eval();
    const { en, deep } = model.heads;
    const modules = [model, en, deep.de[0], model.byName.get('first'), model.attention, model.list[0].dropping];
    expect(modules.map((module) => (module as Module).training)).toEqual(modules.map(() => false));
    model.train();
    expect(modules.map((module) => (module as Module).training)).toEqual(modules.map(() => true));
  });

  it('are trained, saved and loaded', () => {
    const [model, copy] = [new Everywhere(), new Everywhere()];
    for (const parameter of model.parameters()) parameter.data.fill(7);
    copy.loadStateDict(model.stateDict());
    expect(copy.parameters().every(({ data }) => data.every((x) => x === 7))).toBe(true);
    const { gradients } = valueAndGrad(() => model.heads.en.forward(new Matrix(1, 2, Float32Array.of(1, 2))).sum());
    new SGD(model.parameters(), { learningRate: 1 }).step(gradients);
    expect(model.heads.en.W.toArray()).toEqual([
      [6, 6, 6],
      [5, 5, 5],
    ]);
    model.attention.dropoutCalls = 3;
    copy.loadDropoutState(model.dropoutState());
    expect(copy.attention.dropoutCalls).toBe(3);
  });

  it('that contain themselves or one another are walked once', () => {
    const list: unknown[] = [new LayerNorm(2)];
    list.push(list);
    const object: Record<string, unknown> = { list };
    object.self = object;
    const map = new Map<string, unknown>([['object', object]]);
    map.set('map', map);
    const set = new Set<unknown>([map]);
    set.add(set);
    const model = Object.assign(new Module(), { set, list });
    set.add(model);
    expect([...model.namedParameters().keys()]).toEqual(['set.0.object.list.0.gain', 'set.0.object.list.0.bias']);
    expect(model.eval().training).toBe(false);
  });

  it('may lie as deep as they like', () => {
    let chain: object = new Parameter(1, 1);
    for (let i = 0; i < 100_000; i++) chain = i % 2 === 0 ? { chain } : [chain];
    expect(Object.assign(new Module(), { chain }).parameters()).toHaveLength(1);
    const last = new Module();
    let modules = last;
    for (let i = 0; i < 20_000; i++) modules = Object.assign(new Module(), { next: modules });
    expect(modules.eval().training || last.training).toBe(false);
  });

  it('are not looked for in matrices, typed arrays and instances of other classes', () => {
    class Holder {
      p = new Parameter(1, 1);
    }
    const model = Object.assign(new Module(), {
      holder: new Holder(),
      matrix: Object.defineProperty(new Matrix(1, 1), 'p', { value: new Parameter(1, 1), enumerable: true }),
      floats: Object.assign(new Float32Array(4), { p: new Parameter(1, 1) }),
      keys: new Map([[new Parameter(1, 1), 1]]),
      inner: {
        get computed(): Parameter {
          throw new Error('a getter was run');
        },
      },
    });
    Object.defineProperty(model, 'own', { enumerable: true, get: () => model.inner.computed });
    expect(model.parameters()).toEqual([]);
  });

  it('with one name for two parameters are refused, for all but a mode', () => {
    const clashes: object[] = [
      { 'a.b': new Parameter(1, 1), a: { b: new Parameter(1, 1) } },
      { a: new Map<unknown, unknown>().set('1', new Parameter(1, 1)).set({}, new Parameter(1, 1)) },
      { 'a.0': new LayerNorm(1), a: [new LayerNorm(1)] },
    ];
    for (const parts of clashes) {
      const model = Object.assign(new Module(), parts);
      for (const call of ['namedParameters', 'parameters', 'stateDict'] as const) {
        expect(() => model[call]()).toThrow(
          /^Module.namedParameters: every name must belong to one parameter: two are "a/,
        );
      }
      expect(() => model.loadStateDict(new Map())).toThrow('every name must belong to one parameter');
      expect(model.eval().training).toBe(false);
    }
    const shared = new Parameter(1, 1);
    expect(Object.assign(new Module(), { 'a.b': shared, a: { b: shared } }).parameters()).toEqual([shared]);
    const drops = () => new FeedForward({ dModel: 1, dHidden: 1, dropout: 0.5, seed: 1 });
    const twice = Object.assign(new Module(), { 'a.b': drops(), a: { b: drops() } });
    expect(() => twice.dropoutState()).toThrow(
      'Module.dropoutState: every name must belong to one dropout: two are "a.b',
    );
    expect(() => twice.loadDropoutState(new Map())).toThrow('Module.loadDropoutState: every name must belong');
  });
});

describe('frozen objects', () => {
  const x = new Matrix(1, 2);
  const dropping = () => new FeedForward({ dModel: 2, dHidden: 2, dropout: 0.5, seed: 1 });
  class Net extends Module {
    readonly first = dropping();
    readonly parts = Object.freeze({ list: Object.freeze([dropping()]) });
    readonly last = Object.freeze(dropping());
  }

  it('may hold modules', () => {
    class Held extends Module {
      readonly parts = Object.freeze({ list: Object.freeze([dropping()]) });
    }
    const held = new Held();
    expect(held.eval().parts.list[0].training).toBe(false);
    expect([...held.dropoutState().keys()]).toEqual(['parts.list.0.dropout']);
  });

  it('that are modules are refused before another is changed', () => {
    const net = new Net();
    const text = (method: string, name: string) => `Module.${method}: no module may be frozen: ${name} is`;
    expect(() => net.eval()).toThrow(new TypeError(text('train', '"last"')));
    expect(() => net.last.eval()).toThrow('FeedForward.train: no module may be frozen: this one is');
    expect([net, net.first, net.parts.list[0]].map(({ training }) => training)).toEqual([true, true, true]);
    expect(net.train()).toBe(net); // changes nothing
    const state = new Net().dropoutState();
    net.first.forward(x);
    expect(() => net.loadDropoutState(state)).toThrow(new TypeError(text('loadDropoutState', '"last.dropout"')));
    expect(net.first.dropoutCalls).toBe(1);
  });

  it('that drop put back what others counted', () => {
    const net = new Net();
    expect(() => valueAndGrad(() => net.last.forward(net.first.forward(x)).sum())).toThrow(TypeError);
    expect(() => valueAndGrad(() => net.first.forward(net.last.forward(net.first.forward(x))).sum())).toThrow(
      TypeError,
    );
    expect([net.first.dropoutCalls, net.last.dropoutCalls]).toEqual([0, 0]);
  });
});

describe('the name that messages say', () => {
  it('is that of the nearest class that names itself', () => {
    const load = (module: Module) => () => module.loadStateDict(new Map([['x', undefined as never]]));
    class Block extends Module {}
    class Wide extends Linear {}
    class Named extends Linear {
      static override get name(): string {
        return 'Named';
      }
    }
    expect(load(new Block())).toThrow(/^Module.loadStateDict: /);
    expect(load(new (class extends Module {})())).toThrow(/^Module.loadStateDict: /);
    expect(load(new Wide(1, 1))).toThrow(/^Linear.loadStateDict: /);
    expect(load(new Named(1, 1))).toThrow(/^Named.loadStateDict: /);
    expect(load(Object.assign(new Wide(1, 1), { constructor: undefined }))).toThrow(/^Linear.loadStateDict: /);
  });
});
