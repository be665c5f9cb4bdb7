// ops: functions of matrices that are more than algebra, each beside its backward. Checks at the door, then kernels; knows
// no layer.

import { requireArguments } from '../core/arguments.js';
import { requireChoice } from '../core/errors.js';
import { requireOptions } from '../core/options.js';
import { activationKernels } from '../kernels/families.js';
import type { ActivationOperation, EntrywiseActivation } from '../kernels/unary.js';
import { entrywise, logSoftmaxRows } from '../matrix/algebra.js';
import { type Matrix, requireMatrix, result } from '../matrix/matrix.js';

export interface GeluOptions {
  /** 'tanh' takes the cheaper form of the paper. Default: exact. */
  approximate?: 'tanh';
}

export type { EntrywiseActivation };

const GELU_OPTIONS: readonly (keyof GeluOptions)[] = ['approximate'];

/** max(x, 0) of every entry; any shape. @example const hidden = relu(x.matmul(w)); */
export function relu(x: Matrix): Matrix {
  requireArguments('relu', arguments.length, 1);
  return activation('relu', x, 'relu');
}

/**
 * x·Φ(x) of every entry, Φ the normal distribution function; any shape.
 *
 * @throws ShapeError  if approximate is unknown; TypeError for wrong kinds
 * @see Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415
 * @example const hidden = gelu(x.matmul(w), { approximate: 'tanh' });
 */
export function gelu(x: Matrix, options: GeluOptions = {}): Matrix {
  requireMatrix('gelu', 'x', x);
  requireOptions('gelu', options, GELU_OPTIONS);
  requireArguments('gelu', arguments.length, 2);
  if (options.approximate === undefined) return activation('gelu', x, 'gelu');
  requireChoice('gelu', 'approximate', options.approximate, ['tanh']);
  return activation('gelu', x, 'geluTanh');
}

/**
 * x·σ(x) of every entry, also called swish; any shape.
 *
 * @see Ramachandran, Zoph, Le 2017, https://arxiv.org/abs/1710.05941
 * @example const gate = silu(x.matmul(w));
 */
export function silu(x: Matrix): Matrix {
  requireArguments('silu', arguments.length, 1);
  return activation('silu', x, 'silu');
}

function activation(where: string, x: Matrix, operation: ActivationOperation): Matrix {
  requireMatrix(where, 'x', x);
  return result([x], entrywise(activationKernels(), operation, x));
}

/** The activations of a layer, by the names of its option. */
export const ACTIVATIONS: Record<EntrywiseActivation, (x: Matrix) => Matrix> = {
  relu,
  gelu: (x) => gelu(x),
  'gelu-tanh': (x) => gelu(x, { approximate: 'tanh' }),
  silu,
};

/**
 * Softmax of every row, as the method of Matrix; any shape. A row that is all −∞ gives zeros.
 *
 * @example const weights = softmax(scores);
 */
export function softmax(x: Matrix): Matrix {
  requireArguments('softmax', arguments.length, 1);
  requireMatrix('softmax', 'x', x);
  return x.softmax();
}

/**
 * log(softmax) of every row, without the detour: x − max − log Σ e^{x − max}; any shape. A row that is all −∞ stays so.
 *
 * @example const logProbabilities = logSoftmax(logits);
 */
export function logSoftmax(x: Matrix): Matrix {
  requireArguments('logSoftmax', arguments.length, 1);
  requireMatrix('logSoftmax', 'x', x);
  return result([x], logSoftmaxRows(x));
}
