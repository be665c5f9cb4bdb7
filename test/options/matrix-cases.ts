import {
  type MatmulOptions,
  Matrix,
  Parameter,
  type RandomNormalOptions,
  type RandomUniformOptions,
} from '../../src/index.js';
import { type OptionCase, place } from './case.js';
import { plainAffine, rowsOf, sample, table } from './plain.js';

const a = sample(3, 3, 1);
const b = sample(3, 3, 2);
const flipped = (x: Matrix) => table(x.cols, x.rows, (r, c) => x.get(c, r));
const numbers = Float32Array.of(1, 2, 3, 4, 5, 6);

/** What the same seed draws by default, every number changed; the changes below are exact in float32, as the draws. */
function changed(drawn: Matrix, change: (value: number) => number) {
  return table(drawn.rows, drawn.cols, (r, c) => change(drawn.get(r, c)));
}

const standardNormal = Matrix.randomNormal(2, 3, { seed: 1 });
const standardUniform = Matrix.randomUniform(2, 3, { seed: 1 });

export const matrixCases: OptionCase[] = [
  ...place<{ data?: Float32Array }>('new Matrix', {}, ({ data }) => new Matrix(2, 3, data), {
    data: [
      {
        value: numbers,
        expected: () =>
          Matrix.from([
            [1, 2, 3],
            [4, 5, 6],
          ]),
      },
    ],
  }),
  ...place<{ data?: Float32Array }>('new Parameter', {}, ({ data }) => new Parameter(2, 3, data).toArray(), {
    data: [{ value: numbers, expected: () => [1, 2, 3, 4, 5, 6] }],
  }),
  ...place<RandomNormalOptions>('Matrix.randomNormal', { seed: 1 }, (o) => Matrix.randomNormal(2, 3, o), {
    seed: [{ value: 2 }],
    mean: [{ value: 3, base: { std: 0 }, expected: () => table(2, 3, () => 3) }, { value: 3 }],
    std: [{ value: 2, expected: () => changed(standardNormal, (z) => 2 * z) }],
  }),
  ...place<RandomUniformOptions>('Matrix.randomUniform', { seed: 1 }, (o) => Matrix.randomUniform(2, 3, o), {
    seed: [{ value: 2 }],
    low: [{ value: -1, expected: () => changed(standardUniform, (u) => 2 * u - 1) }],
    high: [{ value: 2, expected: () => changed(standardUniform, (u) => 2 * u) }],
  }),
  ...place<RandomNormalOptions>('Parameter.randomNormal', { seed: 1 }, (o) => Parameter.randomNormal(2, 3, o).clone(), {
    seed: [{ value: 2 }],
    mean: [{ value: 3 }],
    std: [{ value: 2, expected: () => changed(standardNormal, (z) => 2 * z) }],
  }),
  ...place<RandomUniformOptions>(
    'Parameter.randomUniform',
    { seed: 1 },
    (o) => Parameter.randomUniform(2, 3, o).clone(),
    {
      seed: [{ value: 2 }],
      low: [{ value: -1, expected: () => changed(standardUniform, (u) => 2 * u - 1) }],
      high: [{ value: 2, expected: () => changed(standardUniform, (u) => 2 * u) }],
    },
  ),
  ...place<MatmulOptions>('Matrix.matmul', {}, (o) => a.matmul(b, o), {
    transposeA: [{ value: true, expected: () => plainAffine(flipped(a), b) }],
    transposeB: [
      { value: true, expected: () => plainAffine(a, flipped(b)) },
      { value: true, base: { transposeA: true }, expected: () => plainAffine(flipped(a), flipped(b)) },
    ],
  }),
  ...place<{ end?: number }>('Matrix.sliceRows', {}, ({ end }) => a.sliceRows(1, end), {
    end: [{ value: 2, expected: () => rowsOf(a, 1, 2) }],
  }),
  ...place<{ end?: number }>('Matrix.sliceColumns', {}, ({ end }) => a.sliceColumns(1, end), {
    end: [{ value: 2, expected: () => table(3, 1, (r) => a.get(r, 1)) }],
  }),
];
