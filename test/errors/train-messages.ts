import { Adam, AdamW, clipGradNorm, cosineSchedule, gradCheck, Matrix, SGD, ShapeError } from '../../src/index.js';
import { gradientsLike } from '../train/support.js';
import { anything, type BadCall } from './bad-call.js';

const p = new Matrix(2, 2);
const gradients = gradientsLike([p, p]);
const schedule = { learningRate: 1, warmupSteps: 2, totalSteps: 8 };
const sgd = new SGD([p], { learningRate: 0.1 });
const adam = new Adam([p], { learningRate: 0.1 });
const adamW = new AdamW([p], { learningRate: 0.1 });
const LOAD_NAMES = 'the state must have exactly the names of stateDict()';

export const trainMessages: readonly BadCall[] = [
  // Optimisers.
  [
    'new SGD',
    () => new SGD([], { learningRate: 0.1 }),
    ShapeError,
    'SGD: parameters must hold at least one matrix: got an empty list',
  ],
  [
    'new SGD',
    () => new SGD([p, new Matrix(1, 1), p], { learningRate: 0.1 }),
    ShapeError,
    'SGD: parameters must be distinct matrices: parameters[2] is parameters[0] (module.parameters() names each once)',
  ],
  [
    'new SGD',
    () => new SGD(anything(new Map([['W', p]])), { learningRate: 0.1 }),
    TypeError,
    'SGD: parameters must be an array: got a Map',
  ],
  ['new SGD', () => new SGD([p], anything(undefined)), TypeError, 'SGD: options must be an object: got undefined'],
  ['new SGD', () => new SGD([p], anything({})), TypeError, 'SGD: learningRate must be a number: got undefined'],
  [
    'new SGD',
    () => new SGD([p], anything({ lr: 0.1 })),
    TypeError,
    'SGD: every option must be known: got "lr" (known: learningRate, momentum, nesterov, weightDecay, rowUpdates)',
  ],
  [
    'new SGD',
    () => new SGD([p], { learningRate: -1 }),
    ShapeError,
    'SGD: learningRate must be a finite number of at least 0: got -1',
  ],
  [
    'new SGD',
    () => new SGD([p], { learningRate: 0.1, nesterov: true }),
    ShapeError,
    'SGD: momentum must be above 0 with nesterov: got momentum 0',
  ],
  [
    'new SGD',
    () => new SGD([p], { learningRate: 0.1, rowUpdates: anything('sparse') }),
    ShapeError,
    `SGD: rowUpdates must be 'lazy' or 'dense': got "sparse"`,
  ],
  [
    'SGD.step',
    () => sgd.step(anything(new Map([[p, p]]))),
    TypeError,
    'SGD.step: gradients must be Gradients: got a Map (valueAndGrad gives them)',
  ],
  [
    'SGD.loadStateDict',
    () => sgd.loadStateDict(anything({})),
    TypeError,
    'SGD.loadStateDict: the state must be a Map of tensors: got an object',
  ],
  [
    'SGD.loadStateDict',
    () => sgd.loadStateDict(adam.stateDict()),
    ShapeError,
    `SGD.loadStateDict: ${LOAD_NAMES}: missing none; unknown 0.firstMoment, 0.secondMoment`,
  ],
  [
    'SGD.loadStateDict',
    () => sgd.loadStateDict(sgd.stateDict().set('0.step', { dtype: 'I32', shape: [], data: Int32Array.of(-2) })),
    ShapeError,
    'SGD.loadStateDict: 0.step must be an integer of at least 0: got -2',
  ],
  [
    'new Adam',
    () => new Adam([p], { learningRate: 0.1, betas: [0.9, 1] }),
    ShapeError,
    'Adam: betas[1] must be at least 0 and below 1: got 1',
  ],
  [
    'new Adam',
    () => new Adam([p], { learningRate: 0.1, betas: anything([0.9]) }),
    ShapeError,
    'Adam: betas must be two numbers: got [0.9]',
  ],
  [
    'new Adam',
    () => new Adam([p], { learningRate: 0.1, betas: anything(0.9) }),
    TypeError,
    'Adam: betas must be an array or a typed array: got 0.9',
  ],
  ['Adam.step', () => adam.step(anything(p)), TypeError, stepMessage('Adam', 'an object')],
  [
    'Adam.loadStateDict',
    () => adam.loadStateDict(new Adam([new Matrix(1, 4)], { learningRate: 0.1 }).stateDict()),
    ShapeError,
    'Adam.loadStateDict: 0.firstMoment must have shape [2, 2]: got [1, 4]',
  ],
  [
    'Adam.loadStateDict',
    () =>
      adam.loadStateDict(adam.stateDict().set('learningRate', { dtype: 'F32', shape: [], data: Float32Array.of(1) })),
    TypeError,
    `Adam.loadStateDict: learningRate must be { dtype: 'F64', shape, data: Float64Array }: got dtype "F32", shape [], data [1]`,
  ],
  [
    'new AdamW',
    () => new AdamW([p], { learningRate: 0.1, weightDecay: Number.POSITIVE_INFINITY }),
    ShapeError,
    'AdamW: weightDecay must be a finite number of at least 0: got Infinity',
  ],
  [
    'new AdamW',
    () => new AdamW([p], anything({ learningRate: 0.1, eps: 1e-8 })),
    TypeError,
    'AdamW: every option must be known: got "eps" (did you mean epsilon?)',
  ],
  ['AdamW.step', () => adamW.step(anything(undefined)), TypeError, stepMessage('AdamW', 'undefined')],
  [
    'AdamW.loadStateDict',
    () => adamW.loadStateDict(new Map()),
    ShapeError,
    `AdamW.loadStateDict: ${LOAD_NAMES}: missing learningRate, 0.step, 0.firstMoment, 0.secondMoment; unknown none`,
  ],
  [
    'AdamW.loadStateDict',
    () => adamW.loadStateDict(anything(null)),
    TypeError,
    'AdamW.loadStateDict: the state must be a Map of tensors: got null',
  ],

  // Clipping and schedules.
  [
    'clipGradNorm',
    () => clipGradNorm(gradients, -1),
    ShapeError,
    'clipGradNorm: max must be a number of at least 0: got -1',
  ],
  [
    'clipGradNorm',
    () => clipGradNorm(gradients, anything('1')),
    TypeError,
    'clipGradNorm: max must be a number: got "1"',
  ],
  [
    'clipGradNorm',
    () => clipGradNorm(anything([p]), 1),
    TypeError,
    'clipGradNorm: gradients must be Gradients: got [an object] (valueAndGrad gives them)',
  ],
  [
    'cosineSchedule',
    () => cosineSchedule({ ...schedule, warmupSteps: 8 }),
    ShapeError,
    'cosineSchedule: warmupSteps must be an integer from 0 to 7: got 8',
  ],
  [
    'cosineSchedule',
    () => cosineSchedule({ ...schedule, minimum: 2 }),
    ShapeError,
    'cosineSchedule: minimum must be a finite number from 0 to 1: got 2',
  ],
  [
    'cosineSchedule',
    () => cosineSchedule(anything({ learningRate: 1, totalSteps: 8 })),
    TypeError,
    'cosineSchedule: warmupSteps must be a number: got undefined',
  ],
  [
    'cosineSchedule',
    () => cosineSchedule(schedule)(-1),
    ShapeError,
    'cosineSchedule: step must be a finite number of at least 0: got -1',
  ],

  // The check of gradients.
  [
    'gradCheck',
    () => gradCheck((x) => x.softmax(), [p]),
    ShapeError,
    'gradCheck: the loss must be 1×1: f gave 2×2 (end with sum(), mean() or a loss)',
  ],
  [
    'gradCheck',
    () => gradCheck(() => p.sum(), []),
    ShapeError,
    'gradCheck: inputs must hold at least one matrix: got an empty list',
  ],
  [
    'gradCheck',
    () => gradCheck(counter(), [p]),
    ShapeError,
    'gradCheck: f must give the same loss for the same inputs: got 1, then 2 (seed its dropout, or call eval())',
  ],
  [
    'gradCheck',
    () => gradCheck((x) => x.sum(), [p], { tolerance: 0 }),
    ShapeError,
    'gradCheck: tolerance must be a finite number above 0: got 0',
  ],
  ['gradCheck', () => gradCheck(anything(p), [p]), TypeError, 'gradCheck: f must be a function: got an object'],
  [
    'gradCheck',
    () =>
      gradCheck(
        anything(() => 1),
        [p],
      ),
    TypeError,
    'gradCheck: the result of f must be a Matrix: got 1',
  ],
];

function stepMessage(name: string, given: string): string {
  return `${name}.step: gradients must be Gradients: got ${given} (valueAndGrad gives them)`;
}

/** A loss that is another one each time. */
function counter(): () => Matrix {
  let calls = 0;
  return () => Matrix.from([[++calls]]);
}
