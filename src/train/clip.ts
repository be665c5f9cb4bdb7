import { describe, kindError, requireNumber, requireOptions, shapeError } from '../core/errors.js';
import { Gradients } from '../gradients.js';
import { type Matrix, requireMatrices } from '../matrix.js';
import { Parameter } from '../parameter.js';

export interface ClipGradNormOptions {
  /**
   * Whose gradients the norm counts. Default: every Parameter among them, and where there is none, every matrix. (Inputs have
   * gradients too, which torch's list of parameters leaves out.)
   */
  parameters?: readonly Matrix[];
}

/**
 * Gradients made shorter where their norm, as of one long vector, is above max: all of them times
 * min(1, max / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_. Those given stay as they are.
 *
 * @param max  at least 0; Infinity only measures
 * @returns  the clipped gradients, and the norm before
 * @throws ShapeError  if max is negative or NaN; TypeError for wrong kinds
 * @see Pascanu et al. 2013, algorithm 1, https://arxiv.org/abs/1211.5063
 * @example
 * const { value, gradients } = valueAndGrad(() => crossEntropy(model.forward(ids), targets));
 * optimiser.step(clipGradNorm(gradients, 1).gradients);
 */
export function clipGradNorm(
  gradients: Gradients,
  max: number,
  options: ClipGradNormOptions = {},
): { gradients: Gradients; norm: number } {
  const where = 'clipGradNorm';
  if (!(gradients instanceof Gradients)) {
    throw kindError(where, 'gradients must be Gradients', `got ${describe(gradients)}`, 'valueAndGrad gives them');
  }
  requireNumber(where, 'max', max);
  if (!(max >= 0)) throw shapeError(where, 'max must be a number of at least 0', `got ${max}`);
  requireOptions(where, options, ['parameters']);
  const { parameters } = options;
  if (parameters !== undefined) requireMatrices(where, 'parameters', parameters);
  const norm = Math.sqrt(sumOfSquares(gradients, new Set(parameters ?? counted(gradients))));
  return { gradients: gradients.scale(Math.min(1, max / (norm + 1e-6))), norm };
}

function counted(gradients: Gradients): Matrix[] {
  const all = Array.from(gradients.entries(), ([x]) => x);
  const parameters = all.filter((x) => x instanceof Parameter);
  return parameters.length > 0 ? parameters : all;
}

/** In float64, where no square of a float32 overflows. */
function sumOfSquares(gradients: Gradients, matrices: ReadonlySet<Matrix>): number {
  let total = 0;
  for (const x of matrices) {
    const gradient = gradients.get(x);
    if (gradient === undefined) continue;
    const { data } = 'values' in gradient ? gradient.values : gradient;
    for (let i = 0; i < data.length; i++) total += data[i] * data[i];
  }
  return total;
}
