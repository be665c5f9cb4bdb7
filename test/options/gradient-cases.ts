import {
  type CrossEntropyOptions,
  crossEntropy,
  type DropoutOptions,
  dropout,
  Matrix,
  readSafetensors,
  type StoredTensor,
  type ValueAndGradOptions,
  valueAndGrad,
  writeSafetensors,
} from '../../src/index.js';
import { type OptionCase, place } from './case.js';
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

/** Known beforehand, as `of` wants it: what f computes once, and gives back in every call. */
const square = x.multiply(x);
function gradientOfSquare(options: ValueAndGradOptions): unknown {
  const list = options.of === undefined ? undefined : [...options.of];
  let inner = x;
  const f = () => {
    inner = x.multiply(x);
    list?.splice(0, list.length, inner);
    return inner.scale(3).sum();
  };
  const { gradients } = valueAndGrad(f, list && { of: list });
  return gradients.get(inner);
}

const tensors = new Map<string, StoredTensor>([['a', { dtype: 'F32', shape: [1], data: Float32Array.of(2) }]]);

export const gradientCases: OptionCase[] = [
  ...place<ValueAndGradOptions>('valueAndGrad', {}, gradientOfSquare, {
    of: [{ value: [square], expected: () => new Matrix(4, 3, new Float32Array(12).fill(3)) }],
  }),
  ...place<CrossEntropyOptions>('crossEntropy', {}, (o) => crossEntropy(x, targets, o), {
    ignoreIndex: [{ value: 2, expected: (o) => ({ rows: 1, cols: 1, data: plainCrossEntropy(o) }) }],
    labelSmoothing: [{ value: 0.3, expected: (o) => ({ rows: 1, cols: 1, data: plainCrossEntropy(o) }) }],
  }),
  ...place<DropoutOptions>('dropout', {}, (o) => dropout(x, 0.5, o), { seed: [{ value: 5 }] }),
  ...place<{ metadata?: Record<string, string> }>(
    'writeSafetensors',
    {},
    ({ metadata }) => readSafetensors(writeSafetensors(tensors, metadata)).metadata,
    { metadata: [{ value: { author: 'me' }, expected: () => ({ author: 'me' }) }] },
  ),
];
