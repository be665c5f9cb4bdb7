import { requireArguments } from '../core/arguments.js';
import type { AnyBuffer } from '../core/array-types.js';
import { brandOf, putBrand } from '../core/brands.js';
import { describe, kindError, requireNumber, shapeError, shapeText } from '../core/errors.js';
import { prepareClass } from '../core/prepared-class.js';
import type { Floats } from '../kernels/contract.js';
import { elementwise, layouts } from '../kernels/families.js';
import { backwards, table } from '../kernels/state.js';
import { copied } from '../matrix/algebra.js';
import { requireWhole } from '../matrix/checks.js';
import { type Matrix, requireMatrix, wrap } from '../matrix/matrix.js';
import type { Gradient, GradientAlgebra } from '../matrix/tape.js';

/** The gradient of a table of which only some rows were read; those of the other rows are 0. */
export interface SparseGradient {
  /** The rows that were read: ascending, each once. */
  rows: Int32Array & AnyBuffer;
  /** (rows.length × cols of the table). */
  values: Matrix;
}

/** ∂loss/∂x for the matrices that went into a loss; made by valueAndGrad. */
export class Gradients {
  static get name(): string {
    return 'Gradients';
  }

  #gradients: ReadonlyMap<Matrix, Matrix | SparseGradient>;

  /** @internal */
  constructor(gradients: ReadonlyMap<Matrix, Matrix | SparseGradient>) {
    this.#gradients = gradients;
    putBrand(this, 'Gradients');
    prepareClass<Gradients>(this, Gradients.prototype, { saving: 'get(x) and entries() give them as matrices' });
  }

  /**
   * The gradient of x: a Matrix of its shape; `{ rows, values }` if x is a table of which only rows were read; undefined if
   * x was not used.
   *
   * @throws TypeError  if x is not a Matrix
   * @example const dW = gradients.get(attention.W_Q);
   */
  get(x: Matrix): Matrix | SparseGradient | undefined {
    requireArguments('Gradients.get', arguments.length, 1);
    requireMatrix('Gradients.get', 'x', x);
    return this.#gradients.get(x);
  }

  /**
   * The gradient of x, always a Matrix of its shape: zeros in the rows of a table that were not read, zeros everywhere if x
   * was not used. Where `get` gives a Matrix, it is that one.
   *
   * @throws TypeError  if x is not a Matrix
   * @example const dTable = gradients.dense(model.embedding.table);
   */
  dense(x: Matrix): Matrix {
    const where = 'Gradients.dense';
    requireArguments(where, arguments.length, 1);
    requireMatrix(where, 'x', x);
    const gradient = this.#gradients.get(x);
    if (gradient === undefined) return wrap(x.rows, x.cols, table(x.rows * x.cols));
    const array = arrayOf(where, x, gradient);
    return 'values' in gradient ? wrap(x.rows, x.cols, dense(x, array)) : gradient;
  }

  /** Every matrix that has a gradient, with that gradient. */
  entries(): IterableIterator<[Matrix, Matrix | SparseGradient]> {
    requireArguments('Gradients.entries', arguments.length, 0);
    return this.#gradients.entries();
  }

  /**
   * The sums of both, matrix by matrix, as for a batch that is computed in two parts.
   *
   * @throws TypeError  if other is not Gradients
   * @example const sum = first.add(second).scale(1 / 2);
   */
  add(other: Gradients): Gradients {
    const where = 'Gradients.add';
    requireArguments(where, arguments.length, 1);
    requireGradients(where, 'other', other);
    const all = [...this.#gradients, ...other.entries()];
    const sums = new Map<Matrix, Gradient>();
    const summands: Gradient[] = [];
    for (const [x, gradient] of all) {
      const [summand, sum] = [arrayOf(where, x, gradient), sums.get(x)];
      summands.push(summand);
      sums.set(x, sum === undefined ? summand : gradientAlgebra.add(x, sum, summand));
    }
    return gradientsOf(sums, summands);
  }

  /** Every gradient times s. @throws TypeError  if s is not a number */
  scale(s: number): Gradients {
    requireArguments('Gradients.scale', arguments.length, 1);
    requireNumber('Gradients.scale', 's', s);
    const { scale } = elementwise();
    const scaled = new Map<Matrix, Gradient>();
    for (const [x, gradient] of this.#gradients) {
      const array = arrayOf('Gradients.scale', x, gradient);
      const { rows, values } = 'rows' in array ? array : { rows: undefined, values: array };
      scaled.set(x, rows ? { rows: rows.slice(), values: scale(values, s) } : scale(values, s));
    }
    return gradientsOf(scaled);
  }

  /** From now on these are the gradients of `other`; matrices that `get` gave before keep their numbers. @internal */
  become(other: Gradients): void {
    this.#gradients = new Map(other.entries());
  }
}

/** How the tape sums gradients and makes them dense. */
export const gradientAlgebra: GradientAlgebra<Matrix> = {
  add,
  dense,
  requireWhole: (value) => requireWhole('valueAndGrad', 'matrix', value),
};

/** a + b in new memory. A row of both is summed in this order; the sum is dense if either of them is. */
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
  return 'rows' in gradient ? backwards().scatterRows(gradient, rows, cols) : gradient;
}

/** The value must be Gradients, of this copy of the library or another. */
export function requireGradients(
  where: string,
  name: string,
  value: unknown,
  hint?: string,
): asserts value is Gradients {
  if (value instanceof Gradients || brandOf(value, 'Gradients') === true) return;
  throw kindError(where, `${name} must be Gradients`, `got ${describe(value)}`, hint);
}

/** Users can change a gradient, so whenever it is used it must still fit x. */
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

/** The gradients as users see them: none shares memory with another or with one of `others`. */
export function gradientsOf(arrays: ReadonlyMap<Matrix, Gradient>, others: readonly Gradient[] = []): Gradients {
  const taken = new Set<object>(
    others.flatMap((gradient) => ('rows' in gradient ? Object.values(gradient) : [gradient])),
  );
  const unshared = <T extends Floats | Int32Array>(array: T, copy: (array: T) => T): T => {
    const free = taken.has(array) ? copy(array) : array;
    taken.add(free);
    return free;
  };
  const gradients = new Map<Matrix, Matrix | SparseGradient>();
  for (const [x, gradient] of arrays) {
    if (!('rows' in gradient)) gradients.set(x, wrap(x.rows, x.cols, unshared(gradient, copied)));
    else {
      const rows = unshared(gradient.rows, (array) => array.slice());
      gradients.set(x, { rows, values: wrap(rows.length, x.cols, unshared(gradient.values, copied)) });
    }
  }
  return new Gradients(gradients);
}
