import { requireArguments } from '../core/arguments.js';
import { requireFinite, shapeError, shapeText } from '../core/errors.js';
import { MODEL_NAMES } from '../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../core/options.js';
import type { Floats, Normalization } from '../kernels/contract.js';
import { norms } from '../kernels/families.js';
import { backwards } from '../kernels/state.js';
import { type Matrix, requireMatrix, result } from '../matrix/matrix.js';

export interface NormOptions {
  /** Added under the root. Default 1e-5. */
  epsilon?: number;
}

const NORM_OPTIONS: readonly (keyof NormOptions)[] = ['epsilon'];

const GUIDE: OptionsGuide = { form: 'layerNorm(x, gain, bias, { epsilon: 1e-5 })', elsewhere: [MODEL_NAMES] };

/**
 * Layer norm of every row: (x − mean) / √(variance + ε) ∘ gain + bias.
 *
 * @param x  (tokens × dModel)
 * @param gain  (1 × dModel); absent = 1
 * @param bias  (1 × dModel); absent = 0
 * @returns  (tokens × dModel)
 * @throws ShapeError  if gain or bias has another shape or epsilon is negative; TypeError for wrong kinds
 * @see Ba, Kiros, Hinton 2016, https://arxiv.org/abs/1607.06450
 * @example const y = layerNorm(x, gain, bias, { epsilon: 1e-6 });
 */
export function layerNorm(x: Matrix, gain?: Matrix, bias?: Matrix, options: NormOptions = {}): Matrix {
  requireArguments('layerNorm', arguments.length, 4);
  const problem = normalization('layerNorm', x, gain, bias, options);
  const { layerNorm: forward } = norms();
  const { layerNormBackward } = backwards();
  const { out, ...statistics } = forward(problem);
  return result([x, ...(gain ? [gain] : []), ...(bias ? [bias] : [])], {
    rows: x.rows,
    cols: x.cols,
    data: out,
    backward: (dOut) => {
      const { dX, dGain, dBias } = quietGradients(problem, statistics, dOut, (x, own) => {
        return layerNormBackward({ ...problem, ...own, x, dOut });
      });
      return [dX, ...(gain ? [dGain] : []), ...(bias ? [dBias] : [])];
    },
  });
}

/**
 * RMS norm of every row: x / √(mean(x²) + ε) ∘ gain.
 *
 * @param x  (tokens × dModel)
 * @param gain  (1 × dModel); absent = 1
 * @returns  (tokens × dModel)
 * @throws ShapeError  if gain has another shape or epsilon is negative; TypeError for wrong kinds
 * @see Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467
 * @example const y = rmsNorm(x, gain);
 */
export function rmsNorm(x: Matrix, gain?: Matrix, options: NormOptions = {}): Matrix {
  requireArguments('rmsNorm', arguments.length, 3);
  const problem = normalization('rmsNorm', x, gain, undefined, options);
  const { rmsNorm: forward } = norms();
  const { rmsNormBackward } = backwards();
  const { out, ...statistics } = forward(problem);
  return result(gain ? [x, gain] : [x], {
    rows: x.rows,
    cols: x.cols,
    data: out,
    backward: (dOut) => {
      const { dX, dGain } = quietGradients(problem, statistics, dOut, (x, own) => {
        return rmsNormBackward({ ...problem, ...own, x, dOut });
      });
      return gain ? [dX, dGain] : [dX];
    },
  });
}

/** The gradients; without the rows whose dOut is 0, which add nothing, where one of them made them NaN. */
function quietGradients<Statistics extends Record<string, Floats>, Found extends { dX: Floats }>(
  { x, rows, cols }: Normalization,
  statistics: Statistics,
  dOut: Floats,
  backward: (x: Floats, statistics: Statistics) => Found,
): Found {
  const { hasNaN, quietRows, withoutRows } = backwards();
  const found = backward(x, statistics);
  if (!hasNaN(found.dX, cols, rows)) return found;
  const quiet = quietRows(dOut, rows, cols);
  if (quiet.length === 0) return found;
  const cleared = Object.entries(statistics).map(([name, values]) => [name, withoutRows(values, quiet, 1)]);
  return backward(withoutRows(x, quiet, cols), Object.fromEntries(cleared));
}

function normalization(
  where: string,
  x: Matrix,
  gain: Matrix | undefined,
  bias: Matrix | undefined,
  options: NormOptions,
) {
  requireMatrix(where, 'x', x);
  checkRow(where, 'gain', gain, x);
  checkRow(where, 'bias', bias, x);
  requireOptions(where, options, NORM_OPTIONS, GUIDE);
  const { epsilon = 1e-5 } = options;
  requireFinite(where, 'epsilon', epsilon, 0);
  return { x: x.data, rows: x.rows, cols: x.cols, gain: gain?.data, bias: bias?.data, epsilon };
}

function checkRow(where: string, name: string, row: Matrix | undefined, x: Matrix): void {
  if (row === undefined) return;
  requireMatrix(where, name, row);
  if (row.rows === 1 && row.cols === x.cols) return;
  throw shapeError(where, `${name} must be 1×${x.cols}`, `x is ${shapeText(x)}, ${name} is ${shapeText(row)}`);
}
