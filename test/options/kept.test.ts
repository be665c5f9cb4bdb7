import { describe, expect, test } from 'vitest';
import {
  CausalLM,
  crossEntropy,
  customGradient,
  Embedding,
  LearnedPositions,
  Matrix,
  pack,
  rotary,
  setSeed,
  unpack,
  valueAndGrad,
} from '../../src/index.js';
import type { OptionCase } from '../calls/callable.js';
import { flatten } from '../calls/outcome.js';
import { sample } from '../calls/plain.js';
import { OPTION_CASES } from '../calls/registry.js';
import { forEachTwin } from '../support/twins.js';

// The backward of a call uses what its forward used: what the caller does to a list or an array in between changes no
// gradient. (The data of a Matrix is another matter: see valueAndGrad.)

const isList = (value: unknown): value is unknown[] =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/** Turns flags over, moves numbers, in the array itself and in those within; gives what undoes it. */
function spoil(list: unknown[]): () => void {
  const before = Array.from(list);
  const undo = before.map((entry, i) => {
    if (isList(entry)) return spoil(entry);
    if (typeof entry === 'boolean') list[i] = !entry;
    else if (typeof entry === 'number') list[i] = entry === 0 ? 1 : 0;
    else list.splice(0); // a list of matrices
    return () => {};
  });
  return () => {
    for (const one of undo) one();
    before.forEach((entry, i) => {
      list[i] = entry;
    });
  };
}

const matricesOf = (value: unknown): Matrix[] => [value].flat().filter((entry) => entry instanceof Matrix);

/** Every gradient of Σ w∘result, in the order in which valueAndGrad has them. */
function gradientsOf(call: () => unknown, between: () => void): unknown[] {
  setSeed(11);
  const { gradients } = valueAndGrad(() => {
    const parts = matricesOf(call()).map((out, i) => out.multiply(sample(out.rows, out.cols, 50 + i)).sum());
    between();
    return parts.reduce((total, part) => total.add(part), new Matrix(1, 1));
  });
  return Array.from(gradients.entries(), ([, gradient]) => flatten(gradient));
}

function expectKept(list: unknown[], call: () => unknown): unknown[] {
  const expected = gradientsOf(call, () => {});
  let undo = () => {};
  const spoilt = gradientsOf(call, () => {
    undo = spoil(list);
  });
  undo();
  expect(spoilt).toEqual(expected);
  expect(gradientsOf(call, () => {})).toEqual(expected); // the list is as it was
  return expected;
}

/** The data of a matrix is the matrix; the others call valueAndGrad themselves. */
const EXCEPTIONS = [
  'new Matrix.data',
  'valueAndGrad.of',
  'valueAndGrad.wrt',
  'new Adam.betas',
  'new AdamW.betas',
  'new Muon.coefficients',
];
const lists = OPTION_CASES.filter(({ key, value, refused }) => {
  return isList(value) && refused === undefined && !EXCEPTIONS.includes(key);
});
const label = ({ key, use }: OptionCase) => `${key}, use ${use}`;
const differentiable = new Set<string>();

const x = sample(4, 6, 1);
const positional: Record<string, () => [unknown[], (list: never) => unknown]> = {
  'ids of an Embedding': () => {
    const embedding = new Embedding(5, 3, { seed: 1 });
    return [[3, 1, 3], (ids: number[]) => embedding.forward(ids)];
  },
  'positions of LearnedPositions': () => {
    const positions = new LearnedPositions(5, 3, { seed: 1 });
    return [[3, 1, 3], (list: number[]) => positions.forward(list)];
  },
  'ids of a CausalLM': () => {
    const model = new CausalLM({ vocabularySize: 5, dModel: 4, numLayers: 1, numHeads: 2, seed: 1 });
    return [[3, 1, 3], (ids: number[]) => model.forward(ids)];
  },
  'targets of crossEntropy': () => [[1, 0, 5, 2], (targets: number[]) => crossEntropy(x, targets)],
  'positions of rotary': () => [[1, 0.5, 5, 2], (positions: number[]) => rotary(x, { numHeads: 3, positions })],
  'matrices of concatRows': () => [[x, sample(2, 6, 2), x], (list: Matrix[]) => Matrix.concatRows(list)],
  'matrices of concatColumns': () => [[x, sample(4, 2, 2), x], (list: Matrix[]) => Matrix.concatColumns(list)],
  'sequences of pack': () => [[x, sample(2, 6, 2)], (list: Matrix[]) => pack(list).packed],
  'offsets of unpack': () => [[0, 1, 4], (offsets: number[]) => unpack(x, offsets)],
  'inputs of customGradient': () => {
    const sum = customGradient(
      (a: Matrix, b: Matrix) => a.add(b),
      (dOut) => [dOut, dOut.scale(2)],
    );
    return [[x, sample(4, 6, 2)], (list: [Matrix, Matrix]) => sum(...list)];
  },
};

forEachTwin(({ name }) => {
  describe('what the caller changes between forward and backward changes no gradient:', () => {
    test.each(lists.map((one) => [label(one), one] as const))('%s', (_, one) => {
      let isMatrix = true;
      try {
        isMatrix = matricesOf(one.with()).length > 0;
      } catch {
        isMatrix = false; // not for valueAndGrad: a generator, say
      }
      if (!isMatrix) return;
      if (expectKept(one.value as unknown[], one.with).length > 0) differentiable.add(one.key);
    });

    test.each(Object.keys(positional))('%s', (title) => {
      const [list, call] = positional[title]();
      expect(expectKept(list, () => call(list as never)).length).toBeGreaterThan(0);
    });

    test('this asked every option that is an array and reaches a gradient', () => {
      const keys = ['mask', 'keyMask', 'alibi', 'cuSeqlens', 'cuSeqlensK'].map(
        (key) => `scaledDotProductAttention.${key}`,
      );
      const missing = [...keys, 'rotary.positions', 'MultiHeadAttention.forward.keyMask', 'attentionLogSumExp.alibi'];
      console.log(`${name}: ${lists.length} uses of array options, ${differentiable.size} options with a gradient`);
      expect(missing.filter((key) => !differentiable.has(key))).toEqual([]);
    });
  });
});
