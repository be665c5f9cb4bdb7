import { kvHead } from '../../core/heads.js';
import type { AttentionBackwardProblem, AttentionGradients } from '../attention-problem.js';
import type { Allocate, Floats } from '../contract.js';
import { dotKey, forEachRow, keeps, type Row } from './attention.js';
import { rounded } from './sums.js';

// The formulas, for one query row i of one head, with ℓ = m + log s:
//   P = e^{Z−m} / s, 0 where s = 0;  dV = Aᵀ·dO;  dP = (dO·Vᵀ) ∘ keep / (1 − p);  D = dO·O − dℓ;  dZ = P ∘ (dP − D)
//   dBias = dZ;  dS = dZ ∘ (1 − (cap/c)²), cap = c·tanh(S/c);  dQ = scale·dS·K;  dK = dSᵀ·(scale·Q)
//   dSink = −Σ_i e^{sink−m} / s · D
// A position that may not be attended has P = 0 and is passed over, whatever the other factors hold.

/** dQ, dK and dV as q, k and v; those of key/value heads that several heads read are summed in the order of the heads. */
export function attentionBackward(allocate: Allocate, problem: AttentionBackwardProblem): AttentionGradients {
  const { q, k, v, bias, sinks, numHeads, numKvHeads, dK, dV, scale, dropout } = problem;
  const sums = {
    dQ: new Float64Array(q.length),
    dK: new Float64Array(k.length),
    dV: new Float64Array(v.length),
    dBias: bias ? new Float64Array(bias.length) : undefined,
    dSinks: sinks ? new Float64Array(numHeads) : undefined,
  };
  forEachRow(allocate, problem, (row, logits, scaled) => {
    const statistic = row.queryRow * numHeads + row.head;
    const [max, sum] = [problem.max[statistic], problem.sum[statistic]];
    if (sum === 0) return;
    const outRow = statistic * dV;
    const kvColumn = kvHead(problem, row.head);
    let D = -(problem.dLogSumExp?.[statistic] ?? 0);
    for (let c = 0; c < dV; c++) D += problem.dOut[outRow + c] * problem.out[outRow + c];
    for (let j = 0; j < row.numKeys; j++) {
      if (logits[j] === Number.NEGATIVE_INFINITY) continue;
      const keyRow = (row.firstKey + j) * numKvHeads + kvColumn;
      const P = Math.exp(logits[j] - max) / sum;
      const kept = dropout === 0 ? 1 : keeps(problem, row, j) ? 1 / (1 - dropout) : 0;
      let dP = 0;
      for (let c = 0; kept !== 0 && c < dV; c++) {
        dP += problem.dOut[outRow + c] * v[keyRow * dV + c] * kept;
        sums.dV[keyRow * dV + c] += P * kept * problem.dOut[outRow + c];
      }
      const dZ = P * (dP - D);
      if (sums.dBias) sums.dBias[biasIndex(problem, row, j)] += dZ;
      const dS = dZ * softcapSlope(problem, row, scaled, j);
      for (let c = 0; c < dK; c++) {
        sums.dQ[statistic * dK + c] += scale * dS * k[keyRow * dK + c];
        sums.dK[keyRow * dK + c] += dS * scaled[c];
      }
    }
    if (sums.dSinks && sinks) sums.dSinks[row.head] -= (Math.exp(sinks[row.head] - max) / sum) * D;
  });
  const { dQ, dK: dKeys, dV: dValues, dBias, dSinks } = sums;
  return {
    dQ: rounded(allocate, dQ),
    dK: rounded(allocate, dKeys),
    dV: rounded(allocate, dValues),
    dBias: dBias && rounded(allocate, dBias),
    dSinks: dSinks && rounded(allocate, dSinks),
  };
}

function biasIndex({ biasRowsPerHead, columns }: AttentionBackwardProblem, { head, queryRow }: Row, j: number): number {
  return (biasRowsPerHead * head + queryRow) * columns + j;
}

/** ∂/∂S of c·tanh(S/c). */
function softcapSlope(problem: AttentionBackwardProblem, row: Row, scaledQuery: Floats, j: number): number {
  const { softcap } = problem;
  return softcap === 0 ? 1 : 1 - Math.tanh(dotKey(problem, row, scaledQuery, j) / softcap) ** 2;
}
