import { brandOf, putBrand } from '../core/brands.js';
import { kindError, shapeError, shapeText } from '../core/errors.js';
import { parameterArray, releaseArray, residentFloats } from '../kernels/state.js';
import { Matrix } from './matrix.js';
import type { RandomNormalOptions, RandomUniformOptions } from './random.js';
import { isRecording } from './tape.js';

/**
 * A learnable matrix. Unlike `new Matrix`, `new Parameter` copies the data it is given, to where the kernels read it
 * without copying: its `data` may be a view on shared memory. Writes to `data` are seen by the next operation, always.
 *
 * @example class Scale extends Module { gain = new Parameter(1, 64, new Float32Array(64).fill(1)); }
 */
export class Parameter extends Matrix {
  static override get name(): string {
    return 'Parameter';
  }

  /** For people: what the parameter is called in its module. */
  name = '';
  /** Its memory, also where somebody has put another array in the place of `data`; absent once released. */
  #own?: Float32Array;
  /** As of every Matrix. Its buffer may be shared, which `new Blob`, `fetch` and the like refuse: give them `slice()` of it. */
  declare readonly data: Float32Array;

  /**
   * @param data  rows·cols numbers, copied; zeros when absent
   * @throws ShapeError  if a size is no integer of at least 0 or the length differs; TypeError if data is no Float32Array;
   *   RangeError if kernel memory is full
   */
  constructor(rows: number, cols: number, data?: Float32Array) {
    super(rows, cols, learnableCopy(new Matrix(rows, cols, data)));
    this.#own = this.data;
    putBrand(this, 'Parameter');
  }

  // A Matrix here would be accepted as a layer's weight, and never be trained.

  /** As Matrix.zeros. @example gain = Parameter.zeros(1, 64); */
  static override zeros(rows: number, cols: number): Parameter {
    return new Parameter(rows, cols);
  }

  /** As Matrix.from. @throws ShapeError, TypeError  as there @example Parameter.from([[1, 2], [3, 4]]); */
  static override from(rows: ArrayLike<ArrayLike<number>>): Parameter {
    return learnable(Matrix.from(rows));
  }

  /** As Matrix.identity. @example Parameter.identity(3); */
  static override identity(n: number): Parameter {
    return learnable(Matrix.identity(n));
  }

  /** As Matrix.randomNormal. @throws ShapeError  as there @example W = Parameter.randomNormal(4, 8, { std: 0.02 }); */
  static override randomNormal(rows: number, cols: number, options?: RandomNormalOptions): Parameter {
    return learnable(Matrix.randomNormal(rows, cols, options));
  }

  /** As Matrix.randomUniform. @throws ShapeError  as there @example W = Parameter.randomUniform(4, 8, { low: -1 }); */
  static override randomUniform(rows: number, cols: number, options?: RandomUniformOptions): Parameter {
    return learnable(Matrix.randomUniform(rows, cols, options));
  }

  /**
   * Gives its memory back now; that of a parameter which is only dropped comes back after the garbage collector has found
   * it. Every later use of its numbers throws a TypeError; releasing it again does nothing.
   *
   * Rows and other views that were taken keep their numbers, and the memory stays until they are collected. `data` itself,
   * held beyond this, must not be read any more: it becomes NaN, and others get the memory.
   *
   * @example for (const parameter of model.parameters()) parameter.release();
   */
  release(): void {
    if (this.#own === undefined) return;
    if (!isRecording()) releaseArray(this.#own); // a tape may hold it: the collector tells when none does any more
    this.#own = undefined;
    Object.defineProperty(this, 'data', { get: refuseData, enumerable: true });
  }
}

function refuseData(this: Parameter): never {
  const given = `${this.name === '' ? '' : `${this.name}, `}${shapeText(this)}, was`;
  throw kindError('Parameter.data', 'the parameter must not be released', given, 'clone() it before');
}

function learnable({ rows, cols, data }: Matrix): Parameter {
  return new Parameter(rows, cols, data);
}

/** Of this copy of the library or another. */
export function isParameter(value: unknown): value is Parameter {
  return value instanceof Parameter || brandOf(value, 'Parameter') === true;
}

function learnableCopy({ data }: Matrix): Float32Array {
  const array = parameterArray(data.length);
  array.set(data);
  return array;
}

/**
 * Before anything of a layer, a model or a list of caches is made: all of it must fit where such arrays live. What fits may
 * still find that memory full of others.
 */
export function requireResident(where: string, what: string, floats: number): void {
  const most = residentFloats();
  if (floats <= most) return;
  throw shapeError(where, `${what} must have at most ${most} entries in all`, `got ${floats}`);
}
