import { inFloat64 } from '../autograd/float64.js';
import type { SparseGradient } from '../autograd/gradients.js';
import { noGrad, valueAndGrad } from '../autograd/value-and-grad.js';
import { allOrNone } from '../core/all-or-none.js';
import { requireArguments } from '../core/arguments.js';
import { requireInteger, requireNumber, shapeError, shapeText } from '../core/errors.js';
import { requireFunction } from '../core/functions.js';
import { requireOptions } from '../core/options.js';
import { Random, requireSeed } from '../core/random.js';
import { type Matrix, requireMatrices, requireMatrix } from '../matrix/matrix.js';
import { isParameter } from '../matrix/parameter.js';

export interface GradCheckOptions {
  /** Largest error that passes, above 0. Default 1e-6. */
  tolerance?: number;
  /** How far an entry x is moved to either side: step·max(1, |x|). Above 0, default 2^-16. */
  step?: number;
  /** Check at most this many entries per input, drawn with the seed. Default: all. */
  maxEntries?: number;
  /** Of the entries to check. Default 0. */
  seed?: number;
}

/** One entry of an input with both of its derivatives. */
export interface GradCheckEntry {
  row: number;
  col: number;
  /** From the backward pass. */
  analytic: number;
  /** From differences of the loss. */
  numeric: number;
  /** Computed by the formula of the report. */
  error: number;
}

/** The result for one input. */
export interface GradCheckInput {
  /** The name of a Parameter that has one, else `inputs[i]`. */
  name: string;
  ok: boolean;
  /** How many entries were compared. */
  checked: number;
  /** The entry with the largest error; absent if nothing was compared. */
  worst?: GradCheckEntry;
}

export interface GradCheckReport {
  /** No entry has an error above the tolerance, or NaN. */
  ok: boolean;
  tolerance: number;
  /** How an error is measured. */
  formula: string;
  /** In the order of the inputs. */
  inputs: GradCheckInput[];
}

const GRAD_CHECK_OPTIONS: readonly (keyof GradCheckOptions)[] = ['tolerance', 'step', 'maxEntries', 'seed'];

/**
 * The error is relative, except for entries below a thousandth of the largest of their input, and for those that drown in
 * the rounding of the loss: some tens of roundings of 2^-53·|loss| each, divided by a step of 2^-16, make 2e-10·|loss|.
 */
const FORMULA =
  '|analytic − numeric| / (max(|analytic|, |numeric|) + 1e-3·(largest |numeric| of the input) + 1e-4·|loss| / max(1, |x|))';

/**
 * Compares the gradients of f with central differences of its loss, entry by entry; calls f twice per entry.
 *
 * It computes in float64. Inputs stay in their float32 storage: an entry is moved to a float32 number on either side, and
 * the difference of the losses is divided by the difference of those numbers. A NaN or an infinity in a loss or gradient
 * fails the check; so does a kink, such as relu at 0.
 *
 * @param f  computes a loss, 1×1, from the inputs, which are its arguments; the same loss each time, so seed its dropout
 * @param inputs  matrices of any shape; they change while it runs and have their own values again afterwards
 * @throws ShapeError  if there is no input, f returns a loss that is not 1×1 or two values for the same inputs, or an option
 *   is out of range; TypeError for wrong kinds
 * @example
 * gradCheck((x) => layer.forward(x).multiply(upstream).sum(), [x]).ok;
 * gradCheck(() => crossEntropy(model.forward(ids), targets), model.parameters(), { maxEntries: 20 }).inputs;
 */
export function gradCheck(
  f: (...inputs: Matrix[]) => Matrix,
  inputs: readonly Matrix[],
  options: GradCheckOptions = {},
): GradCheckReport {
  const where = 'gradCheck';
  requireArguments(where, arguments.length, 3);
  requireFunction(where, 'f', f);
  requireMatrices(where, 'inputs', inputs);
  if (inputs.length === 0) throw shapeError(where, 'inputs must hold at least one matrix', 'got an empty list');
  requireOptions(where, options, GRAD_CHECK_OPTIONS);
  const { tolerance = 1e-6, step = 2 ** -16, maxEntries = Number.MAX_SAFE_INTEGER, seed = 0 } = options;
  requirePositive(where, 'tolerance', tolerance);
  requirePositive(where, 'step', step);
  requireInteger(where, 'maxEntries', maxEntries, 1);
  requireSeed(where, seed);
  const random = new Random(seed);
  const check = () => {
    const loss = () => lossOf(where, f(...inputs));
    const { value, gradients } = valueAndGrad(loss);
    const lossNow = () => noGrad(loss).data[0];
    requireSame(where, value, lossNow());
    const reports = inputs.map((x, i) => {
      const entries = sample(x.data.length, maxEntries, random);
      const numeric = entries.map((entry) => difference(lossNow, x.data, entry, step));
      const analytic = entries.map((entry) => entryOf(gradients.get(x), x, entry));
      const worst = worstOf(x, entries, analytic, numeric, value);
      const ok = worst === undefined || worst.error <= tolerance; // false for NaN
      return { name: nameOf(x, i), ok, checked: entries.length, worst };
    });
    return { ok: reports.every(({ ok }) => ok), tolerance, formula: FORMULA, inputs: reports };
  };
  return allOrNone(() => inFloat64(check));
}

function requirePositive(where: string, name: string, value: unknown): void {
  requireNumber(where, name, value);
  if (value > 0 && value < Number.POSITIVE_INFINITY) return;
  throw shapeError(where, `${name} must be a finite number above 0`, `got ${value}`);
}

function lossOf(where: string, loss: unknown): Matrix {
  requireMatrix(where, 'the result of f', loss);
  if (loss.rows === 1 && loss.cols === 1) return loss;
  throw shapeError(where, 'the loss must be 1×1', `f gave ${shapeText(loss)}`, 'end with sum(), mean() or a loss');
}

/** With a random loss, such as one with unseeded dropout, central differences mean nothing. */
function requireSame(where: string, first: number, second: number): void {
  if (Object.is(first, second)) return;
  const rule = 'f must give the same loss for the same inputs';
  throw shapeError(where, rule, `got ${first}, then ${second}`, 'seed its dropout, or call eval()');
}

/** The indices of all entries, or of maxEntries of them, ascending; every choice is equally likely. Knuth, algorithm S. */
function sample(count: number, maxEntries: number, random: Random): number[] {
  const entries: number[] = [];
  for (let i = 0; i < count; i++) {
    const remaining = Math.min(maxEntries, count) - entries.length;
    if (remaining === count - i || random.uniform() * (count - i) < remaining) entries.push(i);
  }
  return entries;
}

/** ∂loss/∂data[i] by a central difference of the loss. */
function difference(lossNow: () => number, data: Float32Array, i: number, step: number): number {
  const x = data[i];
  try {
    data[i] = x + step * Math.max(1, Math.abs(x));
    const high = data[i];
    const above = lossNow();
    data[i] = 2 * x - high; // equally far from x, so that the second derivative cancels
    const low = data[i];
    return (above - lossNow()) / (high - low);
  } finally {
    data[i] = x;
  }
}

/** An entry of a gradient; 0 in rows that were not read, and if f did not use the input. */
function entryOf(gradient: Matrix | SparseGradient | undefined, { cols }: Matrix, entry: number): number {
  if (gradient === undefined) return 0;
  if (!('values' in gradient)) return gradient.data[entry];
  const row = gradient.rows.indexOf(Math.floor(entry / cols));
  return row === -1 ? 0 : gradient.values.data[row * cols + (entry % cols)];
}

function worstOf(
  { cols, data }: Matrix,
  entries: readonly number[],
  analytic: readonly number[],
  numeric: readonly number[],
  loss: number,
): GradCheckEntry | undefined {
  const largest = numeric.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  let worst: GradCheckEntry | undefined;
  entries.forEach((entry, i) => {
    const [a, n] = [analytic[i], numeric[i]];
    const floor = 1e-3 * largest + (1e-4 * Math.abs(loss)) / Math.max(1, Math.abs(data[entry]));
    const error = errorOf(a, n, floor);
    if (worst !== undefined && (error <= worst.error || Number.isNaN(worst.error))) return;
    worst = { row: Math.floor(entry / cols), col: entry % cols, analytic: a, numeric: n, error };
  });
  return worst;
}

function errorOf(analytic: number, numeric: number, floor: number): number {
  if (![analytic, numeric, floor].every(Number.isFinite)) return Number.NaN;
  if (analytic === numeric) return 0;
  return Math.abs(analytic - numeric) / (Math.max(Math.abs(analytic), Math.abs(numeric)) + floor);
}

function nameOf(x: Matrix, i: number): string {
  return (isParameter(x) && x.name) || `inputs[${i}]`;
}
