import { kvHead } from '../../../core/heads.js';
import { longestSequence } from '../../../core/sequences.js';
import type {
  AttentionForwardProblem,
  AttentionProblem,
  AttentionResult,
  AttentionStage,
  AttentionStatistics,
} from '../../attention-problem.js';
import type { Floats } from '../../contract.js';
import * as entries from '../module/attention.generated.js';
import {
  ATTENTION_FIELDS,
  type AttentionField,
  FEW_ROWS,
  KEY_TILE,
  REACH_OPEN,
  ROWS_AT_ONCE,
} from '../module/attention-record.js';
import type { Runtime } from '../module/launch.js';
import { dropoutFields, type Fields } from './dropout.js';

// Writes the record of a call (module/attention-record.ts), runs the kernels over its units, copies the results out.

/**
 * Query rows a tile; no result depends on it. Lower tiles compute less above the diagonal: 12×64 heads causal at L = 128
 * ran at 24.8 GFLOP/s of useful work with 16 rows, 22.8 with 32, 19.6 with 64 (8: 25.8, but slower from L = 2048).
 */
const QUERY_TILE = 64;
const CAUSAL_QUERY_TILE = 16;

const STAGES: readonly AttentionStage[] = ['scaledScores', 'softcapped', 'masked', 'weights'];

export const roundUp = (n: number, step: number) => Math.ceil(n / step) * step;

/** O, m and s of every query row and head; each head in `parts` units per sequence. No result depends on `parts`. */
export function attention(runtime: Runtime, problem: AttentionForwardProblem, parts = 1): AttentionResult {
  const { memory } = runtime;
  const { numHeads, numKvHeads, dV } = problem;
  memory.enter();
  const length = queriesOf(problem) * numHeads * dV;
  const out = memory.reserve(length * 4);
  const values = {
    v: memory.copyIn(problem.v),
    ldv: numKvHeads * dV * 4,
    out,
    ldo: numHeads * dV * 4,
    valueWidth: dV,
    parts,
  };
  const fields = Object.assign(values, dropoutFields(problem));
  const call = prepare(runtime, problem, fields, dV);
  entries.attention(runtime, call, headUnits(problem) * parts, call.scratchBytes);
  return { out: memory.copyOut(out, length), ...statisticsOf(runtime, call) };
}

/** m and s alone. */
export function attentionStatistics(runtime: Runtime, problem: AttentionProblem, parts = 1): AttentionStatistics {
  runtime.memory.enter();
  const call = prepare(runtime, problem, { parts }, 0);
  entries.attention(runtime, call, headUnits(problem) * parts, call.scratchBytes);
  return statisticsOf(runtime, call);
}

/** One stage of one head of one sequence, (Lq × Lk). */
export function attentionStage(
  runtime: Runtime,
  problem: AttentionProblem,
  stage: AttentionStage,
  sequence: number,
  head: number,
): Floats {
  const { memory } = runtime;
  const { cuSeqlens, cuSeqlensK, numKvHeads } = problem;
  memory.enter();
  const rows = cuSeqlens[sequence + 1] - cuSeqlens[sequence];
  const length = rows * (cuSeqlensK[sequence + 1] - cuSeqlensK[sequence]);
  const out = memory.reserve(length * 4);
  const call = prepare(runtime, problem, { parts: 1 }, 0);
  // Leaves m and s of the heads that share these keys: only weights are computed from them.
  const unit = sequence * numKvHeads + kvHead(problem, head);
  const { record, scratchBytes } = call;
  if (stage === 'weights') entries.attention(runtime, { record }, 1, scratchBytes, unit);
  entries.attentionStage(runtime, { record, stage: STAGES.indexOf(stage), sequence, head, out }, rows, scratchBytes);
  return memory.copyOut(out, length);
}

interface Call {
  record: number;
  scratchBytes: number;
  max: number;
  sum: number;
  statistics: number;
}

/** Copies everything in and writes the record. */
function prepare(runtime: Runtime, problem: AttentionProblem, more: Fields, valueWidth: number): Call {
  const { memory } = runtime;
  const statistics = queriesOf(problem) * problem.numHeads;
  const max = memory.reserve(statistics * 4);
  const sum = memory.reserve(statistics * 4);
  const layout = scratchLayout(problem, widthOf(problem.dK), valueWidth);
  // Not spread into a literal: that takes V8 of Node 20 3 µs.
  const fields = Object.assign(problemFields(runtime, problem), { max, sum }, layout.fields, more);
  const record = memory.copyRecord(ATTENTION_FIELDS, fields, floatFields(problem, more));
  return { record, scratchBytes: layout.bytes, max, sum, statistics };
}

/** Copies in what every attention call reads, and names where it lies. */
export function problemFields({ memory }: Pick<Runtime, 'memory'>, problem: AttentionProblem): Fields {
  const { numHeads, numKvHeads, cuSeqlens, cuSeqlensK } = problem;
  const keyWidth = widthOf(problem.dK);
  return {
    q: memory.copyIn(columnsOf(problem.q, problem.dK, queriesOf(problem) * numHeads)),
    ldq: numHeads * keyWidth * 4,
    k: memory.copyIn(columnsOf(problem.k, problem.dK, cuSeqlensK[cuSeqlensK.length - 1] * numKvHeads)),
    ldk: numKvHeads * keyWidth * 4,
    numHeads,
    numKvHeads,
    keyWidth,
    cuSeqlens: memory.copyIn(cuSeqlens),
    cuSeqlensK: memory.copyIn(cuSeqlensK),
    offsets: memory.copyIn(problem.offsets),
    left: Math.min(problem.left, REACH_OPEN),
    right: Math.min(problem.right, REACH_OPEN),
    mask: problem.mask && memory.copyIn(problem.mask),
    maskHeadStride: problem.maskRowsPerHead * problem.columns,
    keyMask: problem.keyMask && memory.copyIn(problem.keyMask),
    bias: problem.bias && memory.copyIn(problem.bias),
    biasHeadStride: problem.biasRowsPerHead * problem.columns * 4,
    columns: problem.columns,
    alibi: problem.alibi && memory.copyIn(problem.alibi),
    sinks: problem.sinks && memory.copyIn(problem.sinks),
  };
}

/** The fields of the record that are floats. */
export function floatFields({ scale, softcap }: AttentionProblem, { keepScale = 1 }: Fields): Fields {
  return { scale, softcap, keepScale };
}

/** Without columns every product is 0: one column of zeros says the same. */
export function widthOf(columns: number): number {
  return Math.max(columns, 1);
}

/** x, or where it has no columns, that column. */
export function columnsOf(x: Floats, columns: number, rows: number): Floats {
  return columns === 0 ? new Float32Array(rows) : x;
}

/** Pairs of a sequence and a key/value head. */
export function headUnits({ cuSeqlens, numKvHeads }: AttentionProblem): number {
  return (cuSeqlens.length - 1) * numKvHeads;
}

/** Where everything lies in the scratch of one thread, in bytes, and how much that is. */
function scratchLayout(
  problem: AttentionProblem,
  keyWidth: number,
  valueWidth: number,
): { fields: Fields; bytes: number } {
  const { numHeads, numKvHeads } = problem;
  const longest = longestSequence(problem.cuSeqlens);
  const queryTile = Math.min(problem.right === 0 ? CAUSAL_QUERY_TILE : QUERY_TILE, longest);
  const fewQueries = Math.min(longest, Math.floor(FEW_ROWS / (numHeads / numKvHeads)));
  const fewRows = Math.min(fewQueries * numHeads, ROWS_AT_ONCE);
  const rows = Math.max(queryTile, fewRows);
  const keys = roundUp(longestSequence(problem.cuSeqlensK), KEY_TILE);
  const outWidth = roundUp(valueWidth, 8);
  const sizes: [AttentionField, number][] = [
    ['atEdge', 32],
    ['atMax', rows],
    ['atSum', rows],
    ['atFactors', rows],
    ['atShifts', rows],
    ['atQuery', rows * keyWidth],
    ['atScores', rows * KEY_TILE],
    ['atAllowed', queryTile * KEY_TILE],
    ['atOut', rows * outWidth],
    ['atPart', fewRows * outWidth],
    ['atKeys', keys * keyWidth],
    ['atValues', keys * outWidth],
  ];
  return placed({ queryTile }, sizes);
}

/** Gives each of the arrays (in floats) its place, behind one another, in bytes. */
export function placed<Name extends string>(
  fields: Partial<Record<Name, number>>,
  sizes: readonly (readonly [Name, number])[],
): { fields: Partial<Record<Name, number>>; bytes: number } {
  let bytes = 0;
  for (const [field, floats] of sizes) {
    fields[field] = bytes;
    bytes += roundUp(floats * 4, 64);
  }
  return { fields, bytes };
}

export function queriesOf({ cuSeqlens }: AttentionProblem): number {
  return cuSeqlens[cuSeqlens.length - 1];
}

function statisticsOf({ memory }: Runtime, { max, sum, statistics }: Call): AttentionStatistics {
  return { max: memory.copyOut(max, statistics), sum: memory.copyOut(sum, statistics) };
}
