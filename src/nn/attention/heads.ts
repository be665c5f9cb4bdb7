import { requireInteger, requireSize, shapeError } from '../../core/errors.js';
import { checkHeads } from '../../ops/attention/options.js';

/** The heads of a layer and their widths. */
export interface HeadShape {
  /** Heads of Q. */
  numHeads: number;
  /** Heads of K and V. */
  numKvHeads: number;
  /** Columns of one head of Q and K. */
  dK: number;
  /** Columns of one head of V. */
  dV: number;
}

/** The checked heads of a layer's options; dK defaults to dModel / numHeads, dV to dK. */
export function headShape(
  where: string,
  dModel: number,
  options: { numHeads?: number; numKvHeads?: number; dK?: number; dV?: number },
): HeadShape {
  requireInteger(where, 'dModel', dModel, 1);
  const { numHeads } = options;
  requireInteger(where, 'numHeads', numHeads, 1);
  const { numKvHeads } = checkHeads(where, options);
  if (options.dK === undefined && dModel % numHeads !== 0) {
    throw shapeError(
      where,
      'dModel must be divisible by numHeads',
      `${dModel} is not divisible by ${numHeads}`,
      'or give dK',
    );
  }
  const { dK = dModel / numHeads } = options;
  requireInteger(where, 'dK', dK, 1);
  requireSize(where, 'W_Q', dModel, numHeads * dK);
  const { dV = dK } = options;
  requireInteger(where, 'dV', dV, 1);
  return { numHeads, numKvHeads, dK, dV };
}
