// autograd: plays the tape back and keeps what it finds. Knows Matrix; no operation in particular.

import { allOrNone } from '../core/all-or-none.js';
import { kindError, requireOptions, shapeError, shapeText } from '../core/errors.js';
import { requireFunction, requireSync } from '../core/functions.js';
import { backwardKernels } from '../kernels/backward.js';
import { allocate, provideBackward } from '../kernels/state.js';
import { type Matrix, requireMatrices, requireMatrix } from '../matrix/matrix.js';
import { isRecording, Tape, whileRecording } from '../matrix/tape.js';
import { type Gradients, gradientAlgebra, gradientsOf } from './gradients.js';

export interface ValueAndGradOptions {
  /**
   * Also keep the gradients of these matrices that f computes; those of what goes into f are always kept. Read after f
   * has run, so f may put them into the list.
   */
  of?: readonly Matrix[];
}

/**
 * Runs f, which computes a loss, and gives the loss with its gradients: for every matrix that f used but did not
 * compute (parameters, inputs), and for those in `of`.
 *
 * Operations record themselves only while f runs, which must not wait for anything. Writing into the data of a matrix
 * inside f is not noticed. Memory between is let go as the gradients are found. If it throws, wherever, no dropout of a
 * layer has counted a call.
 *
 * @param f  gives the loss, 1×1
 * @throws ShapeError  if the loss is not 1×1; TypeError if f is no function, gives no Matrix (a Promise, say), or calls
 *   valueAndGrad itself
 * @example
 * const { value, gradients } = valueAndGrad(() => crossEntropy(model.forward(ids), targets));
 * optimizer.step(gradients);
 */
export function valueAndGrad(
  f: () => Matrix,
  options: ValueAndGradOptions = {},
): { value: number; gradients: Gradients } {
  const where = 'valueAndGrad';
  requireFunction(where, 'f', f);
  requireOptions(where, options, ['of']);
  const { of = [] } = options;
  requireMatrices(where, 'of', of);
  if (isRecording()) throw kindError(where, 'f must not call valueAndGrad itself', 'another one is running');
  return allOrNone(() => differentiated(where, f, of));
}

function differentiated(where: string, f: () => Matrix, of: readonly Matrix[]) {
  provideBackward(backwardKernels);
  const tape = new Tape<Matrix>();
  const loss = whileRecording(tape, () => {
    const given = requireSync(where, 'f', f());
    requireMatrix(where, 'the result of f', given);
    return given;
  });
  if (loss.rows !== 1 || loss.cols !== 1) {
    throw shapeError(where, 'the loss must be 1×1', `f gave ${shapeText(loss)}`, 'end with sum(), mean() or a loss');
  }
  requireMatrices(where, 'of', of); // again, with what f put into it
  const dLoss = allocate(1).fill(1);
  return { value: loss.data[0], gradients: gradientsOf(tape.play(gradientAlgebra, loss, dLoss, new Set(of))) };
}

/**
 * Runs f without recording: to valueAndGrad its results are constants, as if they had come from outside.
 *
 * @throws TypeError  if f is no function or gives a Promise
 * @example const target = noGrad(() => teacher.forward(x));
 */
export function noGrad<Result>(f: () => Result): Result {
  requireFunction('noGrad', 'f', f);
  return allOrNone(() => requireSync('noGrad', 'f', whileRecording(undefined, f)));
}
