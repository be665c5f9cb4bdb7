import {
  type AttentionOptions,
  type AttentionStage,
  attentionWeights,
  Matrix,
  pack,
  scaledDotProductAttention,
  unpack,
} from 'qkv';
import { expectTable } from './compare.js';
import type { OnnxCase } from './conformance.js';
import { type BatchMasks, batchMask, maskOptions, packedMaskOptions } from './masks.js';
import { entry, flatten, isFlags, need, resizeLast, sequences, type Tensor, toMatrix } from './tensor.js';

/** qk_matmul_output_mode 0 to 3. */
const STAGES: readonly AttentionStage[] = ['scaledScores', 'softcapped', 'masked', 'weights'];

/** One ONNX Attention case in the library's terms. */
interface Problem {
  /** One matrix per sequence; keys and values include the past ones. */
  q: Matrix[];
  k: Matrix[];
  v: Matrix[];
  numHeads: number;
  options: AttentionOptions;
  /** The position of query 0, of each sequence. */
  offsets: number[];
  masks: BatchMasks;
  /** Keys that are no padding, of each sequence. */
  nonPadded?: number[];
}

/** Runs the case sequence by sequence and packed, and compares every output that it has. */
export function checkOnnxAttention({ inputs, outputs, attributes }: OnnxCase, tolerance: number): void {
  const problem = readProblem(inputs, attributes);
  const expected = sequences(need(outputs, 'Y'));
  const stages = outputs.get('qk_matmul_output');
  const stage = STAGES[attributes.qk_matmul_output_mode ?? 0];
  const checkPresent = (name: string, matrices: readonly Matrix[]) => {
    const present = outputs.get(name);
    if (present === undefined) return;
    sequences(present).forEach((table, n) => expectTable(matrices[n], table, 0, `${name}, sequence ${n}`));
  };
  checkPresent('present_key', problem.k);
  checkPresent('present_value', problem.v);

  problem.q.forEach((q, n) => {
    const own = `sequence ${n} alone`;
    const options = { ...problem.options, causalOffset: problem.offsets[n], ...maskOptions(problem.masks, n) };
    const out = scaledDotProductAttention(q, problem.k[n], problem.v[n], options);
    expectTable(out, expected[n], tolerance, `Y, ${own}`);
    for (const same of samePositions(options, problem.k[n].rows - q.rows)) {
      const again = scaledDotProductAttention(q, problem.k[n], problem.v[n], { ...options, ...same });
      expectTable(again, expected[n], tolerance, `Y, ${own}, causal ${same.causal}`);
    }
    checkScores(problem, n, options, tolerance);
    if (stages === undefined) return;
    const got = attentionWeights(q, problem.k[n], { ...options, stage });
    compareStages(got, stages, n, tolerance, `qk_matmul_output, ${own}`);
  });

  const { q, k, v, options } = packProblem(problem);
  unpack(scaledDotProductAttention(q, k, v, options), options.cuSeqlens ?? []).forEach((out, n) => {
    expectTable(out, expected[n], tolerance, `Y, sequence ${n} packed`);
  });
  if (stages === undefined || problem.nonPadded !== undefined) return;
  const got = attentionWeights(q, k, { ...options, stage });
  problem.q.forEach((_, n) => {
    const own = got.slice(n * problem.numHeads, (n + 1) * problem.numHeads);
    compareStages(own, stages, n, tolerance, `qk_matmul_output, sequence ${n} packed`);
  });
}

/** The other ways to say where query 0 stands, given that the last key stands `defaultOffset` after the last query. */
function samePositions({ causal, causalOffset }: AttentionOptions, defaultOffset: number): AttentionOptions[] {
  const same: AttentionOptions[] = [];
  if (causal && causalOffset === 0) same.push({ causal: 'top-left', causalOffset: undefined });
  if (causal && causalOffset === defaultOffset) same.push({ causal: true, causalOffset: undefined });
  return same;
}

/** Modes 0 and 1 are simple enough to be checked by their formulas in every case: scale·q·kᵀ, and c·tanh of it over c. */
function checkScores({ q, k, numHeads }: Problem, n: number, options: AttentionOptions, tolerance: number): void {
  const { numKvHeads = numHeads, softcap: c = 0 } = options;
  const dK = q[n].cols / numHeads;
  const { scale = 1 / Math.sqrt(dK) } = options;
  for (const stage of ['scaledScores', 'softcapped'] as const) {
    attentionWeights(q[n], k[n], { ...options, stage }).forEach((got, h) => {
      const kvHead = Math.floor((h * numKvHeads) / numHeads);
      const data = Float64Array.from({ length: got.rows * got.cols }, (_, index) => {
        const query = q[n].row(Math.floor(index / got.cols)).subarray(h * dK, (h + 1) * dK);
        const key = k[n].row(index % got.cols).subarray(kvHead * dK, (kvHead + 1) * dK);
        const score = scale * query.reduce((sum, value, i) => sum + value * key[i], 0);
        return stage === 'softcapped' && c > 0 ? c * Math.tanh(score / c) : score;
      });
      expectTable(got, { rows: got.rows, cols: got.cols, data }, tolerance, `${stage}, sequence ${n}, head ${h}`);
    });
  }
}

function readProblem(inputs: ReadonlyMap<string, Tensor>, attributes: OnnxCase['attributes']): Problem {
  const [queries, keys, values] = ['Q', 'K', 'V'].map((name) => need(inputs, name));
  const headsOf = (tensor: Tensor, given: number | undefined) =>
    given ?? (tensor.shape.length === 4 ? tensor.shape[1] : 1);
  const numHeads = headsOf(queries, attributes.q_num_heads);
  const numKvHeads = headsOf(keys, attributes.kv_num_heads);
  const q = sequences(queries).map(toMatrix);
  const k = withPast(inputs.get('past_key'), keys);
  const v = withPast(inputs.get('past_value'), values);
  const rows = q[0].rows;
  const lk = k[0].rows;
  const mask = inputs.get('attn_mask');
  const full = mask && batchMask(mask, [q.length, numHeads, rows, lk]);
  const nonPaddedInput = inputs.get('nonpad_kv_seqlen');
  const nonPadded = nonPaddedInput && Array.from(nonPaddedInput.data);
  const pastLength = inputs.has('past_key') ? lk - keys.shape[keys.shape.length - 2] : undefined;
  return {
    q,
    k,
    v,
    numHeads,
    options: {
      numHeads,
      numKvHeads,
      scale: attributes.scale,
      softcap: attributes.softcap,
      causal: attributes.is_causal === 1,
    },
    offsets: q.map((_, n) => pastLength ?? (nonPadded ? nonPadded[n] - rows : 0)),
    masks: {
      ...(full && (isFlags(full) ? { mask: full } : { bias: full })),
      keyMask: nonPadded && keyMask(nonPadded, lk),
    },
    nonPadded,
  };
}

function withPast(past: Tensor | undefined, now: Tensor): Matrix[] {
  const matrices = sequences(now).map(toMatrix);
  if (past === undefined) return matrices;
  return sequences(past).map((table, n) => Matrix.concatRows([toMatrix(table), matrices[n]]));
}

function keyMask(lengths: readonly number[], keys: number): Tensor {
  const data = new Uint8Array(lengths.length * keys);
  lengths.forEach((length, n) => data.fill(1, n * keys, n * keys + Math.min(length, keys)));
  return { shape: [lengths.length, keys], data };
}

/** The whole batch in one call. Padding is not masked here but cut off, so that the sequences differ in length. */
function packProblem({ q, k, v, options, offsets, masks, nonPadded }: Problem) {
  const lengths = k.map((keys, n) => Math.min(keys.rows, nonPadded?.[n] ?? keys.rows));
  const cut = (matrices: readonly Matrix[]) => pack(matrices.map((matrix, n) => matrix.sliceRows(0, lengths[n])));
  const longest = Math.max(...lengths);
  const [queries, keys, values] = [pack(q), cut(k), cut(v)];
  const resized = (tensor: Tensor | undefined) => tensor && resizeLast(tensor, longest, 0);
  // One causalOffset serves all sequences; where they differ, each is its own Lk − Lq, the library's default.
  const [causalOffset] = offsets;
  return {
    q: queries.packed,
    k: keys.packed,
    v: values.packed,
    options: {
      ...options,
      ...packedMaskOptions({ mask: resized(masks.mask), bias: resized(masks.bias) }),
      causalOffset: offsets.every((offset) => offset === causalOffset) ? causalOffset : undefined,
      cuSeqlens: queries.cuSeqlens,
      cuSeqlensK: keys.cuSeqlens,
    } satisfies AttentionOptions,
  };
}

/** Compares one matrix per head with [batch, heads, Lq, Lk]. */
function compareStages(got: readonly Matrix[], stages: Tensor, n: number, tolerance: number, label: string): void {
  const expected = entry(stages, n);
  if (got.length !== expected.shape[0])
    throw new Error(`${label}: got ${got.length} heads, expected ${expected.shape[0]}`);
  got.forEach((matrix, h) => expectTable(matrix, flatten(entry(expected, h), 1), tolerance, `${label}, head ${h}`));
}
