import { requireArguments } from '../core/arguments.js';
import {
  describe,
  requireArrayLike,
  requireBoolean,
  requireChoice,
  requireFinite,
  requireInteger,
  shapeError,
  shapeText,
} from '../core/errors.js';
import type { Matrix } from '../matrix/matrix.js';
import { updateMuon } from '../ops/optimizer-updates.js';
import { type Method, Optimizer, type OptimizerOptions } from './optimizer.js';
import type { ParameterGroup } from './parameter-groups.js';

export interface MuonOptions extends OptimizerOptions {
  /** Of the running mean of the gradient, at least 0 and below 1. Default 0.95. */
  momentum?: number;
  /** Whether the gradient itself counts once more beside its mean. Default true. */
  nesterov?: boolean;
  /** Decoupled, at least 0. Default 0.1. */
  weightDecay?: number;
  /** The least length by which the mean is divided, above 0. Default 1e-7. */
  epsilon?: number;
  /** Of Newton and Schulz, from 1 to 99. Default 5. */
  iterations?: number;
  /** a, b and c of an iteration, X ← a·X + b·(X·Xᵀ)·X + c·(X·Xᵀ)²·X. Default [3.4445, −4.7750, 2.0315]. */
  coefficients?: readonly [number, number, number];
  /**
   * By what the learning rate is multiplied for a matrix (in × out). 'original' (default): √max(1, out/in). 'matchAdamW':
   * 0.2·√max(in, out), with which rate and decay of AdamW will do.
   */
  rateAdjustment?: 'original' | 'matchAdamW';
}

const OPTIONS: readonly (keyof MuonOptions)[] = [
  'learningRate',
  'momentum',
  'nesterov',
  'weightDecay',
  'epsilon',
  'iterations',
  'coefficients',
  'rateAdjustment',
];

/**
 * Muon, as torch.optim.Muon: the running mean b = momentum·b + (1 − momentum)·g of the gradient, as an orthogonal matrix (all
 * of its directions equally long), is the step of a matrix of a hidden layer; p *= 1 − learningRate·weightDecay comes first.
 *
 * Tables, heads, biases and gains belong to an optimizer beside it: AdamW. PyTorch iterates in bfloat16, this in float32.
 *
 * @throws ShapeError  if parameters are empty, one stands there twice or is a row (a bias, a gain), or an option is out of
 *   range; TypeError for wrong kinds
 * @see Jordan 2024, https://kellerjordan.github.io/posts/muon/; Liu et al. 2025, https://arxiv.org/abs/2502.16982 (matchAdamW)
 * @example const optimizer = new Muon(hiddenMatrices, { learningRate: 0.02 });
 */
export class Muon extends Optimizer {
  static override get name(): string {
    return 'Muon';
  }

  /** @param parameters  a list, or groups with options of their own: `[{ parameters, weightDecay: 0 }, …]` */
  constructor(parameters: readonly Matrix[] | readonly ParameterGroup<MuonOptions>[], options: MuonOptions = {}) {
    super('Muon', parameters, options, METHOD);
    requireArguments('Muon', arguments.length, 2);
  }
}

const METHOD: Method<MuonOptions> = {
  options: OPTIONS,
  requireParameter(where, name, parameter) {
    if (parameter.rows > 1) return;
    const hint = 'biases and gains are rows: give them to AdamW';
    throw shapeError(where, `${name} must have at least 2 rows`, `it is ${shapeText(parameter)}`, hint);
  },
  movesBy(where, options) {
    const { momentum = 0.95, nesterov = true, weightDecay = 0.1, epsilon = 1e-7, iterations = 5 } = options;
    const { coefficients = [3.4445, -4.775, 2.0315], rateAdjustment = 'original' } = options;
    requireFinite(where, 'momentum', momentum, 0);
    if (momentum >= 1) throw shapeError(where, 'momentum must be at least 0 and below 1', `got ${momentum}`);
    requireBoolean(where, 'nesterov', nesterov);
    requireFinite(where, 'weightDecay', weightDecay, 0);
    requireFinite(where, 'epsilon', epsilon, Number.MIN_VALUE);
    requireInteger(where, 'iterations', iterations, 1, 99);
    requireArrayLike(where, 'coefficients', coefficients);
    if (coefficients.length !== 3) {
      throw shapeError(where, 'coefficients must be three numbers', `got ${describe(coefficients)}`);
    }
    const [a, b, c] = Array.from(coefficients);
    [a, b, c].forEach((value, i) => requireFinite(where, `coefficients[${i}]`, value));
    requireChoice(where, 'rateAdjustment', rateAdjustment, ['original', 'matchAdamW']);
    return {
      momentNames: ['momentum'],
      move: ({ moved, moments: [buffer], learningRate }) => {
        const { cols, p } = moved;
        const rows = p.length / cols;
        const ratio =
          rateAdjustment === 'original' ? Math.sqrt(Math.max(1, cols / rows)) : 0.2 * Math.sqrt(Math.max(rows, cols));
        const rule = {
          learningRate,
          momentum,
          nesterov,
          weightDecay,
          epsilon,
          iterations,
          coefficients: [a, b, c],
          ratio,
        } as const;
        if (p.length > 0) updateMuon(moved, buffer, rule);
      },
    };
  },
};
