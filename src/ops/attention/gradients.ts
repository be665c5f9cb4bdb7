import type { AttentionBackwardProblem, AttentionGradients } from '../../kernels/attention-problem.js';
import { backwards } from '../../kernels/state.js';

/**
 * The gradients of an attention. A query whose result has the gradient 0 adds nothing to them, whatever it and the keys
 * that only such queries see hold.
 */
export function attentionGradients(problem: AttentionBackwardProblem): AttentionGradients {
  const { attentionBackward, hasNaN, quietRows, withoutRows } = backwards();
  const found = attentionBackward(problem);
  // A NaN among the logits of a query is in its whole dQ. A softcap makes them finite, and an infinity in q or k shows only
  // in its column: as 0 · ∞ in dK or dQ.
  const stride = problem.softcap === 0 ? problem.dK : 1;
  if ([found.dQ, found.dK].every((x) => !hasNaN(x, stride, x.length / stride))) return found;
  const { q, dK, dV, cuSeqlens, columns, numHeads, mask, sum, dOut, dLogSumExp } = problem;
  const rows = cuSeqlens[cuSeqlens.length - 1];
  const quietLogSumExp = dLogSumExp && quietRows(dLogSumExp, rows, numHeads);
  const quiet = quietRows(dOut, rows, numHeads * dV).filter((row) => quietLogSumExp?.includes(row) ?? true);
  if (quiet.length === 0) return found;
  // They are made to attend to nothing. The mask is of the size of the weights: the price of a NaN, which finite data do
  // not pay.
  const heads = problem.maskRowsPerHead === 0 ? 1 : numHeads;
  const flags = mask?.slice() ?? new Uint8Array(rows * columns).fill(1);
  for (const row of quiet) {
    for (let h = 0; h < heads; h++) flags.fill(0, (h * rows + row) * columns, (h * rows + row + 1) * columns);
  }
  const without = { q: withoutRows(q, quiet, numHeads * dK), sum: withoutRows(sum, quiet, numHeads) };
  return attentionBackward({ ...problem, ...without, mask: flags });
}
