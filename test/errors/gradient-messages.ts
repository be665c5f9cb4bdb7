import {
  crossEntropy,
  customGradient,
  dropout,
  logSoftmax,
  Matrix,
  meanSquaredError,
  noGrad,
  ShapeError,
  valueAndGrad,
} from '../../src/index.js';
import { anything, type BadCall } from './bad-call.js';

const x = new Matrix(2, 3);
const one = new Matrix(1, 1);
const { gradients } = valueAndGrad(() => x.sum());
const loss = () => x.sum();
/** Played back, the gradients of a customGradient. */
const played = (given: unknown) => () =>
  valueAndGrad(() =>
    customGradient(
      (..._: Matrix[]) => loss(),
      () => given as Matrix[],
    )(x, one),
  );

export const gradientMessages: readonly BadCall[] = [
  [
    'valueAndGrad',
    () => valueAndGrad(() => x),
    ShapeError,
    'valueAndGrad: the loss must be 1×1: f gave 2×3 (end with sum(), mean() or a loss)',
  ],
  ['valueAndGrad', () => valueAndGrad(anything(5)), TypeError, 'valueAndGrad: f must be a function: got 5'],
  [
    'valueAndGrad',
    () => valueAndGrad(() => valueAndGrad(loss) as never),
    TypeError,
    'valueAndGrad: f must not call valueAndGrad itself: another one is running',
  ],
  [
    'valueAndGrad',
    () => valueAndGrad(anything(async () => loss())),
    TypeError,
    'valueAndGrad: f must not be asynchronous: it gave a Promise (await before the call, or after it)',
  ],
  [
    'valueAndGrad',
    () => valueAndGrad(anything(() => 3)),
    TypeError,
    'valueAndGrad: the result of f must be a Matrix: got 3',
  ],
  ['noGrad', () => noGrad(anything(undefined)), TypeError, 'noGrad: f must be a function: got undefined'],
  [
    'noGrad',
    () => noGrad(async () => 1),
    TypeError,
    'noGrad: f must not be asynchronous: it gave a Promise (await before the call, or after it)',
  ],
  [
    'customGradient',
    () => customGradient(anything(1), () => []),
    TypeError,
    'customGradient: forward must be a function: got 1',
  ],
  [
    'customGradient',
    () => customGradient(loss, anything('x')),
    TypeError,
    'customGradient: backward must be a function: got "x"',
  ],
  [
    'customGradient',
    played([x]),
    ShapeError,
    'customGradient: backward must give a list of 2 gradients, one for each input: got 1',
  ],
  ['customGradient', played([x, x]), ShapeError, 'customGradient: gradient 1 must be 1×1, as its input: got 2×3'],
  ['customGradient', played([x, 7]), TypeError, 'customGradient: gradient 1 must be a Matrix: got 7'],
  ['Gradients.get', () => gradients.get(anything('W')), TypeError, 'Gradients.get: x must be a Matrix: got "W"'],
  [
    'Gradients.add',
    () => gradients.add(anything(x)),
    TypeError,
    'Gradients.add: other must be Gradients: got an object',
  ],
  ['Gradients.scale', () => gradients.scale(anything('2')), TypeError, 'Gradients.scale: s must be a number: got "2"'],
  ['logSoftmax', () => logSoftmax(anything([1])), TypeError, 'logSoftmax: x must be a Matrix: got [1]'],
  ['dropout', () => dropout(x, 2), ShapeError, 'dropout: rate must be a finite number from 0 to 1: got 2'],
  ['dropout', () => dropout(x, anything('half')), TypeError, 'dropout: rate must be a number: got "half"'],
  [
    'crossEntropy',
    () => crossEntropy(x, [0, 3]),
    ShapeError,
    'crossEntropy: targets must be integers from 0 to 2, or ignoreIndex -100: targets[1] is 3',
  ],
  [
    'crossEntropy',
    () => crossEntropy(x, [0]),
    ShapeError,
    'crossEntropy: targets must have one entry for each of the 2 rows: logits is 2×3, got 1',
  ],
  [
    'crossEntropy',
    () => crossEntropy(x, anything(['a', 1])),
    TypeError,
    'crossEntropy: targets[0] must be a number: got "a"',
  ],
  [
    'meanSquaredError',
    () => meanSquaredError(x, one),
    ShapeError,
    'meanSquaredError: a and b must have the same shape: a is 2×3, b is 1×1',
  ],
  [
    'meanSquaredError',
    () => meanSquaredError(x, anything(0)),
    TypeError,
    'meanSquaredError: b must be a Matrix: got 0',
  ],
];
