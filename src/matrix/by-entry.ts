import { describe, kindError, shapeError, shapeText } from '../core/errors.js';
import { requireFunction } from '../core/functions.js';
import type { Floats } from '../kernels/contract.js';
import { table } from '../kernels/state.js';
import type { Shaped } from './algebra.js';
import { isRecording } from './tape.js';

// What a program does with entries one by one: JavaScript of its own, and choices.

/** f of every entry, its row and its column. */
export function mapped(
  where: string,
  { rows, cols, data }: Shaped,
  f: (value: number, row: number, column: number) => number,
): Floats {
  requireFunction(where, 'f', f);
  if (isRecording()) {
    const hint = 'customGradient(forward, backward) can be, and noGrad(() => x.map(f)) is a constant';
    throw kindError(where, 'operations that are recorded must be differentiable', 'f is any function', hint);
  }
  const out = table(rows * cols);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++, i++) {
      const value: unknown = f(data[i], r, c);
      if (typeof value !== 'number') throw kindError(where, 'f must give numbers', `it gave ${describe(value)}`);
      out[i] = value;
    }
  }
  return out;
}

/** A matrix of the shape of the condition, or a number that stands for one. */
export function choiceOf(where: string, name: string, x: Shaped | number, { rows, cols }: Shaped): Shaped {
  if (typeof x === 'number') return { rows, cols, data: table(rows * cols).fill(x) };
  if (x.rows === rows && x.cols === cols) return x;
  const rule = `${name} must be a number or have the shape of condition`;
  throw shapeError(where, rule, `condition is ${shapeText({ rows, cols })}, ${name} is ${shapeText(x)}`);
}
