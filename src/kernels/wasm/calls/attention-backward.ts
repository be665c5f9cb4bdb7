import { longestSequence } from '../../../core/sequences.js';
import type { AttentionBackwardProblem, AttentionGradients } from '../../attention-problem.js';
import * as entries from '../module/attention-backward.generated.js';
import { BACKWARD_FIELDS, type BackwardField, KEY_TILE } from '../module/attention-record.js';
import type { Runtime } from '../module/launch.js';
import { columnsOf, floatFields, headUnits, placed, problemFields, queriesOf, roundUp, widthOf } from './attention.js';
import { dropoutFields, type Fields } from './dropout.js';

// Writes the record of a backward call (emit/attention/backward.ts), runs its units, copies the gradients out.

/**
 * Query rows a tile, always counted from the first of the sequence: a block of the sums over rows (summation.ts), so they
 * depend on `causal` alone. Heads of 64 columns on Zen 3, own GEMM 47.4 GFLOP/s: 38.1 GFLOP/s with 32
 * rows, 39.0 with 64, 38.9 with 128. Causal, of useful work, with 16, 32 and 64 rows: 30.1, 29.1 and 25.4 at L = 128,
 * 33.9, 35.5 and 36.0 at L = 1024: lower tiles compute less above the diagonal, higher ones load dK and dV less often.
 */
const QUERY_TILE = 64;
const CAUSAL_QUERY_TILE = 32;

/**
 * dQ, dK, dV; dBias where there is a bias, dSinks where there are sinks. m and s must be those of these kernels. With
 * parts > 1 each head of a sequence is cut into as many units, by keys and by queries: 7 products of tiles, not 5. No
 * result depends on it.
 */
export function attentionBackward(runtime: Runtime, problem: AttentionBackwardProblem, parts = 1): AttentionGradients {
  const { memory } = runtime;
  const { q, k, v, bias, sinks, dLogSumExp, numHeads, numKvHeads, cuSeqlens, cuSeqlensK } = problem;
  memory.enter();
  const queries = queriesOf(problem);
  const keys = cuSeqlensK[cuSeqlensK.length - 1];
  const keyWidth = widthOf(problem.dK);
  const valueWidth = widthOf(problem.dV);
  const column = (x: typeof q, rows: number) => memory.copyIn(columnsOf(x, problem.dV, rows));
  const floats = (length: number) => memory.reserve(length * 4);
  const sequences = cuSeqlens.length - 1;
  const own: Partial<Record<BackwardField, number>> = {
    v: column(v, keys * numKvHeads),
    ldv: numKvHeads * valueWidth * 4,
    out: column(problem.out, queries * numHeads),
    ldo: numHeads * valueWidth * 4,
    valueWidth,
    max: memory.copyIn(problem.max),
    sum: memory.copyIn(problem.sum),
    dOut: column(problem.dOut, queries * numHeads),
    dLogSumExp: dLogSumExp && memory.copyIn(dLogSumExp),
  };
  const gradQ = floats(queries * numHeads * keyWidth);
  const gradK = floats(keys * numKvHeads * keyWidth);
  const gradV = floats(keys * numKvHeads * valueWidth);
  const gradBias = bias ? floats(bias.length) : 0;
  const gradSinks = sinks ? floats(sequences * numHeads) : 0;
  const dropping: Fields = dropoutFields(problem);
  const layout = scratchLayout(problem, keyWidth, valueWidth, parts);
  const kvHeadsPerUnit = bias && problem.biasRowsPerHead === 0 ? numKvHeads : 1;
  const grads: Partial<Record<BackwardField, number>> = {
    gradQ,
    gradK,
    gradV,
    gradBias,
    gradSinks,
    kvHeadsPerUnit,
    parts,
  };
  const fields = Object.assign(own, grads, dropping, layout.fields, problemFields(runtime, problem));
  const record = memory.copyRecord<BackwardField>(BACKWARD_FIELDS, fields, floatFields(problem, dropping));
  const units = headUnits(problem);
  if (parts === 1) entries.attentionBackward(runtime, { record }, units / kvHeadsPerUnit, layout.bytes);
  else {
    entries.attentionKeyGradients(runtime, { record }, units * parts, layout.bytes);
    entries.attentionQueryGradients(runtime, { record }, (units / kvHeadsPerUnit) * parts, layout.bytes);
  }
  return {
    dQ: memory.copyOut(gradQ, q.length),
    dK: memory.copyOut(gradK, k.length),
    dV: memory.copyOut(gradV, v.length),
    dBias: gradBias === 0 || bias === undefined ? undefined : memory.copyOut(gradBias, bias.length),
    dSinks: gradSinks === 0 ? undefined : sumOfSequences(memory.copyOut(gradSinks, sequences * numHeads), numHeads),
  };
}

/** A unit writes dSinks of its own sequence; their sum, in the order of the sequences, does not depend on who ran it. */
function sumOfSequences(parts: Float32Array, numHeads: number): Float32Array {
  const sums = new Float64Array(numHeads);
  for (const [i, part] of parts.entries()) sums[i % numHeads] += part;
  return Float32Array.from(sums);
}

/** Where everything lies in the scratch of one thread, in bytes, and how much that is. */
function scratchLayout(problem: AttentionBackwardProblem, keyWidth: number, valueWidth: number, parts: number) {
  const queryTile = problem.right === 0 ? CAUSAL_QUERY_TILE : QUERY_TILE;
  const rows = Math.min(queryTile, Math.max(longestSequence(problem.cuSeqlens), 1));
  const keys = roundUp(longestSequence(problem.cuSeqlensK), KEY_TILE);
  // dK and dV grow in the scratch of the unit that has all keys, or a block of them.
  const sums = roundUp(keys / parts, KEY_TILE);
  const [keyStride, valueStride] = [roundUp(keyWidth, 8), roundUp(valueWidth, 8)];
  const tile = rows * KEY_TILE;
  return placed<BackwardField>({ queryTile: rows }, [
    ['atEdge', 32],
    ['atBad', 1],
    ['atMax', rows],
    ['atSum', rows],
    ['atFactors', rows],
    ['atQuery', rows * keyWidth],
    ['atScores', tile],
    ['atGradients', tile],
    ['atCaps', problem.softcap === 0 ? 0 : tile],
    ['atAllowed', tile],
    ['atKept', tile],
    ['atOut', rows * keyStride],
    ['atQueryPanels', rows * keyStride],
    ['atOutPanels', rows * valueStride],
    ['atKeys', keys * keyWidth],
    ['atValues', keys * valueWidth],
    ['atKeyPanels', keys * keyStride],
    ['atKeySums', sums * keyStride],
    ['atValueSums', sums * valueStride],
  ]);
}
