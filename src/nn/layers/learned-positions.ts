import { requireArguments } from '../../core/arguments.js';
import { requireInteger, requireSize, shapeError } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import type { Matrix } from '../../matrix/matrix.js';
import { type Parameter, requireResident } from '../../matrix/parameter.js';
import { gatherRows } from '../../ops/embedding.js';
import { layerRandom } from '../../ops/seeds.js';
import { normalParameter } from '../initialization.js';
import { Module } from '../module.js';

export interface LearnedPositionsOptions {
  /** Of the initial table. Default: the next seed of setSeed's stream. */
  seed?: number;
}

const LEARNED_POSITIONS_OPTIONS: readonly (keyof LearnedPositionsOptions)[] = ['seed'];

/**
 * A table with one learned row per position, to add to embeddings; initially normal with mean 0 and variance 1/dModel.
 *
 * @throws ShapeError  if a size is not an integer of at least 1; TypeError for wrong kinds and unknown options
 * @see Gehring et al. 2017, §3.1, https://arxiv.org/abs/1705.03122
 * @example const x = embedding.forward(ids).add(positions.forward(ids.length));
 */
export class LearnedPositions extends Module {
  static override get name(): string {
    return 'LearnedPositions';
  }

  /** (capacity × dModel). */
  readonly table: Parameter;

  constructor(capacity: number, dModel: number, options: LearnedPositionsOptions = {}) {
    super();
    requireArguments('LearnedPositions', arguments.length, 3);
    const where = 'LearnedPositions';
    requireInteger(where, 'capacity', capacity, 1);
    requireInteger(where, 'dModel', dModel, 1);
    requireOptions(where, options, LEARNED_POSITIONS_OPTIONS);
    requireSize(where, 'table', capacity, dModel);
    requireResident(where, 'table', capacity * dModel);
    this.table = normalParameter('table', layerRandom(where, options.seed), capacity, dModel, 1 / Math.sqrt(dModel));
  }

  get capacity(): number {
    return this.table.rows;
  }

  get dModel(): number {
    return this.table.cols;
  }

  /**
   * @param positions  a list of positions, or a number n for 0 … n − 1
   * @returns  (number of positions × dModel)
   * @throws ShapeError  if a position is not one of 0 … capacity − 1; TypeError for wrong kinds
   * @example const rows = positions.forward([0, 1, 2, 0, 1]); // for two packed sequences
   */
  forward(positions: number | ArrayLike<number>): Matrix {
    requireArguments('LearnedPositions.forward', arguments.length, 1);
    const where = 'LearnedPositions';
    if (typeof positions !== 'number') return gatherRows(where, this.table, positions, undefined, 'positions');
    const { capacity } = this;
    requireInteger(where, 'positions', positions);
    if (positions > capacity) {
      throw shapeError(where, `positions must be at most capacity = ${capacity}`, `got ${positions}`);
    }
    return gatherRows(
      where,
      this.table,
      Int32Array.from({ length: positions }, (_, i) => i),
    );
  }
}
