import { Matrix } from '../../src/matrix/matrix.js';
import { gelu, logSoftmax, relu, silu, softmax } from '../../src/ops/activations.js';
import { KVCache } from '../../src/ops/cache/kv-cache.js';
import { dropout } from '../../src/ops/dropout.js';
import { gatherRows } from '../../src/ops/embedding.js';
import { crossEntropy, meanSquaredError } from '../../src/ops/losses.js';
import { layerNorm, rmsNorm } from '../../src/ops/normalization.js';
import { pack, unpack } from '../../src/ops/packing.js';
import { addSinusoidalPositions } from '../../src/ops/positions.js';
import { rotary } from '../../src/ops/rotary.js';
import { type Differentiable, gridded } from '../support/differences.js';

/** Cases of one operation, by what is special about them. */
export type GradientCases = Record<string, Differentiable>;

type Shape = readonly [rows: number, cols: number];

/** Inputs of these shapes, from `low` to `high`. */
function of(shapes: readonly Shape[], f: Differentiable['f'], low = -2, high = 2): Differentiable {
  return { inputs: () => shapes.map(([rows, cols], i) => gridded(rows, cols, i + 1, low, high)), f };
}

/** What either operand stands for where it has one row or one column, and numbers; an operand with itself, and no rows. */
function elementwise(f: (a: Matrix, b: Matrix | number) => Matrix, low = -2, high = 2): GradientCases {
  const broadcasting: Record<string, [Shape, Shape]> = {
    'a column repeated': [
      [3, 4],
      [3, 1],
    ],
    'a 1×1 repeated': [
      [3, 4],
      [1, 1],
    ],
    'the first, a row, repeated': [
      [1, 4],
      [3, 4],
    ],
    'the first, a column, repeated': [
      [3, 1],
      [3, 4],
    ],
    'a column and a row': [
      [3, 1],
      [1, 4],
    ],
    'a column repeated no times': [
      [3, 0],
      [3, 1],
    ],
  };
  const repeated = Object.entries(broadcasting).map(([name, shapes]) => [name, of(shapes, f, low, high)] as const);
  return {
    ...Object.fromEntries(repeated),
    'a number': of([[3, 4]], (a) => f(a, 0.75), low, high),
    'of one shape': of(
      [
        [3, 4],
        [3, 4],
      ],
      f,
      low,
      high,
    ),
    'a row repeated': of(
      [
        [3, 4],
        [1, 4],
      ],
      f,
      low,
      high,
    ),
    'of one row': of(
      [
        [1, 4],
        [1, 4],
      ],
      f,
      low,
      high,
    ),
    'with itself': of([[3, 4]], (a) => f(a, a), low, high),
    'a row repeated no times': of(
      [
        [0, 4],
        [1, 4],
      ],
      f,
      low,
      high,
    ),
  };
}

const entrywise = (f: (x: Matrix) => Matrix, low = -2, high = 2): GradientCases => ({
  '3×4': of([[3, 4]], f, low, high),
  'no rows': of([[0, 4]], f, low, high),
});

/** Entry (1, 2) is −∞, and so is row 2. */
function withInfinities(x: Matrix): Matrix {
  x.set(1, 2, Number.NEGATIVE_INFINITY);
  x.row(2).fill(Number.NEGATIVE_INFINITY);
  return x;
}

const alongAxes = (f: (x: Matrix, axis: 0 | 1 | -1) => Matrix): GradientCases => ({
  'along axis 0': of([[3, 4]], (x) => f(x, 0)),
  'along axis 1': of([[3, 4]], (x) => f(x, 1)),
  'along axis -1': of([[5, 9]], (x) => f(x, -1)),
});

/** 3×4, two of three entries true. */
const flags = () => Matrix.fromFlat(3, 4, [1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1]);

/** Softmaxes: also of large logits, −∞ among them, and widths around those of vectors. */
const ofRows = (f: (x: Matrix) => Matrix): GradientCases => ({
  ...entrywise(f),
  'one column': of([[3, 1]], f),
  '9 columns': of([[2, 9]], f, -8, 8),
  infinities: { inputs: () => [withInfinities(gridded(3, 5, 1))], f },
});

const norm = (f: (x: Matrix, gain?: Matrix, bias?: Matrix) => Matrix, takesBias: boolean): GradientCases => ({
  'x alone': of([[3, 5]], (x) => f(x)),
  gain: of(
    [
      [3, 5],
      [1, 5],
    ],
    (x, gain) => f(x, gain),
  ),
  ...(takesBias && {
    bias: of(
      [
        [3, 5],
        [1, 5],
      ],
      (x, bias) => f(x, undefined, bias),
    ),
    'gain and bias': of(
      [
        [3, 5],
        [1, 5],
        [1, 5],
      ],
      f,
    ),
  }),
  'one row': of(
    [
      [1, 5],
      [1, 5],
    ],
    (x, gain) => f(x, gain),
  ),
  'x is its own gain': of([[1, 5]], (x) => f(x, x)),
  'no rows': of(
    [
      [0, 5],
      [1, 5],
    ],
    (x, gain) => f(x, gain),
  ),
});

const cached = (q: Matrix): Matrix => {
  const cache = new KVCache({ capacity: 5, numKvHeads: 2, dK: 2 });
  cache.append(gridded(4, 4, 8), gridded(4, 4, 9));
  return cache.attend(q, { numHeads: 4, window: 2 });
};

/** By the names of `differentiable operations`: a class and its method, or a function. */
export const GRADIENT_CASES: Record<string, GradientCases> = {
  'Matrix.clone': entrywise((x) => x.clone()),
  'Matrix.matmul': {
    a·b: of(
      [
        [3, 4],
        [4, 2],
      ],
      (a, b) => a.matmul(b),
    ),
    aᵀ·b: of(
      [
        [4, 3],
        [4, 2],
      ],
      (a, b) => a.matmul(b, { transposeA: true }),
    ),
    a·bᵀ: of(
      [
        [3, 4],
        [2, 4],
      ],
      (a, b) => a.matmul(b, { transposeB: true }),
    ),
    aᵀ·bᵀ: of(
      [
        [4, 3],
        [2, 4],
      ],
      (a, b) => a.matmul(b, { transposeA: true, transposeB: true }),
    ),
    a·a: of([[3, 3]], (a) => a.matmul(a)),
    a·aᵀ: of([[3, 2]], (a) => a.matmul(a, { transposeB: true })),
    'one row': of(
      [
        [1, 5],
        [5, 3],
      ],
      (a, b) => a.matmul(b),
    ),
    'around a tile': of(
      [
        [5, 9],
        [9, 17],
      ],
      (a, b) => a.matmul(b),
    ),
    'nothing to sum': of(
      [
        [2, 0],
        [0, 3],
      ],
      (a, b) => a.matmul(b),
    ),
    'no rows': of(
      [
        [0, 3],
        [3, 2],
      ],
      (a, b) => a.matmul(b),
    ),
  },
  'Matrix.transpose': entrywise((x) => x.transpose()),
  'Matrix.scale': entrywise((x) => x.scale(-2.5)),
  'Matrix.softmax': { ...ofRows((x) => x.softmax()), 'along axis 0': of([[3, 4]], (x) => x.softmax(0)) },
  'Matrix.reshape': entrywise((x) => x.reshape(4, -1).multiply(3)),
  'Matrix.add': elementwise((a, b) => a.add(b)),
  'Matrix.subtract': elementwise((a, b) => a.subtract(b)),
  'Matrix.multiply': elementwise((a, b) => a.multiply(b)),
  'Matrix.divide': elementwise((a, b) => a.divide(b), 0.5, 2),
  'Matrix.maximum': elementwise((a, b) => a.maximum(b)),
  'Matrix.pow': {
    ...entrywise((x) => x.pow(3)),
    'to −0.5': of([[3, 4]], (x) => x.pow(-0.5), 0.5, 3),
    'to 0': of([[3, 4]], (x) => x.pow(0)),
    'to 1': of([[3, 4]], (x) => x.pow(1)),
  },
  'Matrix.abs': entrywise((x) => x.abs()),
  'Matrix.where': {
    'a matrix and a matrix': of(
      [
        [3, 4],
        [3, 4],
      ],
      (a, b) => Matrix.where(flags(), a, b),
    ),
    'a matrix and a number': of([[3, 4]], (a) => Matrix.where(flags(), a, 0.5)),
    'a number and a matrix': of([[3, 4]], (b) => Matrix.where(flags(), 0.5, b)),
    'of itself': of([[3, 4]], (a) => Matrix.where(a, a, a.scale(2))),
  },
  'Matrix.max': { ...alongAxes((x, axis) => x.max(axis)), 'of all': of([[3, 4]], (x) => x.max()) },
  'Matrix.exp': entrywise((x) => x.exp()),
  'Matrix.log': entrywise((x) => x.log(), 0.5, 3),
  'Matrix.sqrt': entrywise((x) => x.sqrt(), 0.5, 3),
  'Matrix.tanh': entrywise((x) => x.tanh()),
  'Matrix.sliceRows': {
    'from the middle': of([[4, 3]], (x) => x.sliceRows(1, 3)),
    overlapping: of([[4, 3]], (x) => [x.sliceRows(0, 3), x.sliceRows(2), x.sliceRows(1, 1)]),
  },
  'Matrix.sliceColumns': {
    'from the middle': of([[3, 5]], (x) => x.sliceColumns(1, 3)),
    overlapping: of([[3, 5]], (x) => [x.sliceColumns(0, 3), x.sliceColumns(2), x.sliceColumns(1, 1)]),
    'no rows': of([[0, 5]], (x) => x.sliceColumns(1, 3)),
  },
  'Matrix.concatRows': {
    'of different heights': of(
      [
        [2, 3],
        [0, 3],
        [1, 3],
      ],
      (...parts) => Matrix.concatRows(parts),
    ),
    'one twice': of(
      [
        [2, 3],
        [1, 3],
      ],
      (a, b) => Matrix.concatRows([a, b, a]),
    ),
  },
  'Matrix.concatColumns': {
    'of different widths': of(
      [
        [2, 3],
        [2, 0],
        [2, 1],
      ],
      (...parts) => Matrix.concatColumns(parts),
    ),
    'one twice': of(
      [
        [2, 3],
        [2, 1],
      ],
      (a, b) => Matrix.concatColumns([a, b, a]),
    ),
  },
  'Matrix.sum': { ...entrywise((x) => x.sum()), ...alongAxes((x, axis) => x.sum(axis)) },
  'Matrix.mean': { '3×4': of([[3, 4]], (x) => x.mean()), ...alongAxes((x, axis) => x.mean(axis)) },
  relu: entrywise(relu),
  gelu: {
    exact: of([[3, 4]], (x) => gelu(x), -5, 5),
    tanh: of([[3, 4]], (x) => gelu(x, { approximate: 'tanh' }), -5, 5),
  },
  silu: { '3×4': of([[3, 4]], silu, -5, 5) },
  softmax: ofRows(softmax),
  logSoftmax: ofRows(logSoftmax),
  layerNorm: {
    ...norm((x, gain, bias) => layerNorm(x, gain, bias), true),
    epsilon: of([[3, 5]], (x) => layerNorm(x, undefined, undefined, { epsilon: 0.5 })),
  },
  rmsNorm: {
    ...norm((x, gain) => rmsNorm(x, gain), false),
    epsilon: of([[3, 5]], (x) => rmsNorm(x, undefined, { epsilon: 0.5 })),
  },
  crossEntropy: {
    plain: of([[4, 5]], (logits) => crossEntropy(logits, [1, 0, 4, 1])),
    'ignored rows': of([[4, 5]], (logits) => crossEntropy(logits, [1, -100, 4, -100])),
    'an ignored class': of([[4, 5]], (logits) => crossEntropy(logits, [1, 2, 4, 2], { ignoreIndex: 2 })),
    smoothed: of([[4, 5]], (logits) => crossEntropy(logits, [1, -100, 4, 0], { labelSmoothing: 0.3 })),
    'smoothed away': of([[4, 5]], (logits) => crossEntropy(logits, [1, 0, 4, 1], { labelSmoothing: 1 })),
    'nothing counted': of([[2, 5]], (logits) => crossEntropy(logits, [-100, -100])),
    'a loss among others': of([[2, 3]], (logits) => crossEntropy(logits, [1, 0]).multiply(logits.mean())),
  },
  meanSquaredError: {
    'both sides': of(
      [
        [3, 4],
        [3, 4],
      ],
      meanSquaredError,
    ),
    'with itself': of([[3, 4]], (x) => meanSquaredError(x, x)),
  },
  dropout: {
    half: of([[3, 7]], (x) => dropout(x, 0.5, { seed: 3 })),
    none: of([[3, 4]], (x) => dropout(x, 0)),
    all: of([[3, 4]], (x) => dropout(x, 1)),
  },
  gatherRows: {
    'rows, repeated and not read': of([[5, 3]], (table) => gatherRows('test', table, [4, 0, 4, 2])),
    'of a computed table': of([[5, 3]], (table) => gatherRows('test', table.scale(2), [4, 0, 4])),
    'and used otherwise': of([[3, 2]], (table) => [gatherRows('test', table, [2, 1]), table.scale(3)]),
    twice: of([[4, 2]], (table) => [gatherRows('test', table, [2, 1]), gatherRows('test', table, [3, 2, 2])]),
  },
  pack: {
    'three sequences': of(
      [
        [2, 3],
        [0, 3],
        [1, 3],
      ],
      (...sequences) => pack(sequences).packed,
    ),
  },
  unpack: { 'three sequences': of([[4, 3]], (packed) => unpack(packed, [0, 1, 1, 4])) },
  addSinusoidalPositions: {
    'of two sequences': of([[5, 4]], (x) => addSinusoidalPositions(x, Int32Array.of(0, 1, 0, 1, 2))),
  },
  rotary: {
    halves: of([[3, 8]], (x) => rotary(x, { numHeads: 2 })),
    interleaved: of([[3, 8]], (x) => rotary(x, { numHeads: 2, interleaved: true })),
    'part of a head': of([[3, 8]], (x) => rotary(x, { numHeads: 1, dim: 4, base: 100 })),
    positions: of([[3, 6]], (x) => rotary(x, { numHeads: 3, positions: [7, 0.5, -2] })),
  },
  'KVCache.attend': { 'in the queries': of([[3, 8]], cached) },
};
