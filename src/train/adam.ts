import { requireArguments } from '../core/arguments.js';
import { describe, requireArrayLike, requireFinite, requireNumber, shapeError } from '../core/errors.js';
import type { Matrix } from '../matrix/matrix.js';
import { updateAdam } from '../ops/optimizer-updates.js';
import { type Method, Optimizer } from './optimizer.js';
import type { ParameterGroup } from './parameter-groups.js';
import { checkedRowUpdates, type RowOptimizerOptions } from './row-updates.js';

export interface AdamOptions extends RowOptimizerOptions {
  /** Of the running means of the gradient and of its square, each at least 0 and below 1. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the root of the mean square, at least 0. Default 1e-8. */
  epsilon?: number;
  /** At least 0. Default 0 for Adam, 0.01 for AdamW. */
  weightDecay?: number;
}

const OPTIONS: readonly (keyof AdamOptions)[] = ['learningRate', 'betas', 'epsilon', 'weightDecay', 'rowUpdates'];
const MOMENTS = ['firstMoment', 'secondMoment'];

/**
 * Adam, as torch.optim.Adam: g = ∂loss/∂p + weightDecay·p, m = β₁·m + (1 − β₁)·g, v = β₂·v + (1 − β₂)·g²,
 * p −= learningRate · m̂ / (√v̂ + epsilon) with m̂ = m/(1 − β₁^t) and v̂ = v/(1 − β₂^t).
 *
 * t counts the steps in which the parameter had a gradient. Rows of a table share the count of the table, with lazy
 * updates too, as in torch.optim.SparseAdam: a row that is first read at step 100 is corrected as at step 100.
 *
 * @throws ShapeError  if parameters are empty or one stands there twice, or an option is out of range; TypeError for wrong
 *   kinds
 * @see Kingma and Ba 2015, algorithm 1, https://arxiv.org/abs/1412.6980
 * @example const optimizer = new Adam(model.parameters(), { learningRate: 3e-4 });
 */
export class Adam extends Optimizer {
  static override get name(): string {
    return 'Adam';
  }

  /** @param parameters  a list, or groups with options of their own: `[{ parameters, weightDecay: 0 }, …]` */
  constructor(parameters: readonly Matrix[] | readonly ParameterGroup<AdamOptions>[], options: AdamOptions = {}) {
    super('Adam', parameters, options, adam(0, false));
    requireArguments('Adam', arguments.length, 2);
  }
}

/**
 * Adam with decoupled decay, as torch.optim.AdamW: p *= 1 − learningRate·weightDecay comes first and stays out of the
 * moments; the rest, the options and the counting of steps are those of Adam.
 *
 * @throws ShapeError  if parameters are empty or one stands there twice, or an option is out of range; TypeError for wrong
 *   kinds
 * @see Loshchilov and Hutter 2019, algorithm 2, https://arxiv.org/abs/1711.05101
 * @example const optimizer = new AdamW(model.parameters(), { learningRate: 3e-4, weightDecay: 0.1 });
 */
export class AdamW extends Optimizer {
  static override get name(): string {
    return 'AdamW';
  }

  /** @param parameters  a list, or groups with options of their own: `[{ parameters, weightDecay: 0 }, …]` */
  constructor(parameters: readonly Matrix[] | readonly ParameterGroup<AdamOptions>[], options: AdamOptions = {}) {
    super('AdamW', parameters, options, adam(0.01, true));
    requireArguments('AdamW', arguments.length, 2);
  }
}

function adam(defaultDecay: number, isDecoupled: boolean): Method<AdamOptions> {
  return {
    options: OPTIONS,
    movesBy(where, options) {
      const { betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = defaultDecay } = options;
      requireArrayLike(where, 'betas', betas);
      if (betas.length !== 2) throw shapeError(where, 'betas must be two numbers', `got ${describe(betas)}`);
      const [beta1, beta2] = Array.from(betas, (beta, i) => requireShare(where, `betas[${i}]`, beta));
      requireFinite(where, 'epsilon', epsilon, 0);
      requireFinite(where, 'weightDecay', weightDecay, 0);
      return {
        momentNames: MOMENTS,
        rowUpdates: checkedRowUpdates(where, options),
        move: ({ moved, moments: [m, v], t, learningRate }) => {
          updateAdam(moved, m, v, t, { learningRate, beta1, beta2, epsilon, weightDecay, isDecoupled });
        },
      };
    },
  };
}

/** At 1 a running mean would never move, and its correction would divide by 0. */
function requireShare(where: string, name: string, beta: unknown): number {
  requireNumber(where, name, beta);
  if (beta >= 0 && beta < 1) return beta;
  throw shapeError(where, `${name} must be at least 0 and below 1`, `got ${beta}`);
}
