import { brandOf, putBrand, TWO_COPIES } from '../core/brands.js';
import { describe, kindError } from '../core/errors.js';
import { isRecording } from './tape.js';

// Matrices of another copy of the library are numbers like any other. But to either copy the other's operations do not
// exist: while valueAndGrad of one runs, gradients would be missing without a word, so that is refused.

/** What a matrix says of itself to other copies, under its brand. */
interface Origin {
  /** An operation of its copy computed it. */
  isResult: boolean;
  /** valueAndGrad of its copy is running. */
  isRecording: boolean;
}

/** For the constructor, at its first matrix: nothing happens at import. Returns true. */
export function putOrigin<M>(prototype: object, isResult: (matrix: M) => boolean): true {
  putBrand(prototype, 'Matrix', {
    get(this: M): Origin {
      return { isResult: isResult(this), isRecording: isRecording() };
    },
  });
  return true;
}

/** A value that is no Matrix of ours must be one of another copy, and none that a gradient would be lost with. */
export function requireForeign(where: string, name: string, value: unknown): void {
  const origin = brandOf(value, 'Matrix') as Origin | undefined;
  if (origin === undefined) {
    const hint = Array.isArray(value) ? 'Matrix.from(rows) makes one; a batch of them is packed, see pack' : undefined;
    throw kindError(where, `${name} must be a Matrix`, `got ${describe(value)}`, hint);
  }
  if (origin.isRecording) {
    const rule = `${name} must not come from another copy of qkv while that runs valueAndGrad`;
    throw kindError(where, rule, 'it would miss this operation', TWO_COPIES);
  }
  if (isRecording() && origin.isResult) {
    const rule = `${name} must not be computed by another copy of qkv while valueAndGrad runs`;
    const hint = `${TWO_COPIES}, or for a constant a copy: new Matrix(rows, cols, data)`;
    throw kindError(where, rule, 'what it was computed from would have no gradient', hint);
  }
}
