import { customGradient, Matrix } from 'qkv';
import { describe, expect, it } from 'vitest';
import { type Differentiable, differences, expectGradients, gridded, tapeGradients } from './differences.js';
import { forEachTwin, TWINS } from './twins.js';

// The check of all gradients, seen to fail.

const [, float64] = TWINS;

/** A result whose backward gives `wrong` of the right gradient. */
function withBackward(wrong: (dX: Matrix, dOut: Matrix) => Matrix | undefined): Differentiable {
  const cube = customGradient(
    (x: Matrix) => x.multiply(x).multiply(x),
    (dOut, [x]) => [wrong(dOut.multiply(x).multiply(x).scale(3), dOut)],
  );
  return { inputs: () => [gridded(3, 2, 1)], f: cube };
}

const right = withBackward((dX) => dX);

forEachTwin((twin) => {
  describe('differences', () => {
    it('agree with a gradient that is right', () => {
      expectGradients(right, differences(right), twin);
    });

    it.each<[string, (dX: Matrix, dOut: Matrix) => Matrix | undefined]>([
      ['its sign', (dX) => dX.scale(-1)],
      ['a factor of 1.0001', (dX) => dX.scale(1.0001)],
      ['the upstream gradient', (dX, dOut) => dX.divide(dOut)],
      ['two entries exchanged', (dX) => Matrix.concatRows([dX.sliceRows(1, 2), dX.sliceRows(0, 1), dX.sliceRows(2)])],
      [
        'one entry of 6',
        (dX) =>
          dX.multiply(
            Matrix.from([
              [1, 1],
              [1, 0],
              [1, 1],
            ]),
          ),
      ],
      ['NaN', (dX) => dX.scale(Number.NaN)],
      ['nothing', () => undefined],
    ])('do not agree with one that has wrong: %s', (_, wrong) => {
      expect(() => expectGradients(withBackward(wrong), differences(right), twin)).toThrow();
    });
  });
});

describe('differences', () => {
  it('are those of the formula, to 1e-10', () => {
    const { inputs, f } = right;
    const [x] = inputs();
    const [{ data }] = differences({ inputs, f: (m) => [f(m), m.sum()].flat() });
    const [w, own] = [
      Matrix.randomUniform(3, 2, { seed: 1000, low: -1, high: 1 }),
      Matrix.randomUniform(1, 1, { seed: 1001, low: -1, high: 1 }),
    ];
    Array.from(x.data).forEach((value, i) => {
      expect(Math.abs(data[i] - (3 * value * value * w.data[i] + own.data[0]))).toBeLessThan(1e-10);
    });
  });

  it('fail where a result jumps to NaN, and pass over inputs that are not finite', () => {
    const x = () => [Matrix.from([[Number.NEGATIVE_INFINITY, 0.5]])];
    expect(differences({ inputs: x, f: (m) => m.exp() })[0].data[0]).toBe(0);
    const nothing = { inputs: x, f: (m: Matrix) => m.scale(Number.NaN) };
    expect(differences(nothing)[0].data).toEqual([0, 0]); // not finite: says nothing…
    expect(() => expectGradients(nothing, differences(nothing), float64)).toThrow(); // …but its gradient is NaN
  });

  it('leave inputs and kernels as they were', () => {
    const x = gridded(2, 2, 5);
    const before = [...x.data];
    differences({ inputs: () => [x], f: (m) => m.tanh() });
    expect([...x.data]).toEqual(before);
    expect(tapeGradients({ inputs: () => [x], f: (m) => m.scale(2) })[0].data).toBeInstanceOf(Float32Array);
  });

  it('start from a grid that float32 holds after every step', () => {
    for (const x of gridded(20, 20, 3, -4, 4).data) {
      for (const step of [2 ** -10, -(2 ** -10), 2 ** -9, -(2 ** -9)]) {
        expect(Math.fround(x + step)).toBe(x + step);
        expect(Math.sign(x + step)).toBe(Math.sign(x));
      }
    }
  });
});
