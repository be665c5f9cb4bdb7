import {
  type KernelChoice,
  Matrix,
  MultiHeadAttention,
  scaledDotProductAttention,
  setKernels,
  valueAndGrad,
} from 'qkv';
import { afterEach, describe, expect, it } from 'vitest';
import { attentionTrainingFlop, trainingCases, trainingFlop } from '../../bench/cases/training.js';
import { exactly } from '../../bench/contenders/arithmetic.js';
import {
  attentionQueryGradientRows,
  expectedGradients,
  layerGradientRows,
} from '../../bench/contenders/expected-gradients.js';
import { naive } from '../../bench/contenders/naive.js';
import { denseGradient, type MeasuredKernels, qkv } from '../../bench/contenders/qkv.js';
import { type Implementation, LAYER_GRADIENTS, type TrainingProblem } from '../../bench/harness/contender.js';
import { problemOf, problemOfAnswer, sampleOf, sampleRows } from '../../bench/harness/verify.js';

const data = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed }).data;
const [tokens, dModel, numHeads] = [6, 8, 2];
const [wQ, wK, wV, wO] = [2, 3, 4, 5].map((seed) => data(dModel, dModel, seed));
const [x, dOut] = [1, 6].map((seed) => data(tokens, dModel, seed));
const problem: TrainingProblem = { tokens, dModel, numHeads, x, wQ, wK, wV, wO, dOut };
const [allTokens, allWeights] = [tokens, dModel].map((count) => sampleRows(count, count));
const expected = expectedGradients(problem, allTokens, allWeights);

const heads = { numHeads: 3, dHead: 4, queries: 5, keys: 5 };
const [q, k, v, dAttended] = [1, 2, 3, 4].map((seed) => data(5, 12, seed));
const queryGradient = (mistaken: object, rows = [0, 1, 2, 3, 4]) =>
  attentionQueryGradientRows({ ...heads, q, k, v, ...mistaken }, dAttended, rows, exactly);

/** Two float64 evaluations in different order: sums of 12 terms of size 1 to 1000. */
function expectClose(values: ArrayLike<number>, exact: Float64Array): void {
  expect(values).toHaveLength(exact.length);
  for (let i = 0; i < exact.length; i++) expect(Math.abs(values[i] - exact[i])).toBeLessThan(1e-11);
}

afterEach(() => setKernels('auto'));

describe('the gradients expected', () => {
  it('of the layer are what the float64 kernels of the library say', () => {
    setKernels('float64');
    const layer = new MultiHeadAttention({ dModel, numHeads, seed: 0 });
    const { W_Q, W_K, W_V, W_O } = layer;
    const weights = [W_Q, W_K, W_V, W_O];
    [wQ, wK, wV, wO].forEach((given, i) => void weights[i].data.set(given));
    const input = new Matrix(tokens, dModel, x);
    const { gradients } = valueAndGrad(() =>
      layer
        .forward(input)
        .multiply(new Matrix(tokens, dModel, dOut))
        .sum(),
    );
    [input, ...weights].forEach((leaf, i) => {
      expectClose(denseGradient(gradients, leaf).data, expected[i].sample.exact);
    });
  });

  it('of attention, too', () => {
    setKernels('float64');
    const [qM, kM, vM, dM] = [q, k, v, dAttended].map((values) => new Matrix(5, 12, values));
    const attention = () => scaledDotProductAttention(qM, kM, vM, { numHeads: 3 }).multiply(dM).sum();
    expectClose(denseGradient(valueAndGrad(attention).gradients, qM).data, queryGradient({}));
  });

  it('of some rows are those rows', () => {
    const all = layerGradientRows(problem, allTokens, allWeights, exactly);
    const some = layerGradientRows(problem, [4, 1], [7, 0, 3], exactly);
    const row = (matrix: Float64Array, r: number) => [...matrix.subarray(r * dModel, (r + 1) * dModel)];
    some.forEach((matrix, i) => {
      const rows = i === 0 ? [4, 1] : [7, 0, 3];
      expect([...matrix]).toEqual(rows.flatMap((r) => row(all[i], r)));
    });
    expect([...queryGradient({}, [3])]).toEqual([...queryGradient({}).subarray(36, 48)]);
  });

  it('have a name, a size and a limit each', () => {
    expect(expected.map(({ name }) => name)).toEqual([...LAYER_GRADIENTS]);
    expect(expected.map(({ resultRows }) => resultRows)).toEqual([6, 8, 8, 8, 8]);
    expect(new Set(expected.map(({ sample }) => sample.limit)).size).toBe(5);
  });
});

describe('contenders say what is expected', () => {
  const judged = ({ operations }: Implementation) => {
    const prepared = operations.trainingStep?.(problem);
    if (prepared === undefined || !('call' in prepared)) throw new Error('the training step is missing');
    // Twice: a second call must not see what the first one left.
    prepared.call();
    return problemOfAnswer(prepared.call(), expected);
  };

  it('the naive loop', () => {
    expect(judged(naive)).toBeUndefined();
  });

  it.each(['reference', 'javascript', 'wasm-simd'] satisfies (MeasuredKernels & KernelChoice)[])(
    'qkv %s',
    (kernels) => {
      const own = qkv(kernels);
      own.activate?.();
      expect(judged(own)).toBeUndefined();
    },
  );
});

describe('the error law finds real mistakes', () => {
  const mistaken = (mistake: Partial<TrainingProblem>) =>
    layerGradientRows({ ...problem, ...mistake }, allTokens, allWeights, exactly).map((exact) =>
      Float32Array.from(exact),
    );
  const judge = (answer: readonly Float32Array[]) => problemOfAnswer(answer, expected);
  const nudged = (values: Float32Array) => values.map((value, i) => (i === 9 ? value + 1e-3 : value));

  it('but not a rounded right answer', () => {
    expect(judge(mistaken({}))).toBeUndefined();
  });

  it.each(LAYER_GRADIENTS.map((name, i) => [name, i] as const))('in one number of %s alone', (name, wrong) => {
    const answer = mistaken({});
    const { limit } = expected[wrong].sample;
    answer[wrong][11] += 3 * limit;
    expect(judge(answer)).toMatch(new RegExp(`^${name}: row 1, column 3 is`));
  });

  it('such as one wrong weight, one wrong entry of dOut, heads of another width', () => {
    for (const name of ['wQ', 'wK', 'wV', 'wO', 'dOut', 'x'] as const) {
      expect(judge(mistaken({ [name]: nudged(problem[name]) }))).toBeDefined();
    }
    expect(judge(mistaken({ numHeads: 1 }))).toBeDefined();
  });

  it('a scale forgotten in one gradient, gradients in another order, one missing', () => {
    const answer = mistaken({});
    expect(judge(answer.map((g, i) => (i === 2 ? g.map((value) => value * 2) : g)))).toMatch(/^dW_K: /);
    const [dX, dQ, dK, ...rest] = answer;
    expect(judge([dX, dK, dQ, ...rest])).toMatch(/^dW_Q: /);
    expect(judge([dX, dQ, dK])).toBe('5 matrices expected: got 3');
  });

  it('in the rows of dQ', () => {
    const sample = sampleOf([0, 4], 12, (rows, arithmetic) =>
      attentionQueryGradientRows({ ...heads, q, k, v }, dAttended, rows, arithmetic),
    );
    const judged = (values: Float64Array) => problemOf(Float32Array.from(values), 5, sample);
    expect(judged(queryGradient({}))).toBeUndefined();
    expect(judged(queryGradient({ numHeads: 1, dHead: 12 }))).toBeDefined();
    expect(judged(queryGradient({ v: nudged(v) }))).toBeDefined();
    expect(judged(queryGradient({ k: nudged(k) }))).toBeDefined();
  });
});

describe('what is counted', () => {
  it('is thrice the projections and 3.5 times the attention of the forward', () => {
    // Forward: 8·L·d² and 4·d·L².
    expect(trainingFlop(128, 768)).toBe(3 * 8 * 128 * 768 ** 2 + 3.5 * 4 * 768 * 128 ** 2);
    expect(attentionTrainingFlop(10, 8)).toBe(3.5 * 4 * 8 * 100);
    expect(trainingCases(false).map(({ flop }) => flop)).toEqual([trainingFlop(128, 768), trainingFlop(512, 768)]);
  });
});
