import { parameterArray } from './kernels/state.js';
import { Matrix } from './matrix.js';

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

  /**
   * @param data  rows·cols numbers, copied; zeros when absent
   * @throws ShapeError  if a size is no integer of at least 0 or the length differs; TypeError if data is no Float32Array;
   *   RangeError if kernel memory is full
   */
  constructor(rows: number, cols: number, data?: Float32Array) {
    super(rows, cols, learnableCopy(new Matrix(rows, cols, data)));
  }
}

function learnableCopy({ data }: Matrix): Float32Array {
  const array = parameterArray(data.length);
  array.set(data);
  return array;
}
