import { Matrix } from './matrix.js';

/**
 * A learnable matrix. Unlike `new Matrix`, `new Parameter` copies the data it is given.
 *
 * @example class Scale extends Module { gain = new Parameter(1, 64, new Float32Array(64).fill(1)); }
 */
export class Parameter extends Matrix {
  /** For people: what the parameter is called in its module. */
  name = '';

  /** @throws ShapeError  if a size is no integer of at least 0 or the length differs; TypeError if data is no Float32Array */
  constructor(rows: number, cols: number, data?: Float32Array) {
    super(rows, cols, data?.slice?.() ?? data);
  }
}
