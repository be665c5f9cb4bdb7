import { shapeError, shapeText } from '../core/errors.js';
import { type Matrix, requireMatrix } from '../matrix/matrix.js';

/** x must be a Matrix with `cols` columns, an option or size that the layer calls `width`. */
export function requireColumns(
  where: string,
  name: string,
  x: unknown,
  width: string,
  cols: number,
  hint?: string,
): asserts x is Matrix {
  requireMatrix(where, name, x);
  if (x.cols === cols) return;
  throw shapeError(where, `${name} must have ${width} = ${cols} columns`, `${name} is ${shapeText(x)}`, hint);
}
