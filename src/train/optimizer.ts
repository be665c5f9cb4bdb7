// train: optimizers, schedules, clipping, the gradient check. Knows matrices and gradients; neither io nor inspect.

import { type Gradients, requireGradient, requireGradients } from '../autograd/gradients.js';
import { requireChoice, requireFinite, requireInteger, shapeError } from '../core/errors.js';
import { requireState, type StateEntry, type StoredTensor } from '../core/stored-tensor.js';
import type { Floats } from '../kernels/contract.js';
import type { Moved } from '../kernels/updates.js';
import { type Matrix, requireMatrices, requireMatrix } from '../matrix/matrix.js';
import { momentLike, movedBy, type RowUpdates } from '../ops/optimizer-updates.js';

export interface OptimizerOptions {
  /** At least 0. */
  learningRate: number;
  /**
   * What moves where only rows of a table have a gradient. 'lazy' (default): those rows, in value and moments; the others
   * stay as they are, to the bit. 'dense': every row, as in PyTorch: momentum and decay go on without a gradient.
   */
  rowUpdates?: RowUpdates;
}

/** What an optimizer keeps of one parameter. */
interface Kept {
  parameter: Matrix;
  moments: readonly Floats[];
  /** One number: the updates so far. */
  steps: Int32Array;
}

/** What one step moves of one parameter. */
export interface Move {
  moved: Moved;
  moments: readonly Floats[];
  /** Which update of this parameter it is, from 1. */
  t: number;
  learningRate: number;
}

/** What SGD, Adam and AdamW have in common: parameters, their moments, the state of both. */
export class Optimizer {
  readonly #where: string;
  readonly #kept: readonly Kept[];
  readonly #momentNames: readonly string[];
  readonly #rowUpdates: RowUpdates;
  readonly #move: (move: Move) => void;
  /** One number. */
  readonly #learningRate = new Float64Array(1);

  /** @internal */
  constructor(
    where: string,
    parameters: readonly Matrix[],
    options: OptimizerOptions,
    momentNames: readonly string[],
    move: (move: Move) => void,
  ) {
    this.#where = where;
    const { learningRate, rowUpdates = 'lazy' } = options;
    requireFinite(where, 'learningRate', learningRate, 0);
    requireChoice(where, 'rowUpdates', rowUpdates, ['lazy', 'dense']);
    requireMatrices(where, 'parameters', parameters);
    requireDistinct(where, parameters);
    this.#learningRate[0] = learningRate;
    this.#rowUpdates = rowUpdates;
    this.#momentNames = momentNames;
    this.#move = move;
    this.#kept = parameters.map((parameter) => {
      return { parameter, moments: momentNames.map(() => momentLike(parameter)), steps: new Int32Array(1) };
    });
  }

  /** What the next step uses: set it between steps to follow a schedule. @throws ShapeError  if it is negative or not finite */
  get learningRate(): number {
    return this.#learningRate[0];
  }

  set learningRate(value: number) {
    requireFinite(this.#where, 'learningRate', value, 0);
    this.#learningRate[0] = value;
  }

  /**
   * Moves every parameter that has a gradient, in place; the others, and what is kept of them, stay as they are. Gradients
   * that are not finite are applied all the same.
   *
   * @throws TypeError  if gradients are none, or a parameter was released: nothing has moved then
   * @example optimizer.step(valueAndGrad(() => crossEntropy(model.forward(ids), targets)).gradients);
   */
  step(gradients: Gradients): void {
    const where = `${this.#where}.step`;
    requireGradients(where, 'gradients', gradients, 'valueAndGrad gives them');
    const moves = this.#kept.map(({ parameter }, i) => {
      requireMatrix(where, `parameters[${i}]`, parameter);
      const gradient = gradients.get(parameter);
      if (gradient !== undefined) requireGradient(where, parameter, gradient);
      return gradient;
    });
    this.#kept.forEach(({ parameter, moments, steps }, i) => {
      const gradient = moves[i];
      if (gradient === undefined) return;
      steps[0]++;
      const moved = movedBy(gradient, parameter, this.#rowUpdates);
      this.#move({ moved, moments, t: steps[0], learningRate: this.learningRate });
    });
  }

  /**
   * A copy of what a step changes besides the parameters: `learningRate`, and for the parameter at place i of the list
   * `i.step` and its moments, `i.` and their name.
   *
   * @example const { data } = optimizer.stateDict().get('0.step'); // Int32Array of one number
   */
  stateDict(): Map<string, StoredTensor> {
    return new Map([...this.#state()].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]));
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
    const where = `${this.#where}.loadStateDict`;
    const own = this.#state();
    requireState(where, state, own);
    for (const [name, { data }] of state) {
      if (name === 'learningRate') requireFinite(where, name, data[0], 0);
      if (name.endsWith('.step')) requireInteger(where, name, data[0]);
    }
    for (const [name, { data }] of own) data.set(state.get(name)?.data as Float32Array);
  }

  /** The state itself, not a copy. */
  #state(): Map<string, StateEntry & { data: Floats | Int32Array }> {
    const state = new Map<string, StateEntry & { data: Floats | Int32Array }>([
      ['learningRate', { dtype: 'F64', shape: [], data: this.#learningRate }],
    ]);
    this.#kept.forEach(({ parameter: { rows, cols }, moments, steps }, i) => {
      state.set(`${i}.step`, { dtype: 'I32', shape: [], data: steps });
      moments.forEach((data, j) => {
        const dtype = data instanceof Float64Array ? 'F64' : 'F32';
        state.set(`${i}.${this.#momentNames[j]}`, { dtype, shape: [rows, cols], data });
      });
    });
    return state;
  }
}

/** A parameter that stands in the list twice would move twice a step. */
function requireDistinct(where: string, parameters: readonly Matrix[]): void {
  if (parameters.length === 0) {
    throw shapeError(where, 'parameters must hold at least one matrix', 'got an empty list');
  }
  const first = new Map<Matrix, number>();
  parameters.forEach((parameter, i) => {
    const before = first.get(parameter);
    first.set(parameter, i);
    if (before === undefined) return;
    const given = `parameters[${i}] is parameters[${before}]`;
    throw shapeError(where, 'parameters must be distinct matrices', given, 'module.parameters() names each once');
  });
}
