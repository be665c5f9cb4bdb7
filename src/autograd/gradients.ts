import type { AnyBuffer } from '../core/array-types.js';
import { brandOf, putBrand } from '../core/brands.js';
import { describe, kindError, requireNumber, shapeError, shapeText } from '../core/errors.js';
import type { Floats } from '../kernels/contract.js';
import { elementwise, layouts } from '../kernels/families.js';
import { allocate, backwards, copied } from '../kernels/state.js';
import { requireWhole } from '../matrix/checks.js';
import { type Matrix, requireMatrix, wrap } from '../matrix/matrix.js';
import type { Gradient, GradientAlgebra } from '../matrix/tape.js';

/** Gradient of a table of which only some rows were read: the others are 0. */
export interface SparseGradient {
  /** Ascending, each once. */
  rows: Int32Array & AnyBuffer;
  /** (rows.length × cols of the table). */
  values: Matrix;
}

/** ∂loss/∂x for the matrices that went into a loss; made by valueAndGrad. */
export class Gradients {
  static get name(): string {
    return 'Gradients';
  }

  readonly #found: ReadonlyMap<Matrix, Matrix | SparseGradient>;

  /** @internal */
  constructor(found: ReadonlyMap<Matrix, Matrix | SparseGradient>) {
    this.#found = found;
    putBrand(this, 'Gradients');
  }

  /**
   * The gradient of x: a Matrix of its shape; `{ rows, values }` where x is a table of which only rows were read;
   * undefined where x was not used.
   *
   * @throws TypeError  if x is no Matrix
   * @example const dW = gradients.get(attention.W_Q);
   */
  get(x: Matrix): Matrix | SparseGradient | undefined {
    requireMatrix('Gradients.get', 'x', x);
    return this.#found.get(x);
  }

  /** Every matrix that has a gradient, with it. */
  entries(): IterableIterator<[Matrix, Matrix | SparseGradient]> {
    return this.#found.entries();
  }

  /**
   * The sums of both: what a batch in two parts gives.
   *
   * @throws TypeError  if other is no Gradients
   * @example const sum = first.add(second).scale(1 / 2);
   */
  add(other: Gradients): Gradients {
    const where = 'Gradients.add';
    requireGradients(where, 'other', other);
    const all = [...this.#found, ...other.entries()];
    const sums = new Map<Matrix, Gradient>();
    const given: Gradient[] = [];
    for (const [x, gradient] of all) {
      const [own, before] = [arrayOf(where, x, gradient), sums.get(x)];
      given.push(own);
      sums.set(x, before === undefined ? own : gradientAlgebra.add(x, before, own));
    }
    return gradientsOf(sums, given);
  }

  /** Every gradient times s. @throws TypeError  if s is no number */
  scale(s: number): Gradients {
    requireNumber('Gradients.scale', 's', s);
    const { scale } = elementwise();
    const scaled = new Map<Matrix, Gradient>();
    for (const [x, found] of this.#found) {
      const gradient = arrayOf('Gradients.scale', x, found);
      const { rows, values } = 'rows' in gradient ? gradient : { rows: undefined, values: gradient };
      scaled.set(x, rows ? { rows: rows.slice(), values: scale(values, s) } : scale(values, s));
    }
    return gradientsOf(scaled);
  }
}

/** Sums and densifies for the tape. */
export const gradientAlgebra: GradientAlgebra<Matrix> = {
  add,
  dense,
  requireWhole: (value) => requireWhole('valueAndGrad', 'matrix', value),
};

/** New memory; rows of both are summed in this order, and a sum with a dense gradient is dense. */
function add(value: Matrix, a: Gradient, b: Gradient): Gradient {
  const { binary } = elementwise();
  const { concat } = layouts();
  const { gatherRowsBackward } = backwards();
  if ('rows' in a && 'rows' in b) {
    return gatherRowsBackward(concat([a.values, b.values]), value.cols, Int32Array.from([...a.rows, ...b.rows]));
  }
  return binary('add', dense(value, a), dense(value, b));
}

function dense({ rows, cols }: Matrix, gradient: Gradient): Floats {
  if (!('rows' in gradient)) return gradient;
  const out = allocate(rows * cols);
  gradient.rows.forEach((row, i) => out.set(gradient.values.subarray(i * cols, (i + 1) * cols), row * cols));
  return out;
}

/** Of this copy of the library or another. */
export function requireGradients(
  where: string,
  name: string,
  value: unknown,
  hint?: string,
): asserts value is Gradients {
  if (value instanceof Gradients || brandOf(value, 'Gradients') === true) return;
  throw kindError(where, `${name} must be Gradients`, `got ${describe(value)}`, hint);
}

/** A gradient lies open to its user: it must still be one of x when it is used. */
export function requireGradient(where: string, x: Matrix, gradient: Matrix | SparseGradient): void {
  const isSparse = 'values' in gradient;
  const values = isSparse ? gradient.values : gradient;
  requireMatrix(where, isSparse ? 'gradient.values' : 'gradient', values);
  const rows = isSparse ? gradient.rows.length : x.rows;
  if (values.rows !== rows || values.cols !== x.cols) {
    throw shapeError(where, `a gradient must be ${rows}×${x.cols}, as its matrix`, `got ${shapeText(values)}`);
  }
  if (!isSparse || gradient.rows.every((row) => row >= 0 && row < x.rows)) return;
  throw shapeError(where, `gradient.rows must be from 0 to ${x.rows - 1}`, `got ${describe(gradient.rows)}`);
}

function arrayOf(where: string, x: Matrix, gradient: Matrix | SparseGradient): Gradient {
  requireGradient(where, x, gradient);
  return 'values' in gradient ? { rows: gradient.rows, values: gradient.values.data } : gradient.data;
}

/** The gradients as their user sees them: no two share memory, nor one with `others`. */
export function gradientsOf(found: ReadonlyMap<Matrix, Gradient>, others: readonly Gradient[] = []): Gradients {
  const taken = new Set<object>(
    others.flatMap((gradient) => ('rows' in gradient ? Object.values(gradient) : [gradient])),
  );
  const own = <T extends Floats | Int32Array>(array: T, copy: (array: T) => T): T => {
    const array2 = taken.has(array) ? copy(array) : array;
    taken.add(array2);
    return array2;
  };
  const shown = new Map<Matrix, Matrix | SparseGradient>();
  for (const [x, gradient] of found) {
    if (!('rows' in gradient)) shown.set(x, wrap(x.rows, x.cols, own(gradient, copied)));
    else {
      const rows = own(gradient.rows, (array) => array.slice());
      shown.set(x, { rows, values: wrap(rows.length, x.cols, own(gradient.values, copied)) });
    }
  }
  return new Gradients(shown);
}
