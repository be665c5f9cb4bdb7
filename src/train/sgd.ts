import { requireArguments } from '../core/arguments.js';
import { requireBoolean, requireFinite, shapeError } from '../core/errors.js';
import type { Matrix } from '../matrix/matrix.js';
import { updateSGD } from '../ops/optimizer-updates.js';
import { type Method, Optimizer } from './optimizer.js';
import type { ParameterGroup } from './parameter-groups.js';
import { checkedRowUpdates, type RowOptimizerOptions } from './row-updates.js';

export interface SGDOptions extends RowOptimizerOptions {
  /** Share of the last direction that goes on, at least 0. Default 0. */
  momentum?: number;
  /** Look ahead along the momentum, which must then be above 0. Default false. */
  nesterov?: boolean;
  /** This share of the parameter is added to its gradient. Default 0. */
  weightDecay?: number;
}

const OPTIONS: readonly (keyof SGDOptions)[] = ['learningRate', 'momentum', 'nesterov', 'weightDecay', 'rowUpdates'];

/**
 * Stochastic gradient descent, as torch.optim.SGD: g = ∂loss/∂p + weightDecay·p, b = momentum·b + g with b = g at first,
 * p −= learningRate·b; with nesterov p −= learningRate·(g + momentum·b).
 *
 * @throws ShapeError  if parameters are empty or one stands there twice, an option is out of range, or nesterov comes
 *   without momentum; TypeError for wrong kinds
 * @see Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html (nesterov)
 * @example
 * const optimizer = new SGD(model.parameters(), { learningRate: 0.1, momentum: 0.9 });
 * optimizer.step(valueAndGrad(() => crossEntropy(model.forward(ids), targets)).gradients);
 */
export class SGD extends Optimizer {
  static override get name(): string {
    return 'SGD';
  }

  /** @param parameters  a list, or groups with options of their own: `[{ parameters, weightDecay: 0 }, …]` */
  constructor(parameters: readonly Matrix[] | readonly ParameterGroup<SGDOptions>[], options: SGDOptions = {}) {
    super('SGD', parameters, options, METHOD);
    requireArguments('SGD', arguments.length, 2);
  }
}

const METHOD: Method<SGDOptions> = {
  options: OPTIONS,
  movesBy(where, options) {
    const { momentum = 0, nesterov = false, weightDecay = 0 } = options;
    requireFinite(where, 'momentum', momentum, 0);
    requireBoolean(where, 'nesterov', nesterov);
    requireFinite(where, 'weightDecay', weightDecay, 0);
    if (nesterov && momentum === 0) {
      throw shapeError(where, 'momentum must be above 0 with nesterov', `got momentum ${momentum}`);
    }
    return {
      momentNames: momentum === 0 ? [] : ['momentum'],
      rowUpdates: checkedRowUpdates(where, options),
      move: ({ moved, moments, learningRate }) => {
        updateSGD(moved, moments[0], { learningRate, momentum, nesterov, weightDecay });
      },
    };
  },
};
