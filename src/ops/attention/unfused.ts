import type { AttentionForwardProblem, AttentionProblem, AttentionUnit } from '../../kernels/attention-problem.js';
import { attentionKernels, attentionSteps } from '../../kernels/families.js';
import { type Matrix, result } from '../../matrix/matrix.js';

// Attention of one head of one sequence in its steps, each differentiable, for hooks that replace what lies between:
// Z = softcap(scale·QKᵀ) + bias, −∞ where not allowed;  P = e^{Z−m} / s;  O = (P ∘ keep / (1 − p))·V .

/** What differentiable steps need beside the problem: the matrices that its arrays came from. */
export interface AttentionInputs {
  q: Matrix;
  k: Matrix;
  bias?: Matrix;
}

/** Z (Lq × Lk): the stage 'masked'. */
export function maskedScores(problem: AttentionProblem, { q, k, bias }: AttentionInputs, unit: AttentionUnit): Matrix {
  const { sequence, head } = unit;
  const { cuSeqlens, cuSeqlensK } = problem;
  const { scoresBackward } = attentionSteps();
  const z = attentionKernels().attentionStage(problem, 'masked', sequence, head);
  return result(bias ? [q, k, bias] : [q, k], {
    rows: cuSeqlens[sequence + 1] - cuSeqlens[sequence],
    cols: cuSeqlensK[sequence + 1] - cuSeqlensK[sequence],
    data: z,
    backward: (dZ) => {
      const { attentionStage } = attentionKernels();
      const capped = problem.softcap === 0 ? undefined : attentionStage(problem, 'softcapped', sequence, head);
      const { dQ, dK, dBias } = scoresBackward(problem, unit, z, capped, dZ);
      return bias ? [dQ, dK, dBias] : [dQ, dK];
    },
  });
}

/** P of scores (Lq × Lk), with the head's sink in the denominator; a row that is all −∞ gives zeros. */
export function weightsOfScores(scores: Matrix, sinks: Matrix | undefined, head: number): Matrix {
  const { rows, cols } = scores;
  const { weights, weightsBackward } = attentionSteps();
  const logits = sinks?.data;
  const found = weights(scores.data, rows, cols, logits, head);
  return result(sinks ? [scores, sinks] : [scores], {
    rows,
    cols,
    data: found.weights,
    backward: (dP) => {
      const { dScores, dSinks } = weightsBackward(found, dP, rows, cols, logits, head);
      return sinks ? [dScores, dSinks] : [dScores];
    },
  });
}

/** O (Lq × dV) of weights (Lq × Lk) and the head's columns of v, with the dropout that the fused attention has there. */
export function weightsTimesValues(
  problem: AttentionForwardProblem,
  weights: Matrix,
  v: Matrix,
  unit: AttentionUnit,
): Matrix {
  const { timesValues, timesValuesBackward } = attentionSteps();
  const p = weights.data;
  return result([weights, v], {
    rows: weights.rows,
    cols: problem.dV,
    data: timesValues(problem, unit, p),
    backward: (dO) => {
      const { dWeights, dV } = timesValuesBackward(problem, unit, p, dO);
      return [dWeights, dV];
    },
  });
}
