import { describe, expect, it, test } from 'vitest';
import {
  Adam,
  type AdamOptions,
  AdamW,
  LayerNorm,
  Linear,
  Matrix,
  Muon,
  Optimizer,
  Parameter,
  SGD,
  ShapeError,
} from '../../src/index.js';
import { groupsOf } from '../../src/train/parameter-groups.js';
import { expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';
import { gradientsLike } from './support.js';

const made = (seed: number) => new Parameter(3, 2, Matrix.randomNormal(3, 2, { seed }).data);
const three = () => [made(1), made(2), made(3)] as const;
const gradientsOf = (...parameters: Matrix[]) =>
  gradientsLike(...parameters.map((p, i) => [p, Matrix.randomNormal(p.rows, p.cols, { seed: 7 + i })] as const));

describe('groupsOf', () => {
  it('puts the options of a group over those of all, and names every parameter', () => {
    const [p, q, r] = three();
    const all: AdamOptions = { learningRate: 1, weightDecay: 2 };
    const given = [
      { parameters: [p], weightDecay: 0 },
      { parameters: [q, r], learningRate: 3, weightDecay: undefined },
    ];
    const found = groupsOf('X', given, all, ['learningRate', 'weightDecay']);
    expect(found.map(({ where, options, sharesRate }) => [where, options, sharesRate])).toEqual([
      ['X.groups.0', { learningRate: 1, weightDecay: 0 }, true],
      ['X.groups.1', { learningRate: 3, weightDecay: 2 }, false],
    ]);
    const names = found.map(({ parameters }) => parameters.map(({ name }) => name));
    expect(names).toEqual([['groups[0].parameters[0]'], ['groups[1].parameters[0]', 'groups[1].parameters[1]']]);
    expect(groupsOf('X', [p], all, [])).toEqual([
      { where: 'X', parameters: [{ name: 'parameters[0]', parameter: p }], options: all, sharesRate: true },
    ]);
  });
});

forEachTwin(() => {
  test.each([
    ['SGD', SGD, { momentum: 0.9, weightDecay: 0.5 }, { momentum: 0 }],
    ['Adam', Adam, { betas: [0.5, 0.75], weightDecay: 0.5 }, { epsilon: 0.1 }],
    ['AdamW', AdamW, { weightDecay: 0.5 }, { weightDecay: 0, betas: [0, 0.5] }],
    ['Muon', Muon, { weightDecay: 0.5 }, { iterations: 2, nesterov: false }],
  ] as const)('%s moves each group as an optimizer of its own does, to the bit', (_, Class, options, own) => {
    const Any = Class as new (parameters: unknown, options: object) => Optimizer;
    const [p, q, r] = three();
    const [p2, q2, r2] = three();
    const grouped = new Any([{ parameters: [p, q] }, { parameters: [r], learningRate: 0.2, ...own }], { ...options });
    const alone = [new Any([p2, q2], { ...options }), new Any([r2], { ...options, ...own, learningRate: 0.2 })];
    for (const rate of [undefined, 0.3]) {
      if (rate !== undefined) for (const optimizer of [grouped, alone[0]]) optimizer.learningRate = rate;
      grouped.step(gradientsOf(p, q, r));
      const gradients = gradientsOf(p2, q2, r2);
      for (const optimizer of alone) optimizer.step(gradients);
    }
    expectSame([...p.data, ...q.data, ...r.data], [...p2.data, ...q2.data, ...r2.data]);
    expect(grouped.groups.map(({ learningRate }) => learningRate)).toEqual([0.3, 0.2]);
    expect(grouped.groups.map(({ parameters }) => parameters)).toEqual([[p, q], [r]]);
  });
});

test('the rates of groups: shared, their own, set', () => {
  const [p, q, r] = three();
  const optimizer = new AdamW([{ parameters: [p] }, { parameters: [q], learningRate: 0.5 }, { parameters: [r] }]);
  const rates = () => [optimizer.learningRate, ...optimizer.groups.map(({ learningRate }) => learningRate)];
  expect(rates()).toEqual([1e-3, 1e-3, 0.5, 1e-3]);
  optimizer.learningRate = 0.25;
  expect(rates()).toEqual([0.25, 0.25, 0.5, 0.25]);
  optimizer.groups[1].learningRate = 0.75;
  optimizer.groups[2].learningRate = 0;
  expect(rates()).toEqual([0.25, 0.25, 0.75, 0]);
  for (const wrong of [-1, Number.NaN]) {
    expect(() => Object.assign(optimizer.groups[2], { learningRate: wrong })).toThrow(
      'AdamW.groups.2: learningRate must be a finite number of at least 0',
    );
  }
  expect(() => Object.assign(optimizer.groups[2], { lr: 1 })).toThrow(TypeError);
  expect(() => Object.assign(optimizer, { groups: [] })).toThrow(TypeError);
  expect(rates()).toEqual([0.25, 0.25, 0.75, 0]);

  const state = optimizer.stateDict();
  expect([...state.keys()].filter((name) => !/^\d/.test(name))).toEqual([
    'learningRate',
    'groups.0.learningRate',
    'groups.1.learningRate',
    'groups.2.learningRate',
  ]);
  expect([...state.keys()].filter((name) => name.endsWith('step'))).toEqual(['0.step', '1.step', '2.step']);
  const resumed = new AdamW([{ parameters: [p], learningRate: 9 }, { parameters: [q] }, { parameters: [r] }]);
  resumed.loadStateDict(state);
  expect(resumed.stateDict()).toEqual(state);
  const bad = new Map(state).set('groups.1.learningRate', { dtype: 'F64', shape: [], data: Float64Array.of(-1) });
  expect(() => resumed.loadStateDict(bad)).toThrow(ShapeError);
  expect(resumed.stateDict()).toEqual(state);
});

test('a plain list is one group, whose rate is that of the optimizer, under the keys of ever', () => {
  const optimizer = new SGD([made(1)], { learningRate: 0.5, momentum: 0.5 });
  expect([...optimizer.stateDict().keys()]).toEqual(['learningRate', '0.step', '0.momentum']);
  optimizer.groups[0].learningRate = 0.25;
  expect(optimizer.learningRate).toBe(0.25);
  optimizer.learningRate = 0.75;
  expect(optimizer.groups.map(({ learningRate }) => learningRate)).toEqual([0.75]);
});

test('the standard recipe: no decay on what is one row', () => {
  const [linear, norm] = [new Linear(3, 3, { bias: true, seed: 1 }), new LayerNorm(3)];
  const all = [...linear.parameters(), ...norm.parameters()];
  const before = all.map((p) => p.clone());
  const isRow = (p: Matrix) => p.rows === 1;
  const groups = [{ parameters: all.filter((p) => !isRow(p)) }, { parameters: all.filter(isRow), weightDecay: 0 }];
  const zeros = gradientsLike(...all.map((p) => [p, new Matrix(p.rows, p.cols)] as const));
  new AdamW(groups, { learningRate: 0.5, weightDecay: 0.5 }).step(zeros);
  all.forEach((p, i) => {
    expectSame(p.data, before[i].scale(isRow(p) ? 1 : 0.75).data);
  });
});

test('what is refused', () => {
  const [p, q] = three();
  const wrong: [given: unknown, message: string][] = [
    [[{ parameters: [p] }, { parameters: [q, p] }], 'groups[1].parameters[1] is groups[0].parameters[0]'],
    [[{ parameters: [] }], 'AdamW: parameters must hold at least one matrix: got an empty list'],
    [[{ parameters: [p], momentum: 1 }], 'AdamW.groups.0: every option must be known'],
    [[{ parameters: [p], weightDecay: -1 }], 'AdamW.groups.0: weightDecay must be'],
    [[{ parameters: [p], learningRate: -1 }], 'AdamW.groups.0: learningRate must be'],
    [[{ parameters: p }], 'AdamW: groups[0].parameters must be an array'],
    [[{}], 'AdamW: groups[0].parameters must be an array'],
    [[p, { parameters: [q] }], 'AdamW: parameters must be matrices or groups, not both: parameters[0] is a Matrix'],
    [new Linear(2, 2), 'AdamW: parameters must be an array: got a Module (its parameters() are one)'],
    [[{ parameters: new Linear(2, 2) }], 'AdamW: groups[0].parameters must be an array: got a Module'],
  ];
  for (const [given, message] of wrong) expect(() => new AdamW(given as never)).toThrow(message);
  const all = [{ parameters: [p], weightDecay: 0 }];
  expect(() => new AdamW(all, { weightDecay: -1 })).toThrow('AdamW: weightDecay must be'); // though no group reads it
});

test('every optimizer is an Optimizer, which is none itself', () => {
  for (const Class of [SGD, Adam, AdamW, Muon]) expect(new Class([made(1)])).toBeInstanceOf(Optimizer);
  expect(() => new (Optimizer as unknown as new (...args: unknown[]) => Optimizer)([made(1)])).toThrow(
    'Optimizer: a rule must be chosen: got the base of all (new AdamW(…), say)',
  );
});
