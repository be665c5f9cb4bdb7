// nn/layers: the layers without attention. They know Module and ops, but no model.

import { requireArguments } from '../../core/arguments.js';
import { requireBoolean, requireInteger, requireSize } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import type { Matrix } from '../../matrix/matrix.js';
import { type Parameter, requireResident } from '../../matrix/parameter.js';
import { layerRandom } from '../../ops/seeds.js';
import { constantParameter, type Init, requireInit, torchBound, uniformParameter } from '../initialization.js';
import { Module } from '../module.js';
import { requireColumns } from '../shapes.js';

export interface LinearOptions {
  /** Add b (1 × outputs). Default false. */
  bias?: boolean;
  /** Default 'xavier'. */
  init?: Init;
  /** Of the initial parameters. Default: the next seed of setSeed's stream. */
  seed?: number;
}

const LINEAR_OPTIONS: readonly (keyof LinearOptions)[] = ['bias', 'init', 'seed'];

/**
 * x·W + b: (tokens × inputs) to (tokens × outputs).
 *
 * @throws ShapeError  if a size is not an integer of at least 1; TypeError for wrong kinds and unknown options
 * @example const logits = new Linear(64, 512, { bias: true }).forward(x);
 */
export class Linear extends Module {
  static override get name(): string {
    return 'Linear';
  }

  /** (inputs × outputs). */
  readonly W: Parameter;
  /** (1 × outputs), or absent. */
  readonly b?: Parameter;

  constructor(inputs: number, outputs: number, options: LinearOptions = {}) {
    super();
    requireInteger('Linear', 'inputs', inputs, 1);
    requireInteger('Linear', 'outputs', outputs, 1);
    requireOptions('Linear', options, LINEAR_OPTIONS);
    requireArguments('Linear', arguments.length, 3);
    const { bias = false, init = 'xavier', seed } = options;
    requireBoolean('Linear', 'bias', bias);
    requireInit('Linear', init);
    requireSize('Linear', 'W', inputs, outputs);
    requireResident('Linear', 'W', inputs * outputs);
    const random = layerRandom('Linear', seed);
    const isTorch = init === 'torch';
    this.W = uniformParameter('W', random, inputs, outputs, isTorch ? torchBound(inputs) : undefined);
    if (bias) this.b = uniformParameter('b', random, 1, outputs, isTorch ? torchBound(inputs) : 0);
  }

  get inputs(): number {
    return this.W.rows;
  }

  get outputs(): number {
    return this.W.cols;
  }

  /**
   * @param x  (tokens × inputs)
   * @returns  (tokens × outputs)
   * @throws ShapeError  if x does not have `inputs` columns; TypeError if x is not a Matrix
   */
  forward(x: Matrix): Matrix {
    requireArguments('Linear.forward', arguments.length, 1);
    requireColumns('Linear', 'x', x, 'inputs', this.W.rows);
    return affine(x, this.W, this.b);
  }
}

/** x·W, plus the bias if there is one. */
export function affine(x: Matrix, weight: Matrix, bias?: Matrix): Matrix {
  const product = x.matmul(weight);
  return bias === undefined ? product : product.add(bias);
}

/** A bias (1 × cols) that starts at 0, if the layer has one. */
export function zeroBias(name: string, isPresent: boolean, cols: number): Parameter | undefined {
  return isPresent ? constantParameter(name, 1, cols, 0) : undefined;
}
