import { requireChoice } from '../core/errors.js';
import type { RowUpdates } from '../ops/optimizer-updates.js';
import type { OptimizerOptions } from './optimizer.js';

/** Of optimizers that can move some rows of a table. */
export interface RowOptimizerOptions extends OptimizerOptions {
  /**
   * What moves where only rows of a table have a gradient. 'lazy' (default): those rows, in value and moments; the others
   * stay as they are, to the bit. 'dense': every row, as in PyTorch: momentum and decay go on without a gradient.
   */
  rowUpdates?: RowUpdates;
}

export function checkedRowUpdates(where: string, { rowUpdates = 'lazy' }: RowOptimizerOptions): RowUpdates {
  requireChoice(where, 'rowUpdates', rowUpdates, ['lazy', 'dense']);
  return rowUpdates;
}
