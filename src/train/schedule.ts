import { requireArguments } from '../core/arguments.js';
import { requireFinite, requireInteger } from '../core/errors.js';
import { TRAINING_NAMES } from '../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../core/options.js';

export interface CosineScheduleOptions {
  /** The highest rate, reached after the warm-up. At least 0. */
  learningRate: number;
  /** Steps in which the rate grows from 0 to learningRate, fewer than totalSteps; 0 = no warm-up. */
  warmupSteps: number;
  /** The step from which on the rate is the minimum. */
  totalSteps: number;
  /** The lowest rate after the warm-up, at most learningRate. Default 0. */
  minimum?: number;
}

const COSINE_OPTIONS: readonly (keyof CosineScheduleOptions)[] = [
  'learningRate',
  'warmupSteps',
  'totalSteps',
  'minimum',
];

const GUIDE: OptionsGuide = {
  isRequired: true,
  form: 'cosineSchedule({ learningRate: 1e-3, warmupSteps: 100, totalSteps: 1000 })',
  elsewhere: [TRAINING_NAMES],
};

/**
 * Linear warm-up, then half a cosine: rate 0 at step 0 (with a warm-up), learningRate at step warmupSteps, minimum from
 * step totalSteps on, each exactly.
 *
 * @returns  the learning rate of a step, which must be a finite number of at least 0 (else it throws a ShapeError)
 * @throws ShapeError  if an option is out of range; TypeError for wrong kinds
 * @see Loshchilov and Hutter 2017, eq. 5, https://arxiv.org/abs/1608.03983
 * @example
 * const rate = cosineSchedule({ learningRate: 3e-4, warmupSteps: 100, totalSteps: 1000 });
 * for (let step = 1; step <= 1000; step++) {
 *   optimizer.learningRate = rate(step);
 *   optimizer.step(valueAndGrad(loss).gradients);
 * }
 */
export function cosineSchedule(options: CosineScheduleOptions): (step: number) => number {
  const where = 'cosineSchedule';
  requireOptions(where, options, COSINE_OPTIONS, GUIDE);
  requireArguments(where, arguments.length, 1);
  const { learningRate, warmupSteps, totalSteps, minimum = 0 } = options;
  requireFinite(where, 'learningRate', learningRate, 0);
  requireInteger(where, 'totalSteps', totalSteps, 1);
  requireInteger(where, 'warmupSteps', warmupSteps, 0, totalSteps - 1);
  requireFinite(where, 'minimum', minimum, 0, learningRate);
  return (step) => {
    requireFinite(where, 'step', step, 0);
    if (step < warmupSteps) return learningRate * (step / warmupSteps);
    const progress = Math.min(1, (step - warmupSteps) / (totalSteps - warmupSteps));
    const share = (1 + Math.cos(Math.PI * progress)) / 2;
    return share * learningRate + (1 - share) * minimum; // exact at share 1 and 0, unlike minimum + share·(…)
  };
}
