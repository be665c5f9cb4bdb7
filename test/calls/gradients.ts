import {
  type CrossEntropyOptions,
  type DropoutOptions,
  Linear,
  Matrix,
  readSafetensors,
  type StoredTensor,
  type ValueAndGradOptions,
  valueAndGrad,
  writeSafetensors,
} from '../../src/index.js';
import { type Callables, optioned, uses, withOptional } from './callable.js';
import { batch, square } from './fixtures.js';
import { sample } from './plain.js';

const x = sample(4, 3, 1);
const targets = [2, 0, 1, 2];

/** Mean of −Σ t·log softmax over the rows whose target is not ignored, from the definition. */
function plainCrossEntropy({ ignoreIndex = -100, labelSmoothing = 0 }: CrossEntropyOptions): number[] {
  const losses = x.toArray().flatMap((row, r) => {
    if (targets[r] === ignoreIndex) return [];
    const logSum = Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
    const wanted = row.map((_, c) => (c === targets[r] ? 1 - labelSmoothing : 0) + labelSmoothing / row.length);
    return [row.reduce((sum, z, c) => sum - wanted[c] * (z - logSum), 0)];
  });
  return [losses.reduce((a, b) => a + b) / losses.length];
}

/** Stands for what f computes, and puts into the list that is given. */
const squared = x.multiply(x);
function gradientOfSquare(options: ValueAndGradOptions): unknown {
  const lists = Object.entries(options).map(([name, list]): [string, Matrix[]] => [name, [...list]]);
  let inner = x;
  const f = () => {
    inner = x.multiply(x);
    for (const [, list] of lists) list.splice(0, list.length, inner);
    return inner.scale(3).sum();
  };
  const { gradients } = valueAndGrad(f, Object.fromEntries(lists));
  return gradients.get(inner);
}

const tensors = new Map<string, StoredTensor>([['a', { dtype: 'F32', shape: [1], data: Float32Array.of(2) }]]);

const found = () => valueAndGrad(() => square().sum()).gradients;
const ofCrossEntropy = (o: CrossEntropyOptions) => ({ rows: 1, cols: 1, data: plainCrossEntropy(o) });

export const gradients: Callables = {
  valueAndGrad: {
    works: () => ({ args: [() => square().sum(), { of: [] }] }),
    options: uses<ValueAndGradOptions>({}, gradientOfSquare, {
      of: [{ value: [squared], expected: () => new Matrix(4, 3, new Float32Array(12).fill(3)) }],
      wrt: [{ value: [squared], expected: () => new Matrix(4, 3, new Float32Array(12).fill(3)) }],
    }),
  },
  noGrad: () => ({ args: [() => 1] }),
  customGradient: () => ({ args: [(a: Matrix) => a, (d: Matrix) => [d]] }),
  'Gradients.get': () => ({ self: found(), args: [square()] }),
  'Gradients.dense': () => {
    const a = square();
    return { self: valueAndGrad(() => a.sum()).gradients, args: [a] };
  },
  'Gradients.add': () => ({ self: found(), args: [found()] }),
  'Gradients.scale': () => ({ self: found(), args: [2] }),
  logSoftmax: () => ({ args: [batch()] }),
  dropout: optioned<DropoutOptions>(() => ({ args: [sample(4, 3, 1), 0.5, {}] }), { seed: [{ value: 5 }] }),
  crossEntropy: optioned<CrossEntropyOptions>(() => ({ args: [sample(4, 3, 1), [...targets], {}] }), {
    ignoreIndex: [{ value: 2, expected: ofCrossEntropy }],
    labelSmoothing: [{ value: 0.3, expected: ofCrossEntropy }],
  }),
  meanSquaredError: () => ({ args: [square(), square()] }),
  readSafetensors: () => ({ args: [writeSafetensors(new Linear(2, 3).stateDict())] }),
  writeSafetensors: withOptional(
    () => ({ args: [new Map(tensors), { step: '7' }] }),
    'metadata',
    [{ value: { author: 'me' }, expected: () => ({ author: 'me' }) }],
    (file: Uint8Array) => readSafetensors(file).metadata,
  ),
};
