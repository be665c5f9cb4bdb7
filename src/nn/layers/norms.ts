import { requireArguments } from '../../core/arguments.js';
import { requireBoolean, requireFinite, requireInteger, requireSize } from '../../core/errors.js';
import { MODEL_NAMES } from '../../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../../core/options.js';
import type { Matrix } from '../../matrix/matrix.js';
import type { Parameter } from '../../matrix/parameter.js';
import { layerNorm, rmsNorm } from '../../ops/normalization.js';
import { constantParameter } from '../initialization.js';
import { Module } from '../module.js';
import { requireColumns } from '../shapes.js';

export interface NormModuleOptions {
  /** Added to the variance, or the mean square, under the root. Default 1e-5. */
  epsilon?: number;
}

export interface LayerNormOptions extends NormModuleOptions {
  /** Learn a bias. Default true. */
  bias?: boolean;
}

const NORM_OPTIONS: readonly string[] = ['epsilon'] satisfies (keyof NormModuleOptions)[];
const LAYER_NORM_OPTIONS: readonly string[] = ['epsilon', 'bias'] satisfies (keyof LayerNormOptions)[];

const GUIDE: OptionsGuide = { form: 'new LayerNorm(64, { epsilon: 1e-5 })', elsewhere: [MODEL_NAMES] };

function checkNorm(where: string, dModel: number, options: NormModuleOptions, known = NORM_OPTIONS): number {
  requireInteger(where, 'dModel', dModel, 1);
  requireSize(where, 'gain', 1, dModel);
  requireOptions(where, options, known, GUIDE);
  const { epsilon = 1e-5 } = options;
  requireFinite(where, 'epsilon', epsilon, 0);
  return epsilon;
}

/**
 * layerNorm with a learnable gain, initially 1, and bias, initially 0.
 *
 * @throws ShapeError  if dModel is not an integer of at least 1 or epsilon is negative or not finite; TypeError for wrong
 *   kinds and unknown options
 * @example const y = new LayerNorm(64).forward(x);
 */
export class LayerNorm extends Module {
  static override get name(): string {
    return 'LayerNorm';
  }

  /** (1 × dModel). */
  readonly gain: Parameter;
  /** (1 × dModel), or absent. */
  readonly bias?: Parameter;
  readonly epsilon: number;

  constructor(dModel: number, options: LayerNormOptions = {}) {
    super();
    requireArguments('LayerNorm', arguments.length, 2);
    this.epsilon = checkNorm('LayerNorm', dModel, options, LAYER_NORM_OPTIONS);
    const { bias = true } = options;
    requireBoolean('LayerNorm', 'bias', bias);
    this.gain = constantParameter('gain', 1, dModel, 1);
    if (bias) this.bias = constantParameter('bias', 1, dModel, 0);
  }

  get dModel(): number {
    return this.gain.cols;
  }

  /**
   * @param x  (tokens × dModel)
   * @returns  (tokens × dModel)
   * @throws ShapeError  if x does not have dModel columns; TypeError if x is not a Matrix
   */
  forward(x: Matrix): Matrix {
    requireArguments('LayerNorm.forward', arguments.length, 1);
    requireColumns('LayerNorm', 'x', x, 'dModel', this.gain.cols);
    return layerNorm(x, this.gain, this.bias, { epsilon: this.epsilon });
  }
}

/**
 * rmsNorm with a learnable gain, initially 1.
 *
 * @throws ShapeError  if dModel is not an integer of at least 1 or epsilon is negative or not finite; TypeError for wrong
 *   kinds and unknown options
 * @example const y = new RMSNorm(64, { epsilon: 1e-6 }).forward(x);
 */
export class RMSNorm extends Module {
  static override get name(): string {
    return 'RMSNorm';
  }

  /** (1 × dModel). */
  readonly gain: Parameter;
  readonly epsilon: number;

  constructor(dModel: number, options: NormModuleOptions = {}) {
    super();
    requireArguments('RMSNorm', arguments.length, 2);
    this.epsilon = checkNorm('RMSNorm', dModel, options);
    this.gain = constantParameter('gain', 1, dModel, 1);
  }

  get dModel(): number {
    return this.gain.cols;
  }

  /**
   * @param x  (tokens × dModel)
   * @returns  (tokens × dModel)
   * @throws ShapeError  if x does not have dModel columns; TypeError if x is not a Matrix
   */
  forward(x: Matrix): Matrix {
    requireArguments('RMSNorm.forward', arguments.length, 1);
    requireColumns('RMSNorm', 'x', x, 'dModel', this.gain.cols);
    return rmsNorm(x, this.gain, { epsilon: this.epsilon });
  }
}

/** The norm that a model's options name; they are checked by the caller. */
export function newNorm(
  dModel: number,
  { norm, epsilon, normBias: bias }: { norm?: 'layer' | 'rms'; epsilon?: number; normBias?: boolean },
): LayerNorm | RMSNorm {
  return norm === 'rms' ? new RMSNorm(dModel, { epsilon }) : new LayerNorm(dModel, { epsilon, bias });
}
