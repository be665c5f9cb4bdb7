import { requireArguments } from '../core/arguments.js';
import { requireFinite } from '../core/errors.js';
import { requireOptions } from '../core/options.js';
import { requireSeed, seedWords } from '../core/random.js';
import { dropouts } from '../kernels/families.js';
import { drawSeed } from '../kernels/state.js';
import { type Matrix, requireMatrix, result } from '../matrix/matrix.js';

export interface DropoutOptions {
  /** The same seed drops the same entries. Default: the next of setSeed's stream. */
  seed?: number;
}

/**
 * Every entry is 0 with probability `rate`, else divided by 1 − rate. Applies whenever it is called: modules call it in
 * training mode only.
 *
 * @param x  any shape
 * @param rate  0 to 1; at 1 everything is 0
 * @throws ShapeError  if rate or seed is out of range; TypeError for wrong kinds
 * @see Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
 * @example const y = dropout(x, 0.1, { seed: 7 });
 */
export function dropout(x: Matrix, rate: number, options: DropoutOptions = {}): Matrix {
  requireMatrix('dropout', 'x', x);
  requireFinite('dropout', 'rate', rate, 0, 1);
  requireOptions('dropout', options, ['seed']);
  requireArguments('dropout', arguments.length, 3);
  if (options.seed !== undefined) requireSeed('dropout', options.seed);
  const [seedLow, seedHigh] = rate === 0 ? [0, 0] : seedWords(options.seed ?? drawSeed());
  const drop = dropouts().dropout;
  return result([x], {
    rows: x.rows,
    cols: x.cols,
    data: drop({ x: x.data, rate, seedLow, seedHigh }), // y = x ∘ keep / (1 − rate), and so dX from dY
    backward: (dY) => [drop({ x: dY, rate, seedLow, seedHigh })],
  });
}
