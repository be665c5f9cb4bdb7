import { requireArguments } from '../core/arguments.js';
import { requireChoice, requireInteger, requireSize } from '../core/errors.js';
import { requireOptions } from '../core/options.js';
import type { Floats } from '../kernels/contract.js';
import { elementwise, layouts } from '../kernels/families.js';
import { table } from '../kernels/state.js';
import { type Matrix, result, wrap } from '../matrix/matrix.js';

export interface SinusoidalOptions {
  /** The position of row 0. Default 0. */
  offset?: number;
  /** 'interleaved' (default): sin, cos, sin, cos …; 'halves': all sines, then all cosines. */
  layout?: 'interleaved' | 'halves';
}

const SINUSOIDAL_OPTIONS: readonly (keyof SinusoidalOptions)[] = ['offset', 'layout'];

/**
 * Sinusoidal positional encoding: PE[p, 2i] = sin(p / 10000^(2i/dModel)), PE[p, 2i+1] = cos of the same angle.
 *
 * An odd dModel ends with a sine. Angles are float64, then rounded.
 *
 * @param length  rows: positions offset … offset + length − 1
 * @returns  (length × dModel)
 * @throws ShapeError  if a size is no integer of at least 0 or the layout is unknown; TypeError for wrong kinds
 * @see Vaswani et al. 2017, §3.5, https://arxiv.org/abs/1706.03762
 * @example const x = embedding.forward(ids).add(sinusoidalPositions(ids.length, 64));
 */
export function sinusoidalPositions(length: number, dModel: number, options: SinusoidalOptions = {}): Matrix {
  const where = 'sinusoidalPositions';
  requireInteger(where, 'length', length);
  requireInteger(where, 'dModel', dModel);
  requireOptions(where, options, SINUSOIDAL_OPTIONS);
  requireArguments(where, arguments.length, 3);
  const { offset = 0, layout = 'interleaved' } = options;
  requireInteger(where, 'offset', offset, -0x7fffffff);
  requireChoice(where, 'layout', layout, ['interleaved', 'halves']);
  requireSize(where, 'the result', length, dModel);
  const data = encoding(length, (r) => offset + r, dModel, layout);
  return wrap(length, dModel, data);
}

/** One row for every position. */
function encoding(
  rows: number,
  positionOf: (row: number) => number,
  dModel: number,
  layout: SinusoidalOptions['layout'],
): Floats {
  const out = table(rows * dModel);
  const sines = Math.ceil(dModel / 2);
  for (let c = 0; c < dModel; c++) {
    const [pair, isCosine] = layout === 'halves' ? [c < sines ? c : c - sines, c >= sines] : [c >> 1, c % 2 === 1];
    const frequency = 10000 ** ((-2 * pair) / dModel);
    for (let r = 0; r < rows; r++) {
      const angle = positionOf(r) * frequency;
      out[r * dModel + c] = isCosine ? Math.cos(angle) : Math.sin(angle);
    }
  }
  return out;
}

/** x plus the encoding of every row's position: constants, which have no gradient. (tokens × dModel) */
export function addSinusoidalPositions(x: Matrix, positions: Int32Array): Matrix {
  const { binary } = elementwise();
  const { gatherRows } = layouts();
  const distinct = [...new Set(positions)]; // the sequences of a batch share most of theirs
  const row = new Map(distinct.map((position, r) => [position, r]));
  const rows = positions.map((position) => row.get(position) as number);
  const encoded = encoding(distinct.length, (r) => distinct[r], x.cols, 'interleaved');
  const data = binary('add', x.data, gatherRows(encoded, x.cols, rows)); // Y = X + PE
  return result([x], { rows: x.rows, cols: x.cols, data, backward: (dY) => [dY] });
}
