import { requireArguments } from '../../core/arguments.js';
import { requireInteger, requireSize } from '../../core/errors.js';
import { MODEL_NAMES } from '../../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../../core/options.js';
import type { Matrix } from '../../matrix/matrix.js';
import { type Parameter, requireResident } from '../../matrix/parameter.js';
import { gatherRows } from '../../ops/embedding.js';
import { layerRandom } from '../../ops/seeds.js';
import { normalParameter } from '../initialization.js';
import { Module } from '../module.js';

export interface EmbeddingOptions {
  /** The id of padding: its row starts as zeros and gets no gradient. */
  paddingIndex?: number;
  /** Of the initial table. Default: the next seed of setSeed's stream. */
  seed?: number;
}

const EMBEDDING_OPTIONS: readonly (keyof EmbeddingOptions)[] = ['paddingIndex', 'seed'];

const GUIDE: OptionsGuide = { form: 'new Embedding(512, 64, { seed: 1 })', elsewhere: [MODEL_NAMES] };

/**
 * A table with one row per token id, initially normal with mean 0 and variance 1.
 *
 * @throws ShapeError  if a size is not an integer of at least 1 or paddingIndex is not a row; TypeError for wrong kinds and
 *   unknown options
 * @example const x = new Embedding(512, 64).forward([3, 1, 4]); // 3×64
 */
export class Embedding extends Module {
  static override get name(): string {
    return 'Embedding';
  }

  /** (numEmbeddings × dModel). */
  readonly table: Parameter;
  readonly paddingIndex?: number;

  constructor(numEmbeddings: number, dModel: number, options: EmbeddingOptions = {}) {
    super();
    requireInteger('Embedding', 'numEmbeddings', numEmbeddings, 1);
    requireInteger('Embedding', 'dModel', dModel, 1);
    requireOptions('Embedding', options, EMBEDDING_OPTIONS, GUIDE);
    requireArguments('Embedding', arguments.length, 3);
    const { paddingIndex, seed } = options;
    if (paddingIndex !== undefined) requireInteger('Embedding', 'paddingIndex', paddingIndex, 0, numEmbeddings - 1);
    requireSize('Embedding', 'table', numEmbeddings, dModel);
    requireResident('Embedding', 'table', numEmbeddings * dModel);
    this.table = normalParameter('table', layerRandom('Embedding', seed), numEmbeddings, dModel, 1);
    if (paddingIndex !== undefined) this.table.row(paddingIndex).fill(0);
    this.paddingIndex = paddingIndex;
  }

  get numEmbeddings(): number {
    return this.table.rows;
  }

  get dModel(): number {
    return this.table.cols;
  }

  /**
   * @param ids  one per token
   * @returns  (ids.length × dModel): row ids[i] of the table in row i
   * @throws ShapeError  if an id is not a row of the table; TypeError for wrong kinds
   */
  forward(ids: ArrayLike<number>): Matrix {
    requireArguments('Embedding.forward', arguments.length, 1);
    return gatherRows('Embedding', this.table, ids, this.paddingIndex);
  }
}
