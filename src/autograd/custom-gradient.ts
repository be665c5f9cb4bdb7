import { allOrNone } from '../core/all-or-none.js';
import { describe, shapeError, shapeText } from '../core/errors.js';
import { requireFunction, requireSync } from '../core/functions.js';
import { copied } from '../kernels/state.js';
import { type Matrix, requireMatrices, requireMatrix, wrap } from '../matrix/matrix.js';
import { record, whileRecording } from '../matrix/tape.js';

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
