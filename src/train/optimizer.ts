// train: optimizers, schedules, clipping, the gradient check. Knows matrices and gradients; neither io nor inspect.

import { type Gradients, requireGradient, requireGradients } from '../autograd/gradients.js';
import { requireArguments } from '../core/arguments.js';
import { kindError, requireFinite, requireInteger } from '../core/errors.js';
import { TRAINING_NAMES } from '../core/names-elsewhere.js';
import { requireOptions } from '../core/options.js';
import { prepareClass } from '../core/prepared-class.js';
import { newState, requireState, type StateEntry, type StoredTensor } from '../core/stored-tensor.js';
import type { Floats } from '../kernels/contract.js';
import type { Moved } from '../kernels/updates.js';
import { type Matrix, requireMatrix } from '../matrix/matrix.js';
import { momentLike, movedBy, type RowUpdates } from '../ops/optimizer-updates.js';
import { groupsOf, type ParameterGroup } from './parameter-groups.js';

export interface OptimizerOptions {
  /** At least 0. Default 1e-3. */
  learningRate?: number;
}

/** What an optimizer adds to the base: its options, and how it moves with some of them. */
export interface Method<Options> {
  /** The names of all options. */
  readonly options: readonly (keyof Options & string)[];
  /** Checks the options of a group. */
  movesBy(where: string, options: Options): Moves;
  /** Throws where such an optimizer cannot move the parameter. */
  requireParameter?(where: string, name: string, parameter: Matrix): void;
}

/** How a group of parameters moves. */
export interface Moves {
  readonly momentNames: readonly string[];
  /** What a row-sparse gradient moves. Absent: such gradients are refused. */
  readonly rowUpdates?: RowUpdates;
  move(move: Move): void;
}

/** What one step moves of one parameter. */
export interface Move {
  moved: Moved;
  moments: readonly Floats[];
  /** Which update of this parameter it is, from 1. */
  t: number;
  learningRate: number;
}

/** Parameters of an optimizer that share their options. */
export interface OptimizerGroup {
  readonly parameters: readonly Matrix[];
  /** What the next step uses. @throws ShapeError  if it is negative or not finite */
  learningRate: number;
}

/** What an optimizer keeps of one parameter. */
interface Kept {
  name: string;
  parameter: Matrix;
  moments: readonly Floats[];
  /** One number: the updates so far. */
  steps: Int32Array;
  moves: Moves;
  rate: Rate;
}

/** One number. */
type Rate = Float64Array;

/** What SGD, Adam, AdamW and Muon have in common: parameters in groups, their moments, the state of both. */
export abstract class Optimizer {
  static get name(): string {
    return 'Optimizer';
  }

  readonly #where: string;
  readonly #groups: readonly OptimizerGroup[];
  readonly #kept: readonly Kept[];
  readonly #rate: Rate;
  /** Of the groups that have none of their own. */
  readonly #shared: readonly Rate[];
  /** Of all groups where there are several: a plain list has the rate of the optimizer. */
  readonly #ofGroups: readonly Rate[];

  /** @internal */
  constructor(
    where: string,
    parameters: readonly Matrix[] | readonly ParameterGroup<OptimizerOptions>[],
    options: OptimizerOptions,
    method: Method<never>,
  ) {
    prepareClass<Optimizer>(this, Optimizer.prototype, {
      elsewhere: [TRAINING_NAMES],
      picture: (o: Optimizer) => `${o.constructor.name}: learningRate ${o.learningRate}`,
      saving: 'writeSafetensors(optimizer.stateDict()) keeps them',
    });
    if (new.target === Optimizer) {
      throw kindError('Optimizer', 'a rule must be chosen', 'got the base of all', 'new AdamW(…), say');
    }
    const { movesBy, requireParameter, options: allowed } = method as Method<OptimizerOptions>;
    requireOptions(where, options, allowed, {
      form: `new ${where}(model.parameters(), { learningRate: 1e-3 })`,
      elsewhere: [TRAINING_NAMES],
    });
    this.#where = where;
    this.#rate = checkedRate(where, options);
    movesBy(where, options); // also where every group has its own
    const groups = groupsOf(where, parameters, options, allowed);
    const isPlain = groups[0].where === where;
    const made = groups.map((group) => {
      for (const { name, parameter } of group.parameters) requireParameter?.(where, name, parameter);
      const rate = isPlain ? this.#rate : checkedRate(group.where, group.options);
      return { ...group, rate, moves: movesBy(group.where, group.options) };
    });
    this.#shared = made.filter(({ sharesRate }) => sharesRate).map(({ rate }) => rate);
    this.#ofGroups = isPlain ? [] : made.map(({ rate }) => rate);
    this.#kept = made.flatMap(({ parameters, rate, moves }) =>
      parameters.map(({ name, parameter }) => {
        const moments = moves.momentNames.map(() => momentLike(parameter));
        return { name, parameter, moments, steps: new Int32Array(1), moves, rate };
      }),
    );
    this.#groups = Object.freeze(made.map((group) => optimizerGroup(group)));
  }

  /**
   * The groups in the order in which they were given, each with its rate; a plain list of parameters is one group.
   *
   * @example for (const [i, group] of optimizer.groups.entries()) group.learningRate = rates[i] * factor(step);
   */
  get groups(): readonly OptimizerGroup[] {
    return this.#groups;
  }

  /**
   * The rate of the options. Set it between steps to follow a schedule: groups without a rate of their own take it; those
   * that were given one keep it, until `groups[i].learningRate` is set.
   *
   * @throws ShapeError  if it is negative or not finite
   */
  get learningRate(): number {
    return this.#rate[0];
  }

  set learningRate(value: number) {
    requireFinite(this.#where, 'learningRate', value, 0);
    for (const rate of [this.#rate, ...this.#shared]) rate[0] = value;
  }

  /**
   * Moves every parameter that has a gradient, in place; the others, and what is kept of them, stay as they are. Gradients
   * that are not finite are applied all the same.
   *
   * @returns  the parameters that had no gradient, which mostly is a mistake: the loss did not use them
   * @throws TypeError  if gradients are none, or no parameter has one, or one was released: nothing has moved then
   * @example optimizer.step(valueAndGrad(() => crossEntropy(model.forward(ids), targets)).gradients);
   */
  step(gradients: Gradients): { withoutGradient: Matrix[] } {
    requireArguments('Optimizer.step', arguments.length, 1);
    const where = `${this.#where}.step`;
    requireGradients(where, 'gradients', gradients, 'valueAndGrad gives them');
    const found = this.#kept.map(({ name, parameter, moves }) => {
      requireMatrix(where, name, parameter);
      const gradient = gradients.get(parameter);
      if (gradient === undefined) return undefined;
      requireGradient(where, parameter, gradient);
      if (moves.rowUpdates === undefined && 'values' in gradient) {
        throw kindError(where, `${name} must have a gradient of all its rows`, 'got rows', 'give tables to AdamW');
      }
      return gradient;
    });
    const withoutGradient = this.#kept.filter((_, i) => found[i] === undefined).map(({ parameter }) => parameter);
    if (withoutGradient.length === found.length) {
      const hint = 'they are of a loss that used none of these parameters';
      throw kindError(where, 'a parameter must have a gradient', `none of ${found.length} has one`, hint);
    }
    this.#kept.forEach(({ parameter, moments, steps, moves, rate }, i) => {
      const gradient = found[i];
      if (gradient === undefined) return;
      steps[0]++;
      const moved = movedBy(gradient, parameter, moves.rowUpdates ?? 'dense');
      moves.move({ moved, moments, t: steps[0], learningRate: rate[0] });
    });
    return { withoutGradient };
  }

  /**
   * A copy of what a step changes besides the parameters: `learningRate`, with groups `groups.i.learningRate` of each, and for
   * the parameter at place i of the list, or of all groups in their order, `i.step` and its moments, `i.` and their name.
   *
   * @example const { data } = optimizer.stateDict().get('0.step'); // Int32Array of one number
   */
  stateDict(): Map<string, StoredTensor> {
    requireArguments('Optimizer.stateDict', arguments.length, 0);
    return newState([...this.#state()].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]));
  }

  /**
   * Goes on where the optimizer stood that gave the state, to the bit, if its options and its parameters are the same. A
   * state that does not fit changes nothing.
   *
   * @throws ShapeError  if a name is missing or unknown, a shape or length differs, or a count or rate is none; TypeError
   *   for wrong kinds
   * @example resumed.loadStateDict(optimizer.stateDict());
   */
  loadStateDict(state: ReadonlyMap<string, StoredTensor>): void {
    requireArguments('Optimizer.loadStateDict', arguments.length, 1);
    const where = `${this.#where}.loadStateDict`;
    const own = this.#state();
    requireState(where, state, own);
    for (const [name, { data }] of state) {
      if (name.endsWith('learningRate')) requireFinite(where, name, data[0], 0);
      if (name.endsWith('.step')) requireInteger(where, name, data[0]);
    }
    for (const [name, { data }] of own) data.set(state.get(name)?.data as Float32Array);
  }

  /** The state itself, not a copy. */
  #state(): Map<string, StateEntry & { data: Floats | Int32Array }> {
    const state = new Map<string, StateEntry & { data: Floats | Int32Array }>([
      ['learningRate', { dtype: 'F64', shape: [], data: this.#rate }],
    ]);
    this.#ofGroups.forEach((data, i) => {
      state.set(`groups.${i}.learningRate`, { dtype: 'F64', shape: [], data });
    });
    this.#kept.forEach(({ parameter: { rows, cols }, moments, steps, moves }, i) => {
      state.set(`${i}.step`, { dtype: 'I32', shape: [], data: steps });
      moments.forEach((data, j) => {
        const dtype = data instanceof Float64Array ? 'F64' : 'F32';
        state.set(`${i}.${moves.momentNames[j]}`, { dtype, shape: [rows, cols], data });
      });
    });
    return state;
  }
}

function checkedRate(where: string, { learningRate = 1e-3 }: OptimizerOptions): Rate {
  requireFinite(where, 'learningRate', learningRate, 0);
  return Float64Array.of(learningRate);
}

function optimizerGroup(group: { where: string; parameters: readonly Pick<Kept, 'parameter'>[]; rate: Rate }) {
  const { where, rate } = group;
  return Object.freeze({
    parameters: Object.freeze(group.parameters.map(({ parameter }) => parameter)),
    get learningRate(): number {
      return rate[0];
    },
    set learningRate(value: number) {
      requireFinite(where, 'learningRate', value, 0);
      rate[0] = value;
    },
  });
}
