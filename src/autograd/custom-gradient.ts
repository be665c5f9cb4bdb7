import { allOrNone } from '../core/all-or-none.js';
import { requireArguments } from '../core/arguments.js';
import { describe, shapeError, shapeText } from '../core/errors.js';
import { requireFunction, requireSync } from '../core/functions.js';
import { copied } from '../matrix/algebra.js';
import { type Matrix, requireMatrices, requireMatrix, wrap } from '../matrix/matrix.js';
import { record, whileRecording } from '../matrix/tape.js';

/**
 * An operation with a backward of its own.
 *
 * @param forward  computes the result from the inputs; what it does is not recorded
 * @param backward  takes ∂loss/∂result, the inputs and the result; gives one gradient per input, of its shape, undefined = none
 * @returns  the operation
 * @throws TypeError  if an argument is not a function; the operation throws one if an input or the result is not a Matrix;
 *   its backward throws a ShapeError if the gradients differ from the inputs in number or shape
 * @example const clipped = customGradient((x) => x, (dOut) => [dOut.scale(0.1)]);
 */
export function customGradient<Inputs extends readonly Matrix[]>(
  forward: (...inputs: Inputs) => Matrix,
  backward: (dOut: Matrix, inputs: Inputs, out: Matrix) => readonly (Matrix | undefined)[],
): (...inputs: Inputs) => Matrix {
  const where = 'customGradient';
  requireArguments(where, arguments.length, 2);
  requireFunction(where, 'forward', forward);
  requireFunction(where, 'backward', backward);
  const operation = (inputs: Inputs) => {
    requireMatrices(where, 'inputs', inputs);
    const result = whileRecording(undefined, () => {
      const returned = requireSync(where, 'forward', forward(...inputs));
      requireMatrix(where, 'the result of forward', returned);
      return returned;
    });
    // A new matrix: forward may return one of its inputs, and the two have different gradients.
    const out = wrap(result.rows, result.cols, copied(result.data), true);
    return record(out, inputs, (dOut) => {
      const inputsCopy = [...inputs] as unknown as Inputs; // backward may reorder it; the gradients keep their places
      const dInputs = whileRecording(undefined, () =>
        backward(wrap(out.rows, out.cols, copied(dOut)), inputsCopy, out),
      );
      return checkGradients(where, inputs, requireSync(where, 'backward', dInputs));
    });
  };
  return (...inputs) => allOrNone(() => operation(inputs));
}

function checkGradients(where: string, inputs: readonly Matrix[], gradients: unknown) {
  if (!Array.isArray(gradients) || gradients.length !== inputs.length) {
    const rule = `backward must give a list of ${inputs.length} gradients, one for each input`;
    throw shapeError(where, rule, `got ${Array.isArray(gradients) ? `${gradients.length}` : describe(gradients)}`);
  }
  return inputs.map((input, i) => {
    const gradient: unknown = gradients[i];
    if (gradient === undefined) return undefined;
    requireMatrix(where, `gradient ${i}`, gradient);
    if (gradient.rows !== input.rows || gradient.cols !== input.cols) {
      const rule = `gradient ${i} must be ${shapeText(input)}, as its input`;
      throw shapeError(where, rule, `got ${shapeText(gradient)}`);
    }
    return copied(gradient.data); // the user keeps the matrix, and may write into it
  });
}
