import { type AttentionProblem, LAYER_GRADIENTS, type TrainingProblem } from '../harness/contender.js';
import { type Expected, errorLimit } from '../harness/verify.js';
import { type Arithmetic, exactly, inFloat32, rowsOf, transposed } from './arithmetic.js';
import { softmaxInPlace } from './expected.js';

// The gradients of the layer, by the formulas on paper: scores = scale·Q·Kᵀ, P = softmax(scores), attended = P·V,
// out = attended·W_O, loss = Σ out ∘ dOut.

/** The rows of dX that are given, then those of dW_Q, dW_K, dW_V, dW_O. */
export function layerGradientRows(
  problem: TrainingProblem,
  tokenRows: readonly number[],
  weightRows: readonly number[],
  arithmetic: Arithmetic,
): Float64Array[] {
  const { tokens, dModel, numHeads, x, wQ, wK, wV, wO } = problem;
  const { dots, round } = arithmetic;
  const square = (w: Float32Array) => transposed(w, dModel, dModel);
  const [input, dOut] = [Float64Array.from(x), Float64Array.from(problem.dOut)];
  const [q, k, v] = [wQ, wK, wV].map((w) => dots(input, square(w), tokens, dModel, dModel));
  const dAttended = dots(dOut, Float64Array.from(wO), tokens, dModel, dModel);

  const dHead = dModel / numHeads;
  const [attended, dQ, dK, dV] = Array.from({ length: 4 }, () => new Float64Array(tokens * dModel));
  for (let column = 0; column < dModel; column += dHead) {
    const [qH, kH, vH, dOutH] = [q, k, v, dAttended].map((all) => columnsOf(all, column, dHead, dModel));
    const head = headGradients({ dHead, q: qH, k: kH, v: vH, dOut: dOutH }, arithmetic);
    putColumns(attended, head.out, column, dHead, dModel);
    putColumns(dQ, head.dQ, column, dHead, dModel);
    putColumns(dK, head.dK, column, dHead, dModel);
    putColumns(dV, head.dV, column, dHead, dModel);
  }

  const throughWeight = (dProjected: Float64Array, w: Float32Array) =>
    dots(rowsOf(dProjected, tokenRows, dModel), Float64Array.from(w), tokenRows.length, dModel, dModel);
  const [fromQ, fromK, fromV] = [throughWeight(dQ, wQ), throughWeight(dK, wK), throughWeight(dV, wV)];
  const dX = fromQ.map((value, i) => round(round(value + fromK[i]) + fromV[i]));
  const ofWeight = (into: Float64Array, dProjected: Float64Array) => {
    const columns = rowsOf(transposed(into, tokens, dModel), weightRows, tokens);
    return dots(columns, transposed(dProjected, tokens, dModel), weightRows.length, tokens, dModel);
  };
  return [dX, ofWeight(input, dQ), ofWeight(input, dK), ofWeight(input, dV), ofWeight(attended, dOut)];
}

/** `count` columns of a matrix of `cols`, from `column` on. */
function columnsOf(x: Float32Array | Float64Array, column: number, count: number, cols: number): Float64Array {
  const out = new Float64Array((x.length / cols) * count);
  for (let i = 0; i * count < out.length; i++) {
    out.set(x.subarray(i * cols + column, i * cols + column + count), i * count);
  }
  return out;
}

function putColumns(x: Float64Array, columns: Float64Array, column: number, count: number, cols: number): void {
  for (let i = 0; i * count < columns.length; i++) {
    x.set(columns.subarray(i * count, (i + 1) * count), i * cols + column);
  }
}

interface Head {
  readonly dHead: number;
  /** (queries × dHead), as dOut */
  readonly q: Float64Array;
  /** (keys × dHead), as v */
  readonly k: Float64Array;
  readonly v: Float64Array;
  readonly dOut: Float64Array;
}

/** dP = dOut·Vᵀ; D_i = dOut_i·out_i; dScores = scale·P∘(dP − D); dQ = dScores·K. Every query by itself. */
function queryGradients({ dHead, q, k, v, dOut }: Head, arithmetic: Arithmetic) {
  const { dots, round } = arithmetic;
  const [queries, keys] = [q.length / dHead, k.length / dHead];
  const scale = round(1 / Math.sqrt(dHead));
  const weights = dots(q, k, queries, dHead, keys).map((score) => round(scale * score));
  for (let i = 0; i < queries; i++) softmaxInPlace(weights.subarray(i * keys, (i + 1) * keys), keys, arithmetic);
  const out = dots(weights, transposed(v, keys, dHead), queries, keys, dHead);
  const dScores = dots(dOut, v, queries, dHead, keys);
  for (let i = 0; i < queries; i++) {
    const row = (matrix: Float64Array) => matrix.subarray(i * dHead, (i + 1) * dHead);
    const [d] = dots(row(dOut), row(out), 1, dHead, 1);
    for (let j = i * keys; j < (i + 1) * keys; j++) {
      dScores[j] = round(scale * round(weights[j] * round(dScores[j] - d)));
    }
  }
  return { weights, out, dScores, dQ: dots(dScores, transposed(k, keys, dHead), queries, keys, dHead) };
}

/** dV = Pᵀ·dOut; dK = dScoresᵀ·Q. */
function headGradients(head: Head, arithmetic: Arithmetic) {
  const { dHead, q, k, dOut } = head;
  const [queries, keys] = [q.length / dHead, k.length / dHead];
  const { weights, out, dScores, dQ } = queryGradients(head, arithmetic);
  const overQueries = (x: Float64Array, rows: Float64Array) =>
    arithmetic.dots(transposed(x, queries, keys), transposed(rows, queries, dHead), keys, queries, dHead);
  return { out, dQ, dK: overQueries(dScores, q), dV: overQueries(weights, dOut) };
}

/** Rows of dQ of attention that is not causal. */
export function attentionQueryGradientRows(
  problem: Omit<AttentionProblem, 'causal'>,
  dOut: Float32Array,
  rows: readonly number[],
  arithmetic: Arithmetic,
): Float64Array {
  const { numHeads, dHead } = problem;
  const width = numHeads * dHead;
  const [q, dOutRows] = [problem.q, dOut].map((all) => rowsOf(all, rows, width));
  const dQ = new Float64Array(rows.length * width);
  for (let column = 0; column < width; column += dHead) {
    const columns = (x: Float32Array | Float64Array) => columnsOf(x, column, dHead, width);
    const head = { dHead, q: columns(q), k: columns(problem.k), v: columns(problem.v), dOut: columns(dOutRows) };
    putColumns(dQ, queryGradients(head, arithmetic).dQ, column, dHead, width);
  }
  return dQ;
}

/** The error law of every other case (see errorLimit), for each of the five gradients by itself. */
export function expectedGradients(
  problem: TrainingProblem,
  tokenRows: readonly number[],
  weightRows: readonly number[],
): Expected[] {
  const { tokens, dModel } = problem;
  const exact = layerGradientRows(problem, tokenRows, weightRows, exactly);
  const plain = layerGradientRows(problem, tokenRows, weightRows, inFloat32);
  return LAYER_GRADIENTS.map((name, i) => {
    const [rows, resultRows] = name === 'dX' ? [tokenRows, tokens] : [weightRows, dModel];
    const sample = { rows, cols: dModel, exact: exact[i], limit: errorLimit(exact[i], plain[i]) };
    return { name, resultRows, sample };
  });
}
