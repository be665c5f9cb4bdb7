import { requireArguments } from '../core/arguments.js';
import {
  describe,
  kindError,
  requireArrayLike,
  requireFinite,
  requireInteger,
  shapeError,
  shapeText,
} from '../core/errors.js';
import { requireOptions } from '../core/options.js';
import { losses } from '../kernels/families.js';
import { backwards } from '../kernels/state.js';
import { isMatrix, type Matrix, requireMatrix, result } from '../matrix/matrix.js';

export interface CrossEntropyOptions {
  /** Rows with this target do not count. Default −100. */
  ignoreIndex?: number;
  /** Share of every target that is spread evenly over all classes, 0 to 1. Default 0. */
  labelSmoothing?: number;
}

const CROSS_ENTROPY_OPTIONS: readonly (keyof CrossEntropyOptions)[] = ['ignoreIndex', 'labelSmoothing'];

/**
 * Mean of −log softmax(logits)[target] over the rows that count; 0 where none does.
 *
 * @param logits  (tokens × classes)
 * @param targets  one class a row, or ignoreIndex
 * @returns  1×1
 * @throws ShapeError  if targets differ in number from the rows or are no classes, or an option is out of range;
 *   TypeError for wrong kinds
 * @see Szegedy et al. 2015, §7, https://arxiv.org/abs/1512.00567 (labelSmoothing)
 * @example const loss = crossEntropy(model.forward(ids.slice(0, -1)), ids.slice(1));
 */
export function crossEntropy(logits: Matrix, targets: ArrayLike<number>, options: CrossEntropyOptions = {}): Matrix {
  const where = 'crossEntropy';
  requireMatrix(where, 'logits', logits);
  requireOptions(where, options, CROSS_ENTROPY_OPTIONS);
  requireArguments(where, arguments.length, 3);
  const { ignoreIndex = -100, labelSmoothing = 0 } = options;
  requireInteger(where, 'ignoreIndex', ignoreIndex, -(2 ** 31), 2 ** 31 - 1);
  requireFinite(where, 'labelSmoothing', labelSmoothing, 0, 1);
  const { rows, cols } = logits;
  const { crossEntropy: forward } = losses();
  const { crossEntropyBackward } = backwards();
  const classes = checkTargets(where, targets, logits, ignoreIndex);
  const problem = { logits: logits.data, rows, cols, targets: classes, ignoreIndex, labelSmoothing };
  const { loss, ...statistics } = forward(problem);
  return result([logits], {
    rows: 1,
    cols: 1,
    data: loss,
    backward: (dLoss) => [crossEntropyBackward(problem, statistics, dLoss)],
  });
}

function checkTargets(where: string, targets: unknown, logits: Matrix, ignoreIndex: number): Int32Array {
  if (isMatrix(targets)) {
    const hint = 'of one-hot rows argmax() gives the classes';
    throw kindError(where, 'targets must be one class per row, in a list', `got ${describe(targets)}`, hint);
  }
  requireArrayLike(where, 'targets', targets);
  if (targets.length !== logits.rows) {
    const given = `logits is ${shapeText(logits)}, got ${targets.length}`;
    throw shapeError(where, `targets must have one entry for each of the ${logits.rows} rows`, given);
  }
  const classes = new Int32Array(logits.rows);
  for (let i = 0; i < classes.length; i++) {
    const target = targets[i];
    if (typeof target !== 'number') {
      throw kindError(where, `targets[${i}] must be a number`, `got ${describe(target)}`);
    }
    classes[i] = target;
    if (target === ignoreIndex || (Number.isInteger(target) && target >= 0 && target < logits.cols)) continue;
    const rule = `targets must be integers from 0 to ${logits.cols - 1}, or ignoreIndex ${ignoreIndex}`;
    throw shapeError(where, rule, `targets[${i}] is ${target}`);
  }
  return classes;
}

/**
 * Mean of (a − b)² over all entries.
 *
 * @param a  any shape
 * @param b  the same shape
 * @returns  1×1; NaN for empty matrices
 * @throws ShapeError  if the shapes differ; TypeError for wrong kinds
 * @example const loss = meanSquaredError(model.forward(x), y);
 */
export function meanSquaredError(a: Matrix, b: Matrix): Matrix {
  requireArguments('meanSquaredError', arguments.length, 2);
  requireMatrix('meanSquaredError', 'a', a);
  requireMatrix('meanSquaredError', 'b', b);
  if (a.rows !== b.rows || a.cols !== b.cols) {
    throw shapeError(
      'meanSquaredError',
      'a and b must have the same shape',
      `a is ${shapeText(a)}, b is ${shapeText(b)}`,
    );
  }
  const difference = a.subtract(b);
  return difference.multiply(difference).mean();
}
