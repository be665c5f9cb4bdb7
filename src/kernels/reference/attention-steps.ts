import { kvHead } from '../../core/heads.js';
import { keepsWeight } from '../../core/random.js';
import type {
  AttentionForwardProblem,
  AttentionGradients,
  AttentionProblem,
  AttentionUnit,
  AttentionWeights,
} from '../attention-problem.js';
import type { Allocate, Floats } from '../contract.js';
import { quietRows } from './quiet-rows.js';

// Attention of one head of one sequence in its steps:
// Z = softcap(scale·QKᵀ) + bias, −∞ where not allowed;  P = e^{Z−m} / s;  O = (P ∘ keep / (1 − p))·V .
// A weight that is exactly 0 adds nothing, whatever V holds.

/**
 * Z = cap + bias, cap = c·tanh(S/c), S = (scale·Q)·Kᵀ: dS = dZ ∘ (1 − (cap/c)²), dQ = scale·dS·K, dK = dSᵀ·(scale·Q).
 * Of the whole q, k and bias: 0 outside the unit.
 */
export function scoresBackward(
  allocate: Allocate,
  problem: AttentionProblem,
  unit: AttentionUnit,
  z: Floats,
  cap: Floats | undefined,
  dZ: Floats,
): Pick<AttentionGradients, 'dQ' | 'dK' | 'dBias'> {
  const { q, k, bias, scale, softcap, numHeads, numKvHeads, dK, cuSeqlens, cuSeqlensK } = problem;
  const { biasRowsPerHead, columns } = problem;
  const { sequence, head } = unit;
  const { queries, keys } = extent(problem, unit);
  const [dQ, dKeys, dBias] = [allocate(q.length), allocate(k.length), allocate(bias?.length ?? 0)];
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
        dQ[qAt + c] += scale * dS * k[kAt + c];
        dKeys[kAt + c] += scale * dS * q[qAt + c];
      }
    }
  }
  return { dQ, dK: dKeys, dBias: bias && dBias };
}

/** P of scores (rows × cols), with the head's sink in the denominator; a row that is all −∞ gives zeros. */
export function weights(
  allocate: Allocate,
  z: Floats,
  rows: number,
  cols: number,
  sinks: Floats | undefined,
  head: number,
): AttentionWeights {
  const sink = sinks?.[head] ?? Number.NEGATIVE_INFINITY;
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
  return { weights: p, sinkShares };
}

/** dZ = P ∘ (dP − D), D = Σ_j P·dP; dSink = −Σ_i e^{sink−m} / s · D. */
export function weightsBackward(
  allocate: Allocate,
  { weights: p, sinkShares }: AttentionWeights,
  dP: Floats,
  rows: number,
  cols: number,
  sinks: Floats | undefined,
  head: number,
): { dScores: Floats; dSinks?: Floats } {
  const dZ = allocate(rows * cols);
  const dSinks = allocate(sinks?.length ?? 0);
  const quiet = new Set(quietRows(dP, rows, cols));
  for (let i = 0; i < rows; i++) {
    if (quiet.has(i)) continue;
    let D = 0;
    for (let at = i * cols; at < (i + 1) * cols; at++) if (p[at] !== 0) D += p[at] * dP[at];
    for (let at = i * cols; at < (i + 1) * cols; at++) if (p[at] !== 0) dZ[at] = p[at] * (dP[at] - D);
    if (sinkShares[i] !== 0) dSinks[head] -= sinkShares[i] * D;
  }
  return { dScores: dZ, dSinks: sinks && dSinks };
}

/** O (Lq × dV) of weights (Lq × Lk) and the head's columns of v, with the dropout that the fused attention has there. */
export function timesValues(
  allocate: Allocate,
  problem: AttentionForwardProblem,
  unit: AttentionUnit,
  p: Floats,
): Floats {
  const { v, dV } = problem;
  const { queries, keys } = extent(problem, unit);
  const out = allocate(queries * dV);
  for (let i = 0; i < queries; i++) {
    for (let j = 0; j < keys; j++) {
      const kept = p[i * keys + j] * keepFactor(problem, unit, i, j);
      if (kept === 0) continue;
      const vAt = valueAt(problem, unit, j);
      for (let c = 0; c < dV; c++) out[i * dV + c] += kept * v[vAt + c];
    }
  }
  return out;
}

/** O = A·V, A = P ∘ keep / (1 − p): dA = dO·Vᵀ, dP = dA ∘ keep / (1 − p), dV = Aᵀ·dO, as the whole v: 0 outside the unit. */
export function timesValuesBackward(
  allocate: Allocate,
  problem: AttentionForwardProblem,
  unit: AttentionUnit,
  p: Floats,
  dO: Floats,
): { dWeights: Floats; dV: Floats } {
  const { v, dV } = problem;
  const { queries, keys } = extent(problem, unit);
  const [dP, dValues] = [allocate(queries * keys), allocate(v.length)];
  const quiet = new Set(quietRows(dO, queries, dV));
  for (let i = 0; i < queries; i++) {
    if (quiet.has(i)) continue;
    for (let j = 0; j < keys; j++) {
      const at = i * keys + j;
      const keep = keepFactor(problem, unit, i, j);
      if (keep === 0) continue;
      const vAt = valueAt(problem, unit, j);
      let sum = 0;
      for (let c = 0; c < dV; c++) sum += dO[i * dV + c] * v[vAt + c];
      if (p[at] === 0) {
        dP[at] = Number.isFinite(sum) ? sum * keep : 0; // what V holds there was never read
        continue;
      }
      dP[at] = sum * keep;
      for (let c = 0; c < dV; c++) dValues[vAt + c] += p[at] * keep * dO[i * dV + c];
    }
  }
  return { dWeights: dP, dV: dValues };
}

/** Where the value of key j begins. */
function valueAt(problem: AttentionForwardProblem, { sequence, head }: AttentionUnit, j: number): number {
  const { cuSeqlensK, numKvHeads, dV } = problem;
  return ((cuSeqlensK[sequence] + j) * numKvHeads + kvHead(problem, head)) * dV;
}

function keepFactor(problem: AttentionForwardProblem, { sequence, head }: AttentionUnit, i: number, j: number): number {
  const { dropout, numHeads } = problem;
  if (dropout === 0) return 1;
  return keepsWeight(problem, sequence * numHeads + head, i, j) ? 1 / (1 - dropout) : 0;
}

function extent({ cuSeqlens, cuSeqlensK }: AttentionProblem, { sequence }: AttentionUnit) {
  return {
    queries: cuSeqlens[sequence + 1] - cuSeqlens[sequence],
    keys: cuSeqlensK[sequence + 1] - cuSeqlensK[sequence],
  };
}
