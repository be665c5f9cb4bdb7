import { type Gradients, requireGradient, requireGradients } from '../autograd/gradients.js';
import { requireArguments } from '../core/arguments.js';
import { requireNumber, shapeError } from '../core/errors.js';
import { requireOptions } from '../core/options.js';
import { type Matrix, requireMatrices } from '../matrix/matrix.js';
import { isParameter } from '../matrix/parameter.js';
import { euclideanNorm } from '../ops/optimizer-updates.js';

export interface ClipGradNormOptions {
  /**
   * Whose gradients the norm counts. Default: every Parameter among them, and where there is none, every matrix. (Inputs have
   * gradients too, which torch's list of parameters leaves out.)
   */
  parameters?: readonly Matrix[];
}

/**
 * Shortens gradients in place where their norm, as of one long vector, is above max: all of them times
 * min(1, max / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_. From then on `gradients.get(x)` gives the shorter matrix; a
 * matrix that it gave before keeps its numbers.
 *
 * A norm that is not finite tells of such gradients, and no max below Infinity saves them, as in torch: an infinity becomes
 * NaN and what was finite 0, and one NaN makes all of them NaN. Look at the norm before the step.
 *
 * @param max  at least 0; Infinity only measures: the gradients are the same to the bit, also where they are not finite
 * @returns  the gradients that were given, clipped, and their norm before
 * @throws ShapeError  if max is negative or NaN; TypeError for wrong kinds: the gradients are as before then
 * @see Pascanu et al. 2013, algorithm 1, https://arxiv.org/abs/1211.5063
 * @example
 * const { value, gradients } = valueAndGrad(() => crossEntropy(model.forward(ids), targets));
 * clipGradNorm(gradients, 1);
 * optimizer.step(gradients);
 */
export function clipGradNorm(
  gradients: Gradients,
  max: number,
  options: ClipGradNormOptions = {},
): { gradients: Gradients; norm: number } {
  const where = 'clipGradNorm';
  requireArguments(where, arguments.length, 3);
  requireGradients(where, 'gradients', gradients, 'valueAndGrad gives them');
  requireNumber(where, 'max', max);
  if (!(max >= 0)) throw shapeError(where, 'max must be a number of at least 0', `got ${max}`);
  requireOptions(where, options, ['parameters']);
  const { parameters } = options;
  if (parameters !== undefined) requireMatrices(where, 'parameters', parameters);
  const norm = normOf(where, gradients, new Set(parameters ?? counted(gradients)));
  const factor = max === Number.POSITIVE_INFINITY ? 1 : Math.min(1, max / (norm + 1e-6));
  if (factor !== 1) gradients.become(gradients.scale(factor));
  return { gradients, norm };
}

function counted(gradients: Gradients): Matrix[] {
  const all = Array.from(gradients.entries(), ([x]) => x);
  const parameters = all.filter(isParameter);
  return parameters.length > 0 ? parameters : all;
}

/** A matrix that has no gradient counts nothing. */
function normOf(where: string, gradients: Gradients, matrices: ReadonlySet<Matrix>): number {
  const found = [...matrices].flatMap((x) => {
    const gradient = gradients.get(x);
    if (gradient === undefined) return [];
    requireGradient(where, x, gradient);
    return 'values' in gradient ? gradient.values : gradient;
  });
  return euclideanNorm(found);
}
