import { capabilities, Matrix, type SparseGradient, setKernels, valueAndGrad } from 'qkv';
import { expect } from 'vitest';
import { expectSame, expectTable } from './compare.js';
import type { Table } from './tensor.js';
import type { Twin } from './twins.js';

// Gradients by projected central differences: with fixed weights W for every result, ∂/∂x of Σ W∘f(x), one entry x at a time.

/** A function of matrices that is differentiable in every one of them. */
export interface Differentiable {
  inputs: () => Matrix[];
  /** Computes from the inputs alone, and always the same. */
  f: (...inputs: Matrix[]) => Matrix | Matrix[];
}

/** 2^−10: with it and its double Richardson's rule leaves 4h⁴/5! = 3e-14 of a fifth derivative. */
const STEP = 2 ** -10;

/**
 * Entries uniform in (low, high), odd multiples of 2^−8: every step from there is exact in float32, and none reaches 0,
 * where relu has its kink.
 */
export function gridded(rows: number, cols: number, seed: number, low = -2, high = 2): Matrix {
  const drawn = Matrix.randomUniform(rows, cols, { seed, low, high });
  return new Matrix(
    rows,
    cols,
    drawn.data.map((x) => (2 * Math.floor(x * 128) + 1) / 256),
  );
}

/**
 * The gradients for every input, by float64 kernels and stored differences; an input that is not finite has 0. The error
 * is that of Richardson's rule, with fifth derivatives of up to 1e4 3e-10, and 2^−53/h·Σ|W∘f| < 1e-11 of rounding.
 */
export function differences({ inputs, f }: Differentiable): Table[] {
  return inFloat64(() => {
    const at = inputs();
    const slope = ({ data }: Matrix, i: number, step: number): number => {
      const x = data[i];
      data[i] = x + step;
      const [above, right] = [projected(f(...at)), data[i]];
      data[i] = x - step;
      const [below, left] = [projected(f(...at)), data[i]];
      data[i] = x;
      return (above - below) / (right - left);
    };
    return at.map((input) => {
      const data = Array.from(input.data, (x, i) => {
        if (!Number.isFinite(x)) return 0;
        const found = (4 * slope(input, i, STEP) - slope(input, i, 2 * STEP)) / 3;
        if (!Number.isFinite(found)) throw new Error(`the difference at entry ${i} is ${found}`);
        return found;
      });
      return { rows: input.rows, cols: input.cols, data };
    });
  });
}

/** The gradients that valueAndGrad finds for the same sum, made dense; throws if an input has none, or another one alone. */
export function tapeGradients({ inputs, f }: Differentiable): Table[] {
  const at = inputs();
  const loss = () => {
    const parts = [f(...at)].flat().map((result, i) => result.multiply(weights(result, i)).sum());
    return parts.reduce((total, part) => total.add(part));
  };
  const { gradients } = valueAndGrad(loss);
  for (const input of at) {
    const alone = [...valueAndGrad(loss, { wrt: [input] }).gradients.entries()];
    expect(alone.map(([x]) => at.indexOf(x))).toEqual([at.indexOf(input)]);
    const [found, all] = [alone[0][1], gradients.get(input)].map(partsOf);
    expectSame(found.rows, all.rows, 'rows of the gradient alone');
    expectSame(found.data, all.data, 'the gradient alone');
  }
  return at.map((input, i) => {
    const found = gradients.get(input);
    if (found === undefined) throw new Error(`input ${i} has no gradient`);
    if (found instanceof Matrix) return found;
    const data = new Float64Array(input.rows * input.cols);
    found.rows.forEach((row, r) => data.set(found.values.row(r), row * input.cols));
    return { rows: input.rows, cols: input.cols, data };
  });
}

/** Its numbers, and the rows they stand in where they are few. */
function partsOf(gradient: Matrix | SparseGradient | undefined) {
  if (gradient === undefined) return { rows: [], data: [] };
  return gradient instanceof Matrix
    ? { rows: [], data: gradient.data }
    : { rows: gradient.rows, data: gradient.values.data };
}

/** Both must agree within the error of the twin, which is far above that of the differences. */
export function expectGradients(of: Differentiable, expected: readonly Table[], { tolerance }: Twin): void {
  tapeGradients(of).forEach((found, i) => {
    expectTable(found, expected[i], tolerance, `gradient of input ${i}`);
  });
}

/** Σ W∘results, summed here; entries that are not finite say nothing (the log-sum-exp of no key is −∞). */
function projected(results: Matrix | Matrix[]): number {
  let total = 0;
  [results].flat().forEach((result, i) => {
    const w = weights(result, i).data;
    for (let j = 0; j < w.length; j++) if (Number.isFinite(result.data[j])) total += w[j] * result.data[j];
  });
  return total;
}

/** Different for every entry, so that an exchange of two is noticed. */
function weights({ rows, cols }: Matrix, seed: number): Matrix {
  return Matrix.randomUniform(rows, cols, { seed: 1000 + seed, low: -1, high: 1 });
}

function inFloat64<T>(body: () => T): T {
  const before = capabilities().kernels;
  setKernels('float64');
  try {
    return body();
  } finally {
    setKernels(before);
  }
}
