import { isRecording, record, Tape, whileRecording } from './autograd/tape.js';
import { allOrNone } from './core/all-or-none.js';
import { describe, kindError, requireOptions, shapeError, shapeText } from './core/errors.js';
import { type Gradients, gradientAlgebra, gradientsOf } from './gradients.js';
import { backwardKernels } from './kernels/backward.js';
import { copied, kernels, provideBackward } from './kernels/state.js';
import { type Matrix, requireMatrices, requireMatrix, wrap } from './matrix.js';

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
 * optimiser.step(gradients);
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
  const dLoss = kernels().allocate(1).fill(1);
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

/**
 * An operation with a backward of its own.
 *
 * @param forward  computes the result; not recorded
 * @param backward  from ∂loss/∂result, the inputs and the result to one gradient an input, undefined = none
 * @returns  the operation
 * @throws TypeError  if an argument is no function; the operation: if an input or result is no Matrix; its backward:
 *   ShapeError if the gradients differ in number or shape from the inputs
 * @example const clipped = customGradient((x) => x, (dOut) => [dOut.scale(0.1)]);
 */
export function customGradient<Inputs extends readonly Matrix[]>(
  forward: (...inputs: Inputs) => Matrix,
  backward: (dOut: Matrix, inputs: Inputs, out: Matrix) => readonly (Matrix | undefined)[],
): (...inputs: Inputs) => Matrix {
  const where = 'customGradient';
  requireFunction(where, 'forward', forward);
  requireFunction(where, 'backward', backward);
  const operation = (inputs: Inputs) => {
    requireMatrices(where, 'inputs', inputs);
    const made = whileRecording(undefined, () => {
      const given = requireSync(where, 'forward', forward(...inputs));
      requireMatrix(where, 'the result of forward', given);
      return given;
    });
    // A matrix of its own: forward may give back an input, whose gradient is another one.
    const out = wrap(made.rows, made.cols, copied(made.data), true);
    return record(out, inputs, (dOut) => {
      const own = [...inputs] as unknown as Inputs; // whoever reorders it must not move the gradients
      const given = whileRecording(undefined, () => backward(wrap(out.rows, out.cols, copied(dOut)), own, out));
      return checkGradients(where, inputs, requireSync(where, 'backward', given));
    });
  };
  return (...inputs) => allOrNone(() => operation(inputs));
}

function checkGradients(where: string, inputs: readonly Matrix[], given: unknown) {
  if (!Array.isArray(given) || given.length !== inputs.length) {
    const rule = `backward must give a list of ${inputs.length} gradients, one for each input`;
    throw shapeError(where, rule, `got ${Array.isArray(given) ? `${given.length}` : describe(given)}`);
  }
  return inputs.map((input, i) => {
    const gradient: unknown = given[i];
    if (gradient === undefined) return undefined;
    requireMatrix(where, `gradient ${i}`, gradient);
    if (gradient.rows !== input.rows || gradient.cols !== input.cols) {
      const rule = `gradient ${i} must be ${shapeText(input)}, as its input`;
      throw shapeError(where, rule, `got ${shapeText(gradient)}`);
    }
    return copied(gradient.data); // the user's own matrix stays the user's
  });
}

function requireFunction(where: string, name: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw kindError(where, `${name} must be a function`, `got ${describe(value)}`);
}

/** A Promise would go on when nothing records any more. */
function requireSync<T>(where: string, name: string, value: T): T {
  if (!(value instanceof Promise)) return value;
  value.catch(() => undefined); // it is refused; that it fails later is nobody's business
  throw kindError(where, `${name} must not be asynchronous`, 'it gave a Promise', 'await before the call, or after it');
}
