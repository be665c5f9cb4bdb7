import { expect, test } from 'vitest';
import { Matrix, Muon, type MuonOptions, Parameter, ShapeError } from '../../src/index.js';
import { isFloat64 } from '../../src/kernels/state.js';
import { wrap } from '../../src/matrix/matrix.js';
import { expectClose, expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';
import { gradientsLike, sparseLike } from './support.js';

interface Case {
  rows: number;
  cols: number;
  options: MuonOptions;
  start: number[];
  gradients: number[][];
  torch: number[];
  exact: number[];
}

/** The learning rate of all cases. */
const RATE = 0.1;

/**
 * torch.optim.Muon of PyTorch 2.13.0 with lr 0.1 after three steps, transposed to (in × out): `torch` as it is, which
 * iterates in bfloat16; `exact` with its function for the iterations replaced by the same lines in float64.
 */
const CASES: Case[] = [
  {
    rows: 3,
    cols: 3,
    options: {},
    start: [0.765625, 0.28125, 0.203125, -0.140625, -0.546875, 0.421875, -1.09375, -0.703125, -0.359375],
    gradients: [
      [-0.375, -0.875, 0.125, -0.625, 1.125, -0.5625, 0.1875, -1.0625, 0.375],
      [-0.875, 1.4375, 0.1875, -1.5, 0.9375, 1.25, 0.375, 0.75, -1.3125],
      [-0.8125, 0.5, 0.5625, -0.0, -1.3125, -2.25, -0.6875, 0.1875, 0.25],
    ],
    torch: [
      0.96344131, 0.25026581, 0.18390203, -0.027942436, -0.60604364, 0.54898357, -1.0564288, -0.5817973, -0.23168285,
    ],
    exact: [
      0.957064777321, 0.25063869508, 0.180607135027, -0.0286542517667, -0.602136580449, 0.554324135136, -1.06046513014,
      -0.579533257945, -0.22671788201,
    ],
  },
  {
    rows: 2,
    cols: 4,
    options: {},
    start: [-0.515625, 0.140625, -0.015625, -0.0, -0.25, -0.453125, 0.140625, -0.453125],
    gradients: [
      [-1.0625, 0.1875, 2.0625, 0.0625, -0.25, -0.25, -0.0625, -0.75],
      [1.125, 0.1875, -1.5, 1.3125, 2.75, -0.9375, -0.6875, 0.0625],
      [-0.3125, 1.875, -0.4375, -1.5625, -0.125, 3.125, -0.3125, 1.25],
    ],
    torch: [-0.42339674, 0.0080660973, -0.066907875, -0.037076864, -0.3442665, -0.41451001, 0.19385107, -0.34996611],
    exact: [
      -0.422643399848, 0.00678810582416, -0.0672972184184, -0.0358530648027, -0.342348943703, -0.412500359107,
      0.193447500639, -0.349003879044,
    ],
  },
  {
    rows: 5,
    cols: 2,
    options: { nesterov: false, momentum: 0.8, weightDecay: 0.3 },
    start: [0.703125, 0.4375, 0.578125, 0.390625, 0.21875, 0.03125, -0.859375, 0.109375, -0.671875, 0.28125],
    gradients: [
      [-0.5625, 0.4375, 0.0, -1.0, 0.125, 0.6875, 1.0, -0.75, -0.4375, -0.625],
      [-0.625, -0.125, -0.1875, -0.1875, -1.75, -0.625, 0.875, 0.25, 0.25, 0.5625],
      [-0.6875, -1.125, -1.1875, -2.5, 1.375, 0.875, 2.375, -2.6875, -0.5625, -0.0625],
    ],
    torch: [
      0.7337178, 0.37602288, 0.56290799, 0.57756639, 0.23755817, -0.012294887, -0.96797061, 0.23480053, -0.57268208,
      0.28810105,
    ],
    exact: [
      0.733826962462, 0.37581058223, 0.56128439302, 0.580463371151, 0.239243862969, -0.0120597268948, -0.967655195919,
      0.236460196682, -0.572785052858, 0.287856836683,
    ],
  },
  {
    rows: 3,
    cols: 4,
    options: { rateAdjustment: 'matchAdamW', iterations: 3 },
    start: [
      0.25, -0.53125, -0.078125, 0.0, -0.265625, -0.28125, -0.125, 0.109375, -0.125, -0.0625, -0.546875, -0.40625,
    ],
    gradients: [
      [-0.6875, 0.75, -0.5, 0.0625, 1.4375, 2.0, 1.3125, -0.1875, 1.9375, 0.6875, 0.375, -0.5],
      [-2.0, 0.4375, -1.25, 1.25, 0.625, 0.3125, -0.0625, -0.875, -0.125, 1.625, 1.1875, -1.1875],
      [1.125, 0.4375, 2.0625, -1.4375, 0.6875, 0.125, 0.9375, -1.375, -0.0625, -1.4375, 0.3125, -0.8125],
    ],
    torch: [
      0.30124512, -0.58180249, -0.058523446, -0.006529355, -0.30232036, -0.33212182, -0.13615052, 0.11609773,
      -0.15064485, -0.054092254, -0.54651845, -0.34629288,
    ],
    exact: [
      0.300892333344, -0.581581860269, -0.0586525157999, -0.00661655471158, -0.30277437684, -0.332832441951,
      -0.135865183321, 0.116229903645, -0.150765745049, -0.0541744204471, -0.546747621231, -0.346345212852,
    ],
  },
];

const ratioOf = ({ rows, cols, options }: Case) =>
  options.rateAdjustment === 'matchAdamW' ? 0.2 * Math.sqrt(Math.max(rows, cols)) : Math.sqrt(Math.max(1, cols / rows));

const matrixOf = (rows: number, cols: number, data: number[]) =>
  wrap(rows, cols, isFloat64() ? Float64Array.from(data) : Float32Array.from(data));

function trained({ rows, cols, options, start, gradients }: Case): Matrix {
  const p = matrixOf(rows, cols, start);
  const optimizer = new Muon([p], { learningRate: RATE, ...options });
  for (const gradient of gradients) optimizer.step(gradientsLike([p, matrixOf(rows, cols, gradient)]));
  return p;
}

forEachTwin(({ name }) => {
  test.each(CASES)('as PyTorch: $rows×$cols $options', (one) => {
    const { data } = trained(one);
    // The error of the entries is that of float32, grown by the slope of the iterations (3.4445 each); 12 digits of exact.
    expectClose(data, one.exact, name === 'float64' ? 1e-10 : 1e-6);
    // Two roundings to 8 bits an iteration, in each of three steps.
    const iterations = one.options.iterations ?? 5;
    const bound = 3 * RATE * ratioOf(one) * 2 * iterations * 2 ** -8;
    for (const [i, value] of data.entries()) expect(Math.abs(value - one.torch[i])).toBeLessThan(bound);
  });

  test('the step of a large matrix is nearly orthogonal, whichever side is longer, and moves all singular values', () => {
    for (const [rows, cols] of [
      [40, 90],
      [90, 40],
      [64, 64],
    ]) {
      const p = new Parameter(rows, cols);
      const gradient = Matrix.randomNormal(rows, cols, { seed: rows });
      new Muon([p], { learningRate: 1, weightDecay: 0 }).step(gradientsLike([p, gradient]));
      const ratio = Math.sqrt(Math.max(1, cols / rows));
      const short = rows < cols ? p.matmul(p, { transposeB: true }) : p.matmul(p, { transposeA: true });
      const n = Math.min(rows, cols);
      // Singular values from 0.68 to 1.13, as the coefficients promise for all but the smallest of a square matrix.
      const trace = short.multiply(Matrix.identity(n)).sum().get(0, 0) / ratio ** 2 / n;
      expect(trace).toBeGreaterThan(0.6);
      expect(trace).toBeLessThan(1.3);
      expect(p.multiply(gradient).sum().get(0, 0)).toBeLessThan(0);
    }
  });

  test('a gradient of zeros moves nothing but by decay, and an empty matrix has no step', () => {
    const [p, empty] = [matrixOf(2, 2, [1, 2, 3, 4]), new Matrix(2, 0)];
    const optimizer = new Muon([p, empty], { learningRate: 0.5, weightDecay: 0.5 });
    optimizer.step(gradientsLike([p, new Matrix(2, 2)], [empty, new Matrix(2, 0)]));
    expectSame(p.data, [0.75, 1.5, 2.25, 3]);
  });
});

test('the defaults are those of PyTorch', () => {
  const options = {
    learningRate: 1e-3,
    momentum: 0.95,
    nesterov: true,
    weightDecay: 0.1,
    epsilon: 1e-7,
    iterations: 5,
  };
  const written = { ...options, coefficients: [3.4445, -4.775, 2.0315], rateAdjustment: 'original' } as const;
  const [p, q] = [written, undefined].map((given) => {
    const x = matrixOf(2, 3, [1, 2, 3, 4, 5, 7]);
    const optimizer = new Muon([x], given);
    for (const seed of [1, 2]) optimizer.step(gradientsLike([x, Matrix.randomNormal(2, 3, { seed, std: 1e-7 })]));
    return x;
  });
  expectSame(q.data, p.data);
});

test('rows are refused: biases, gains, and the gradients of tables', () => {
  const [bias, table] = [new Parameter(1, 4), new Parameter(6, 3)];
  expect(() => new Muon([table, bias])).toThrow(ShapeError);
  expect(() => new Muon([table, bias])).toThrow(
    'Muon: parameters[1] must have at least 2 rows: it is 1×4 (biases and gains are rows: give them to AdamW)',
  );
  const optimizer = new Muon([table]);
  const before = optimizer.stateDict();
  expect(() => optimizer.step(sparseLike(table, [1], new Matrix(1, 3)))).toThrow(
    'Muon.step: parameters[0] must have a gradient of all its rows: got rows (give tables to AdamW)',
  );
  expect(optimizer.stateDict()).toEqual(before);
});

test('it goes on to the bit where its state is loaded', () => {
  const make = () =>
    matrixOf(
      3,
      4,
      Array.from({ length: 12 }, (_, i) => i / 8),
    );
  const gradient = (seed: number) => Matrix.randomNormal(3, 4, { seed });
  const [p, q] = [make(), make()];
  const optimizer = new Muon([p], { learningRate: 0.1 });
  optimizer.step(gradientsLike([p, gradient(1)]));
  q.data.set(p.data);
  const resumed = new Muon([q], { learningRate: 7 });
  resumed.loadStateDict(optimizer.stateDict());
  optimizer.step(gradientsLike([p, gradient(2)]));
  resumed.step(gradientsLike([q, gradient(2)]));
  expectSame(q.data, p.data);
});
