import type { SparseGradient } from '../autograd/gradients.js';
import type { Floats } from '../kernels/contract.js';
import type { Matrix } from '../matrix/matrix.js';

// The arithmetic of the optimizers, in place. One pass over the numbers, in float64, rounded as they are stored; memory
// is what limits it, so plain loops do.

/** `lazy`: of a table of which only rows were read, those rows move; `dense`: every row moves, as in PyTorch. */
export type RowUpdates = 'lazy' | 'dense';

/** A run of entries of a parameter, with the gradient's entry for the first of them. */
export interface Span {
  from: number;
  count: number;
  values: Floats;
  valuesFrom: number;
}

/** What an update moves. */
export function spansOf(
  { rows, cols }: Matrix,
  gradient: Matrix | SparseGradient,
  rowUpdates: RowUpdates,
): readonly Span[] {
  if (!('values' in gradient)) return [{ from: 0, count: rows * cols, values: gradient.data, valuesFrom: 0 }];
  const values = gradient.values.data;
  const touched = Array.from(gradient.rows, (row, i) => {
    return { from: row * cols, count: cols, values, valuesFrom: i * cols };
  });
  if (rowUpdates === 'lazy') return touched;
  const all = new Float64Array(rows * cols);
  for (const { from, valuesFrom } of touched) all.set(values.subarray(valuesFrom, valuesFrom + cols), from);
  return [{ from: 0, count: rows * cols, values: all, valuesFrom: 0 }];
}

/** Zeros of the shape and the kind of a parameter's numbers, in memory of their own. */
export function momentLike({ data }: Matrix): Floats {
  return (data as Floats) instanceof Float64Array ? new Float64Array(data.length) : new Float32Array(data.length);
}

export interface SGDRule {
  learningRate: number;
  momentum: number;
  nesterov: boolean;
  weightDecay: number;
}

/**
 * g += weightDecay·p; b = momentum·b + g; p −= learningRate·(b, or g + momentum·b with nesterov).
 * Without `buffer`: p −= learningRate·g. A buffer of zeros is one that starts as its first gradient.
 */
export function updateSGD(p: Floats, buffer: Floats | undefined, spans: readonly Span[], rule: SGDRule): void {
  const { learningRate, momentum, nesterov, weightDecay } = rule;
  for (const { from, count, values, valuesFrom } of spans) {
    for (let i = 0; i < count; i++) {
      const at = from + i;
      let g = values[valuesFrom + i];
      if (weightDecay !== 0) g += weightDecay * p[at]; // not where it is 0: 0·∞ is NaN
      if (buffer !== undefined) {
        const b = momentum * buffer[at] + g;
        buffer[at] = b;
        g = nesterov ? g + momentum * b : b;
      }
      p[at] -= learningRate * g;
    }
  }
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
 * g += weightDecay·p, or decoupled p *= 1 − learningRate·weightDecay; m = β₁·m + (1 − β₁)·g; v = β₂·v + (1 − β₂)·g²;
 * p −= learningRate/(1 − β₁^t) · m/(√(v/(1 − β₂^t)) + ε).
 *
 * @param t  which update of this parameter it is, from 1
 */
export function updateAdam(p: Floats, m: Floats, v: Floats, spans: readonly Span[], t: number, rule: AdamRule): void {
  const { learningRate, beta1, beta2, epsilon, weightDecay, isDecoupled } = rule;
  const rate = learningRate / (1 - beta1 ** t);
  const rootCorrection = Math.sqrt(1 - beta2 ** t);
  const added = isDecoupled ? 0 : weightDecay;
  const kept = isDecoupled ? 1 - learningRate * weightDecay : 1;
  for (const { from, count, values, valuesFrom } of spans) {
    for (let i = 0; i < count; i++) {
      const at = from + i;
      let g = values[valuesFrom + i];
      if (added !== 0) g += added * p[at];
      const mean = beta1 * m[at] + (1 - beta1) * g;
      const square = beta2 * v[at] + (1 - beta2) * g * g;
      m[at] = mean;
      v[at] = square;
      p[at] = kept * p[at] - (rate * mean) / (Math.sqrt(square) / rootCorrection + epsilon);
    }
  }
}
