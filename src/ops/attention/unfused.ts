import { kvHead } from '../../core/heads.js';
import { keepsWeight } from '../../core/random.js';
import type { AttentionForwardProblem, AttentionProblem } from '../../kernels/contract.js';
import { attentionKernels } from '../../kernels/families.js';
import { allocate } from '../../kernels/state.js';
import { type Matrix, result } from '../../matrix/matrix.js';
import { quietRows } from '../../matrix/quiet-rows.js';

// Attention of one head of one sequence in its steps, each differentiable, for hooks that replace what lies between:
// Z = softcap(scale·QKᵀ) + bias, −∞ where not allowed;  P = e^{Z−m} / s;  O = (P ∘ keep / (1 − p))·V  (DESIGN §5).
// Plain loops: for looking inside, clarity comes before speed. A weight that is exactly 0 adds nothing, whatever V holds.

/** Which head of which sequence. */
export interface Unit {
  sequence: number;
  head: number;
}

/** What differentiable steps need beside the problem: the matrices that its arrays came from. */
export interface AttentionInputs {
  q: Matrix;
  k: Matrix;
  bias?: Matrix;
}

/** Z (Lq × Lk): the stage 'masked'. */
export function maskedScores(problem: AttentionProblem, { q, k, bias }: AttentionInputs, unit: Unit): Matrix {
  const { sequence, head } = unit;
  const { queries, keys } = extent(problem, unit);
  const z = attentionKernels().attentionStage(problem, 'masked', sequence, head);
  return result(bias ? [q, k, bias] : [q, k], {
    rows: queries,
    cols: keys,
    data: z,
    // Z = cap + bias, cap = c·tanh(S/c), S = (scale·Q)·Kᵀ: dS = dZ ∘ (1 − (cap/c)²), dQ = scale·dS·K, dK = dSᵀ·(scale·Q)
    backward: (dZ) => {
      const { scale, softcap, numHeads, numKvHeads, dK, cuSeqlens, cuSeqlensK, biasRowsPerHead, columns } = problem;
      const { attentionStage } = attentionKernels();
      const cap = softcap === 0 ? undefined : attentionStage(problem, 'softcapped', sequence, head);
      const gradients = [allocate(q.data.length), allocate(k.data.length), allocate(bias?.data.length ?? 0)];
      const [dQ, dKeys, dBias] = gradients;
      for (let i = 0; i < queries; i++) {
        const queryRow = cuSeqlens[sequence] + i;
        const qAt = (queryRow * numHeads + head) * dK;
        for (let j = 0; j < keys; j++) {
          const at = i * keys + j;
          if (z[at] === Number.NEGATIVE_INFINITY || dZ[at] === 0) continue; // adds nothing, whatever Q and K hold
          if (bias) dBias[(biasRowsPerHead * head + queryRow) * columns + j] = dZ[at];
          const dS = cap === undefined ? dZ[at] : dZ[at] * (1 - (cap[at] / softcap) ** 2);
          const kAt = ((cuSeqlensK[sequence] + j) * numKvHeads + kvHead(problem, head)) * dK;
          for (let c = 0; c < dK; c++) {
            dQ[qAt + c] += scale * dS * problem.k[kAt + c];
            dKeys[kAt + c] += scale * dS * problem.q[qAt + c];
          }
        }
      }
      return bias ? gradients : [dQ, dKeys];
    },
  });
}

/** P of scores (Lq × Lk), with the head's sink in the denominator; a row that is all −∞ gives zeros. */
export function weightsOfScores(scores: Matrix, sinks: Matrix | undefined, head: number): Matrix {
  const { rows, cols, data: z } = scores;
  const sink = sinks?.data[head] ?? Number.NEGATIVE_INFINITY;
  const p = allocate(rows * cols);
  const sinkShares = allocate(rows);
  for (let i = 0; i < rows; i++) {
    const [start, end] = [i * cols, (i + 1) * cols];
    let max = sink;
    for (let at = start; at < end; at++) max = Math.max(max, z[at]); // Math.max keeps NaN
    if (max === Number.NEGATIVE_INFINITY) continue;
    let sum = Math.exp(sink - max);
    for (let at = start; at < end; at++) sum += Math.exp(z[at] - max);
    for (let at = start; at < end; at++) if (z[at] !== Number.NEGATIVE_INFINITY) p[at] = Math.exp(z[at] - max) / sum;
    sinkShares[i] = Math.exp(sink - max) / sum;
  }
  return result(sinks ? [scores, sinks] : [scores], {
    rows,
    cols,
    data: p,
    // P = e^{Z−m} / s: dZ = P ∘ (dP − D), D = Σ_j P·dP; dSink = −Σ_i e^{sink−m} / s · D
    backward: (dP) => {
      const dZ = allocate(rows * cols);
      const dSinks = allocate(sinks?.cols ?? 0);
      const quiet = new Set(quietRows(dP, rows, cols));
      for (let i = 0; i < rows; i++) {
        if (quiet.has(i)) continue;
        let D = 0;
        for (let at = i * cols; at < (i + 1) * cols; at++) if (p[at] !== 0) D += p[at] * dP[at];
        for (let at = i * cols; at < (i + 1) * cols; at++) if (p[at] !== 0) dZ[at] = p[at] * (dP[at] - D);
        if (sinkShares[i] !== 0) dSinks[head] -= sinkShares[i] * D;
      }
      return sinks ? [dZ, dSinks] : [dZ];
    },
  });
}

/** O (Lq × dV) of weights (Lq × Lk) and the head's columns of v, with the dropout that the fused attention has there. */
export function weightsTimesValues(problem: AttentionForwardProblem, weights: Matrix, v: Matrix, unit: Unit): Matrix {
  const { numKvHeads, dV, dropout, cuSeqlensK } = problem;
  const { queries, keys } = extent(problem, unit);
  const vAt = (j: number) => ((cuSeqlensK[unit.sequence] + j) * numKvHeads + kvHead(problem, unit.head)) * dV;
  const factor = (i: number, j: number) => {
    if (dropout === 0) return 1;
    return keepsWeight(problem, unit.sequence * problem.numHeads + unit.head, i, j) ? 1 / (1 - dropout) : 0;
  };
  const p = weights.data;
  const data = allocate(queries * dV);
  for (let i = 0; i < queries; i++) {
    for (let j = 0; j < keys; j++) {
      const kept = p[i * keys + j] * factor(i, j);
      if (kept === 0) continue;
      for (let c = 0; c < dV; c++) data[i * dV + c] += kept * v.data[vAt(j) + c];
    }
  }
  return result([weights, v], {
    rows: queries,
    cols: dV,
    data,
    // O = A·V, A = P ∘ keep / (1 − p): dA = dO·Vᵀ, dP = dA ∘ keep / (1 − p), dV = Aᵀ·dO
    backward: (dO) => {
      const [dP, dValues] = [allocate(queries * keys), allocate(v.data.length)];
      const quiet = new Set(quietRows(dO, queries, dV));
      for (let i = 0; i < queries; i++) {
        if (quiet.has(i)) continue;
        for (let j = 0; j < keys; j++) {
          const at = i * keys + j;
          const keep = factor(i, j);
          if (keep === 0) continue;
          let sum = 0;
          for (let c = 0; c < dV; c++) sum += dO[i * dV + c] * v.data[vAt(j) + c];
          if (p[at] === 0) {
            dP[at] = Number.isFinite(sum) ? sum * keep : 0; // what V holds there was never read
            continue;
          }
          dP[at] = sum * keep;
          for (let c = 0; c < dV; c++) dValues[vAt(j) + c] += p[at] * keep * dO[i * dV + c];
        }
      }
      return [dP, dValues];
    },
  });
}

function extent({ cuSeqlens, cuSeqlensK }: AttentionProblem, { sequence }: Unit) {
  return {
    queries: cuSeqlens[sequence + 1] - cuSeqlens[sequence],
    keys: cuSeqlensK[sequence + 1] - cuSeqlensK[sequence],
  };
}
