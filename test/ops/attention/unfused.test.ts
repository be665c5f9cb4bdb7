import { expect, it } from 'vitest';
import { valueAndGrad } from '../../../src/autograd/value-and-grad.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { attentionStages, scaledDotProductAttention } from '../../../src/ops/attention/attention.js';
import { attentionProblem, dropoutOf } from '../../../src/ops/attention/options.js';
import { maskedScores, weightsOfScores, weightsTimesValues } from '../../../src/ops/attention/unfused.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';
import { ATTENTION_GRADIENT_CASES } from '../attention-gradient-cases.js';

// Gradients are checked in gradients.test.ts, with every option.

const { scaledDotProductAttention: fused, weightsTimesValues: stepwise } = ATTENTION_GRADIENT_CASES;
const UNIT = { sequence: 0, head: 0 };

forEachTwin(({ tolerance }) => {
  it.each(Object.keys(stepwise))('attention in steps is the fused attention: %s', (title) => {
    const inputs = stepwise[title].inputs();
    const [got, expected] = [stepwise[title].f(...inputs) as Matrix, fused[title].f(...inputs) as Matrix];
    expectClose(got.data, expected.data, tolerance);
  });

  it('scores and weights are those of attentionWeights', () => {
    const [q, k] = [Matrix.randomNormal(4, 6, { seed: 1 }), Matrix.randomNormal(5, 6, { seed: 2 })];
    const options = { numHeads: 2, causal: true };
    const scores = maskedScores(attentionProblem('f', q, k, options), { q, k }, { sequence: 0, head: 1 });
    expectSame(scores.data, attentionStages('f', q, k, { ...options, stage: 'masked', heads: [1] })[0].data);
    const weights = weightsOfScores(scores, undefined, 1);
    expectClose(weights.data, attentionStages('f', q, k, { ...options, heads: [1] })[0].data, tolerance);
  });

  it('what may not be attended is never read, forward or backward', () => {
    const q = Matrix.randomNormal(3, 2, { seed: 1 });
    const [k, v] = [Matrix.randomNormal(3, 2, { seed: 2 }), Matrix.randomNormal(3, 2, { seed: 3 })];
    for (const m of [k, v]) m.row(2).fill(Number.NaN);
    const options = { mask: Uint8Array.of(1, 1, 0, 1, 0, 0, 0, 0, 0) };
    const problem = attentionProblem('f', q, k, options);
    const { gradients, value } = valueAndGrad(() => {
      const pattern = weightsOfScores(maskedScores(problem, { q, k }, UNIT), undefined, 0);
      const forward = { ...problem, ...dropoutOf({}, 0), v: v.data, dV: 2 };
      return weightsTimesValues(forward, pattern.scale(0.5), v, UNIT).sum();
    });
    const expected = valueAndGrad(() => scaledDotProductAttention(q, k, v, options).scale(0.5).sum());
    expectClose([value], [expected.value], tolerance);
    for (const m of [q, k, v]) {
      const [got, wanted] = [gradients, expected.gradients].map((found) => (found.get(m) as Matrix).data);
      expect(got.every(Number.isFinite)).toBe(true);
      expectClose(got, wanted, tolerance);
    }
  });

  it('a weight of 0 has the gradient of its value, or none where that is not finite', () => {
    const [q, k] = [new Matrix(1, 1), new Matrix(3, 1)];
    const v = Matrix.from([[2], [3], [Number.POSITIVE_INFINITY]]);
    const weights = Matrix.from([[1, 0, 0]]);
    const forward = { ...attentionProblem('f', q, k, {}), ...dropoutOf({}, 0), v: v.data, dV: 1 };
    const { gradients } = valueAndGrad(() => weightsTimesValues(forward, weights, v, UNIT).sum());
    expectSame((gradients.get(weights) as Matrix).data, [2, 3, 0]);
    expectSame((gradients.get(v) as Matrix).data, [1, 0, 0]);
  });

  it('ties at 1e30 are halves, and a sink far above the scores leaves nothing', () => {
    expectSame(weightsOfScores(Matrix.from([[1e30, 1e30]]), undefined, 0).data, [0.5, 0.5]);
    const high = Matrix.from([[1e4]]);
    const crushed = () => weightsOfScores(Matrix.from([[1, 2]]), high, 0);
    expectSame(crushed().data, [0, 0]);
    expectSame((valueAndGrad(() => crushed().sum()).gradients.get(high) as Matrix).data.map(Math.abs), [0]);
  });

  it('a row with NaN has it where it may attend, and 0 elsewhere', () => {
    const weights = weightsOfScores(Matrix.from([[Number.NaN, 0, Number.NEGATIVE_INFINITY]]), undefined, 0);
    expectSame(weights.data, [Number.NaN, Number.NaN, 0]);
  });
});
