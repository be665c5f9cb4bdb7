import { requireArguments } from '../core/arguments.js';
import { brandOf, putBrand } from '../core/brands.js';
import { kindError, shapeError, shapeText } from '../core/errors.js';
import { parameterArray, releaseArray, residentFloats } from '../kernels/state.js';
import { Matrix } from './matrix.js';
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
    requireArguments('Parameter', arguments.length, 3);
    this.#own = this.data;
    putBrand(this, 'Parameter');
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
    requireArguments('Parameter.release', arguments.length, 0);
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
