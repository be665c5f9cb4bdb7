import {
  type AllCloseOptions,
  type MatmulOptions,
  Matrix,
  type Parameter,
  type RandomNormalOptions,
  type RandomUniformOptions,
} from '../../src/index.js';
import { type Callables, optioned, withOptional } from './callable.js';
import { square } from './fixtures.js';
import { plainAffine, rowsOf, sample, table } from './plain.js';

const onSquare = (...args: unknown[]) => ({ self: square(), args });
const [a, b] = [sample(3, 3, 1), sample(3, 3, 2)];
const onSample = (...args: unknown[]) => ({ self: sample(3, 3, 1), args });
const flipped = (x: Matrix) => table(x.cols, x.rows, (r, c) => x.get(c, r));
const numbers = Float32Array.of(1, 2, 3, 4, 5, 6);
const drawn = () => ({ args: [2, 3, { seed: 1 }] });

/** What the same seed draws by default, every number changed; the changes below are exact in float32, as the draws. */
function changed(drawn: Matrix, change: (value: number) => number) {
  return table(drawn.rows, drawn.cols, (r, c) => change(drawn.get(r, c)));
}

const standardNormal = Matrix.randomNormal(2, 3, { seed: 1 });
const standardUniform = Matrix.randomUniform(2, 3, { seed: 1 });
const seed = [{ value: 2 }];
const std = [{ value: 2, expected: () => changed(standardNormal, (z) => 2 * z) }];
const limits = {
  low: [{ value: -1, expected: () => changed(standardUniform, (u) => 2 * u - 1) }],
  high: [{ value: 2, expected: () => changed(standardUniform, (u) => 2 * u) }],
};

export const matrices: Callables = {
  // The library itself.
  isQkvError: () => ({ args: [new Error('x')] }),
  setKernels: () => ({ args: ['reference'] }),
  setSeed: () => ({ args: [3] }),
  // Matrices.
  'new Matrix': withOptional(() => ({ args: [2, 3, new Float32Array(6)] }), 'data', [
    { value: numbers, expected: () => table(2, 3, (r, c) => 3 * r + c + 1) },
  ]),
  'Matrix.zeros': () => ({ args: [2, 3] }),
  'Matrix.from': () => ({ args: [square().toArray()] }),
  'Matrix.ones': () => ({ args: [2, 3] }),
  'Matrix.full': () => ({ args: [2, 3, 0.5] }),
  'Matrix.fromFlat': () => ({ args: [2, 3, [1, 2, 3, 4, 5, 6]] }),
  'Matrix.fromJSON': () => ({ args: ['[[1,2],[3,4]]'] }),
  'Matrix.identity': () => ({ args: [3] }),
  'Matrix.randomNormal': optioned<RandomNormalOptions>(drawn, {
    seed,
    mean: [{ value: 3, base: { std: 0 }, expected: () => table(2, 3, () => 3) }, { value: 3 }],
    std,
  }),
  'Matrix.randomUniform': optioned<RandomUniformOptions>(drawn, { seed, ...limits }),
  'Matrix.concatRows': () => ({ args: [[square(), square()]] }),
  'Matrix.concatColumns': () => ({ args: [[square(), square()]] }),
  'Matrix.get': () => onSquare(1, 2),
  'Matrix.set': () => onSquare(1, 2, 5),
  'Matrix.row': () => onSquare(1),
  'Matrix.matmul': optioned<MatmulOptions>(() => onSample(sample(3, 3, 2), {}), {
    transposeA: [{ value: true, expected: () => plainAffine(flipped(a), b) }],
    transposeB: [
      { value: true, expected: () => plainAffine(a, flipped(b)) },
      { value: true, base: { transposeA: true }, expected: () => plainAffine(flipped(a), flipped(b)) },
    ],
  }),
  'Matrix.scale': () => onSquare(2),
  'Matrix.reshape': () => onSquare(1, 9),
  'Matrix.allClose': optioned<AllCloseOptions>(() => ({ self: sample(3, 3, 1), args: [sample(3, 3, 2), {}] }), {
    tolerance: [{ value: 10, expected: () => true }],
    equalNaN: [{ value: true, base: { tolerance: 10 }, unchanged: 'where nothing is NaN', wrong: 1 }],
  }),
  'Matrix.softmax': withOptional(() => onSample(1), 'axis', [{ value: 0 }]),
  'Matrix.argmax': withOptional(() => onSample(1), 'axis', [{ value: 0 }]),
  'Matrix.sum': withOptional(() => onSample(1), 'axis', [{ value: 0 }]),
  'Matrix.mean': withOptional(() => onSample(1), 'axis', [{ value: 0 }]),
  'Matrix.max': withOptional(() => onSample(1), 'axis', [{ value: 0 }]),
  'Matrix.pow': () => onSquare(2),
  'Matrix.map': () => onSquare((value: number) => 2 * value),
  'Matrix.where': () => ({ args: [square(), square(), square()] }),
  'Matrix.maximum': () => onSquare(square()),
  'Matrix.add': () => onSquare(square()),
  'Matrix.subtract': () => onSquare(square()),
  'Matrix.multiply': () => onSquare(square()),
  'Matrix.divide': () => onSquare(square()),
  'Matrix.sliceRows': withOptional(() => onSample(1, 2), 'end', [{ value: 2, expected: () => rowsOf(a, 1, 2) }]),
  'Matrix.sliceColumns': withOptional(() => onSample(1, 2), 'end', [
    { value: 2, expected: () => table(3, 1, (r) => a.get(r, 1)) },
  ]),
  // Parameters; a copy of one is compared, without its name.
  'new Parameter': withOptional(
    () => ({ args: [2, 3, new Float32Array(6)] }),
    'data',
    [{ value: numbers, expected: () => [1, 2, 3, 4, 5, 6] }],
    (made: Parameter) => made.toArray(),
  ),
};
