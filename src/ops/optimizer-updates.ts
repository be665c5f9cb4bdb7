import type { SparseGradient } from '../autograd/gradients.js';
import type { Floats } from '../kernels/contract.js';
import { muon, products, updates } from '../kernels/families.js';
import { momentArray } from '../kernels/state.js';
import type { Moved } from '../kernels/updates.js';
import type { Matrix } from '../matrix/matrix.js';

// What the optimizers ask of the kernels: updates in place, and the norm of gradients.

/** `lazy`: of a table of which only rows were read, those rows move; `dense`: every row moves, as in PyTorch. */
export type RowUpdates = 'lazy' | 'dense';

/** What a gradient moves of its parameter: all of it, or with lazy updates the rows that were read. */
export function movedBy(gradient: Matrix | SparseGradient, parameter: Matrix, rowUpdates: RowUpdates): Moved {
  const { data: p, cols } = parameter;
  if (!('values' in gradient)) return { p, gradient: gradient.data, cols };
  const { rows } = gradient;
  const values: Floats = gradient.values.data;
  if (rowUpdates === 'lazy') return { p, gradient: values, rows, cols };
  const all = values instanceof Float64Array ? new Float64Array(p.length) : new Float32Array(p.length);
  rows.forEach((row, i) => all.set(values.subarray(i * cols, (i + 1) * cols), row * cols));
  return { p, gradient: all, cols };
}

/** Zeros of the shape and the kind of a parameter's numbers, where the kernels update them without a copy. */
export function momentLike({ data }: Matrix): Floats {
  return (data as Floats) instanceof Float64Array ? new Float64Array(data.length) : momentArray(data.length);
}

export interface SGDRule {
  learningRate: number;
  momentum: number;
  nesterov: boolean;
  weightDecay: number;
}

/** A buffer of zeros is one that starts as its first gradient; absent without momentum. */
export function updateSGD({ p, gradient, rows, cols }: Moved, buffer: Floats | undefined, rule: SGDRule): void {
  const { learningRate, momentum, nesterov, weightDecay } = rule;
  updates().updateSGD({ p, gradient, rows, cols, buffer, learningRate, momentum, nesterov, weightDecay });
}

export interface AdamRule {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  /** AdamW: the decay shrinks p and stays out of the moments. */
  isDecoupled: boolean;
}

/**
 * p −= learningRate · m̂/(√v̂ + ε) with m̂ = m/(1 − β₁^t) and v̂ = v/(1 − β₂^t).
 *
 * @param t  which update of this parameter it is, from 1
 */
export function updateAdam({ p, gradient, rows, cols }: Moved, m: Floats, v: Floats, t: number, rule: AdamRule): void {
  const { learningRate, beta1, beta2, epsilon, weightDecay, isDecoupled } = rule;
  const rate = learningRate / (1 - beta1 ** t);
  const rootCorrection = Math.sqrt(1 - beta2 ** t);
  const added = isDecoupled ? 0 : weightDecay;
  const kept = isDecoupled ? 1 - learningRate * weightDecay : 1;
  updates().updateAdam({ p, gradient, rows, cols, m, v, beta1, beta2, epsilon, rate, rootCorrection, added, kept });
}

export interface MuonRule {
  learningRate: number;
  momentum: number;
  nesterov: boolean;
  weightDecay: number;
  epsilon: number;
  iterations: number;
  /** a, b, c of an iteration: X ← a·X + b·S·X + c·S²·X with S = X·Xᵀ. */
  coefficients: readonly [number, number, number];
  /** Times the learning rate, for the direction and not for the decay; above 0. */
  ratio: number;
}

/** p = (1 − learningRate·weightDecay)·p − learningRate·ratio·X, X the orthogonalized momentum. */
export function updateMuon({ p, gradient, cols }: Moved, buffer: Floats, rule: MuonRule): void {
  const { learningRate, momentum, nesterov, weightDecay, epsilon, ratio } = rule;
  const direction = muon().muonDirection({ gradient, buffer, momentum, nesterov, epsilon });
  updates().updateSGD({
    p,
    gradient: orthogonalized(direction, p.length / cols, cols, rule),
    cols,
    learningRate: learningRate * ratio,
    momentum: 0,
    nesterov: false,
    weightDecay: weightDecay / ratio,
  });
}

/** By iterations of Newton and Schulz on the shorter side: XᵀX has the singular values of X·Xᵀ, and powers of either do. */
function orthogonalized(x: Floats, rows: number, cols: number, { iterations, coefficients }: MuonRule): Floats {
  const { gemm } = products();
  const { quinticFactor } = muon();
  const isTall = rows > cols;
  const [n, k] = isTall ? [cols, rows] : [rows, cols];
  let result = x;
  for (let i = 0; i < iterations; i++) {
    const s = gemm({ m: n, n, k, a: result, b: result, transposeA: isTall, transposeB: !isTall });
    const factor = quinticFactor(s, gemm({ m: n, n, k: n, a: s, b: s }), n, coefficients);
    const [a, b] = isTall ? [result, factor] : [factor, result];
    result = gemm({ m: rows, n: cols, k: n, a, b });
  }
  return result;
}

/** √Σ x² over all entries of all matrices, as of one long vector, in float64. */
export function euclideanNorm(matrices: readonly Matrix[]): number {
  return updates().euclideanNorm(matrices.map(({ data }) => data));
}
