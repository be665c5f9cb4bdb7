import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../../src/autograd/value-and-grad.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { attentionStages, attentionWeights, scaledDotProductAttention } from '../../../src/ops/attention/attention.js';
import { type AttentionOptions, attentionProblem, dropoutOf } from '../../../src/ops/attention/options.js';
import { maskedScores, weightsOfScores, weightsTimesValues } from '../../../src/ops/attention/unfused.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const [q, k, v] = [normal(4, 4, 1), normal(5, 4, 2), normal(5, 6, 3)];
const flags = (length: number) => Uint8Array.from({ length }, (_, i) => (i % 3 === 0 ? 0 : 1));

/** A value of every option that changes something: one left out does not compile. */
const OPTIONS: { [Name in keyof AttentionOptions]-?: AttentionOptions } = {
  numHeads: { numHeads: 2 },
  numKvHeads: { numHeads: 2, numKvHeads: 2 },
  scale: { scale: 0.3 },
  causal: { causal: true },
  causalOffset: { causal: true, causalOffset: 0 },
  window: { window: [1, 0] },
  mask: { mask: flags(2 * 4 * 5), numHeads: 2 },
  keyMask: { keyMask: flags(5) },
  bias: { bias: normal(4, 5, 4) },
  softcap: { softcap: 0.7 },
  alibi: { alibi: true, numHeads: 2 },
  sinks: { sinks: normal(1, 2, 5), numHeads: 2 },
  cuSeqlens: { cuSeqlens: [0, 1, 4], cuSeqlensK: [0, 3, 5] },
  cuSeqlensK: { cuSeqlens: [0, 2, 4], cuSeqlensK: [0, 2, 5], keyMask: flags(5), alibi: true, bias: normal(4, 3, 6) },
  dropout: { dropout: 0.4, seed: 3 },
  seed: { dropout: 0.4, seed: 4 },
};

/** The attention in the steps that hooks can come between, put together again. */
function inSteps(options: AttentionOptions): Matrix {
  const problem = attentionProblem('f', q, k, options);
  const forward = { ...problem, ...dropoutOf(options, 0), v: v.data, dV: v.cols / problem.numKvHeads };
  const heads = Array.from({ length: problem.numHeads }, (_, head) => {
    const sequences = Array.from({ length: problem.cuSeqlens.length - 1 }, (_, sequence) => {
      const unit = { sequence, head };
      const scores = maskedScores(problem, { q, k, bias: options.bias }, unit);
      return weightsTimesValues(forward, weightsOfScores(scores, options.sinks, head), v, unit);
    });
    return Matrix.concatRows(sequences);
  });
  return Matrix.concatColumns(heads);
}

forEachTwin(({ tolerance }) => {
  describe.each(Object.entries(OPTIONS))('%s', (_, options) => {
    it('is kept by an attention in steps, and its gradients', () => {
      const of = [q, k, v, ...(options.bias ? [options.bias] : []), ...(options.sinks ? [options.sinks] : [])];
      const both = [() => scaledDotProductAttention(q, k, v, options), () => inSteps(options)];
      const [fused, steps] = both.map((f) => {
        let out = new Matrix(0, 0);
        const { gradients } = valueAndGrad(
          () => {
            out = f();
            return out.multiply(normal(out.rows, out.cols, 9)).sum();
          },
          { of },
        );
        return [out, ...of.map((m) => gradients.get(m) as Matrix)];
      });
      fused.forEach((m, i) => expectClose(steps[i].data, m.data, tolerance * 10));
    });

    it('is kept by the weights of chosen rows', () => {
      const whole = attentionWeights(q, k, options);
      const rows = attentionStages('f', q, k, { ...options, rows: [3, 1] });
      const [first] = [options.cuSeqlens ? Array.from(options.cuSeqlens) : [0, 4]];
      rows.forEach((matrix, i) => {
        const s = Math.floor((i * (first.length - 1)) / rows.length);
        const own = [3, 1].filter((row) => row >= first[s] && row < first[s + 1]);
        expect(matrix.rows).toBe(own.length);
        own.forEach((row, r) => expectSame(matrix.row(r), whole[i].row(row - first[s])));
      });
    });
  });
});
