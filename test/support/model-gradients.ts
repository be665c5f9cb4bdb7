import { type Matrix, type Parameter, setKernels, valueAndGrad } from 'qkv';
import { afterEach, beforeEach, expect } from 'vitest';
import { isClose } from './compare.js';

/** Float64 kernels for the tests of a block, those from before afterwards. */
export function onFloat64(): void {
  beforeEach(() => setKernels('float64'));
  afterEach(() => setKernels('auto'));
}

/**
 * Every parameter and input by itself against central differences of the loss along a direction, on float64 kernels.
 *
 * Values are stored as float32, so each moves by what is really stored, about STEP up and down, and the middle of both is
 * off by up to 6e-8: errors of the quotient are STEP²·f‴/6 ≈ 1e-8 and 6e-8·f″, where derivatives are of the size of 1.
 */
const STEP = 2 ** -12;
const TOLERANCE = 2e-6;

export function expectGradients(loss: () => Matrix, of: ReadonlyMap<string, Matrix | Parameter>): void {
  const { gradients } = valueAndGrad(loss);
  for (const [name, x] of of) {
    const gradient = gradients.get(x);
    if (gradient === undefined) throw new Error(`${name} has no gradient`);
    const dX = new Float64Array(x.data.length);
    if ('values' in gradient) {
      gradient.rows.forEach((row, i) => dX.set(gradient.values.row(i), row * x.cols));
    } else {
      dX.set(gradient.data);
    }
    const { measured, moved } = difference(loss, x);
    const expected = moved.reduce((sum, step, i) => sum + (dX[i] * step) / STEP, 0);
    const label = `${name}: measured ${measured}, gradient ${expected}`;
    expect(isClose(expected, measured, TOLERANCE), label).toBe(true);
    expect(Math.abs(measured), `${name} moves the loss`).toBeGreaterThan(100 * TOLERANCE);
  }
}

/** The change of the loss over STEP where every entry moves its own way, and how far each moved. */
function difference(loss: () => Matrix, x: Matrix): { measured: number; moved: Float64Array } {
  const before = Float32Array.from(x.data);
  const at = (sign: number) => {
    x.data.forEach((_, i) => {
      x.data[i] = before[i] + (sign * STEP * ((i * 7) % 5 === 0 ? -1 : 0.5 + ((i * 3) % 4) / 4)) / 2;
    });
    return { value: loss().data[0], stored: Float64Array.from(x.data) };
  };
  const [up, down] = [at(1), at(-1)];
  x.data.set(before);
  return { measured: (up.value - down.value) / STEP, moved: up.stored.map((value, i) => value - down.stored[i]) };
}
