// autograd: plays the tape back and keeps the gradients. Knows Matrix, but no operation in particular.

import { allOrNone } from '../core/all-or-none.js';
import { requireArguments } from '../core/arguments.js';
import { kindError, shapeError, shapeText } from '../core/errors.js';
import { requireFunction, requireSync } from '../core/functions.js';
import { type OptionsGuide, requireOptions } from '../core/options.js';
import { backwardKernels } from '../kernels/backward.js';
import { provideBackward, table } from '../kernels/state.js';
import { type Matrix, requireMatrices, requireMatrix } from '../matrix/matrix.js';
import { isRecording, Tape, whileRecording } from '../matrix/tape.js';
import { type Gradients, gradientAlgebra, gradientsOf } from './gradients.js';

export interface ValueAndGradOptions {
  /**
   * Also keep the gradients of these matrices, which f computes. The list is read after f has run, so f may add to it.
   */
  of?: readonly Matrix[];
  /**
   * Only the gradients of these matrices, and those of `of`: what else would be found on the way is not computed. With most
   * parameters frozen that saves up to half of the backward. Read after f has run, as `of`. Default: of all that f used.
   */
  wrt?: readonly Matrix[];
}

const OPTIONS: readonly (keyof ValueAndGradOptions)[] = ['of', 'wrt'];

const GUIDE: OptionsGuide = {
  form: 'valueAndGrad(() => loss(x), { wrt: [x] }): without wrt, gradients of all that goes into f',
};

/**
 * Runs f, which computes a loss, and returns the loss with its gradients: for every matrix that f used but did not
 * compute (parameters, inputs), and for those in `of`; with `wrt` for those in the two lists alone.
 *
 * Operations are recorded only while f runs, so f must not be asynchronous. Writing into the data of a matrix inside f is
 * not recorded. The memory of intermediate results is let go as the gradients are found. If anything throws, every dropout
 * layer counts its calls as before.
 *
 * @param f  returns the loss, 1×1
 * @throws ShapeError  if the loss is not 1×1; TypeError if f is not a function, does not return a Matrix (a Promise, say),
 *   or calls valueAndGrad itself
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
  if (f.length > 0) {
    const hint = 'it reads what it needs: valueAndGrad(() => loss(x), { wrt: [x] })';
    throw kindError(where, 'f must take no arguments', `it expects ${f.length}`, hint);
  }
  requireOptions(where, options, OPTIONS, GUIDE);
  requireArguments(where, arguments.length, 2);
  const { of = [], wrt } = options;
  requireLists(where, of, wrt);
  if (isRecording()) throw kindError(where, 'f must not call valueAndGrad itself', 'another one is running');
  return allOrNone(() => differentiated(where, f, of, wrt));
}

function differentiated(where: string, f: () => Matrix, of: readonly Matrix[], wrt?: readonly Matrix[]) {
  provideBackward(backwardKernels);
  const tape = new Tape<Matrix>();
  const loss = whileRecording(tape, () => {
    const returned = requireSync(where, 'f', f());
    requireMatrix(where, 'the result of f', returned);
    return returned;
  });
  if (loss.rows !== 1 || loss.cols !== 1) {
    throw shapeError(where, 'the loss must be 1×1', `f gave ${shapeText(loss)}`, 'end with sum(), mean() or a loss');
  }
  requireLists(where, of, wrt); // again, with what f has added
  const dLoss = table(1).fill(1);
  const keep = new Set([...of, ...(wrt ?? [])]);
  const found = tape.play(gradientAlgebra, loss, dLoss, keep, wrt !== undefined);
  return { value: loss.data[0], gradients: gradientsOf(found) };
}

function requireLists(where: string, of: readonly Matrix[], wrt?: readonly Matrix[]): void {
  requireMatrices(where, 'of', of);
  if (wrt !== undefined) requireMatrices(where, 'wrt', wrt);
}

/**
 * Runs f without recording: to valueAndGrad its results are constants, as if they had been computed outside.
 *
 * @throws TypeError  if f is not a function or returns a Promise
 * @example const target = noGrad(() => teacher.forward(x));
 */
export function noGrad<Result>(f: () => Result): Result {
  requireArguments('noGrad', arguments.length, 1);
  requireFunction('noGrad', 'f', f);
  return allOrNone(() => requireSync('noGrad', 'f', whileRecording(undefined, f)));
}
