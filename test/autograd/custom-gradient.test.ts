import { describe, expect, it } from 'vitest';
import { customGradient } from '../../src/autograd/custom-gradient.js';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { isRecording } from '../../src/matrix/tape.js';
import { expectClose } from '../support/compare.js';
import { gradientOf } from '../support/gradient-of.js';
import { forEachTwin } from '../support/twins.js';

const x = Matrix.from([
  [1, 2, 3],
  [4, 5, 6],
]);
const one = Matrix.from([[2]]);

forEachTwin(({ tolerance }) => {
  describe('customGradient', () => {
    const reversed = customGradient(
      (a: Matrix, b: Matrix) => a.multiply(b),
      (dOut, [a, b], out) => [dOut.scale(-1), out.subtract(a).add(b)],
    );

    it('computes by forward and differentiates by backward, with the inputs and the result', () => {
      const y = x.scale(2);
      expect(reversed(x, y).toArray()).toEqual(x.multiply(y).toArray());
      const { value, gradients } = valueAndGrad(() => reversed(x, y).scale(3).sum());
      expect(value).toBe(546);
      expect([...(gradients.get(x) as Matrix).data]).toEqual(new Array(6).fill(-3));
      expectClose((gradients.get(y) as Matrix).data, x.multiply(y).subtract(x).add(y).data, tolerance);
    });

    it('gives each input its gradient, whatever backward does to the list of them', () => {
      const turned = customGradient(
        (a: Matrix, b: Matrix) => a.subtract(b),
        (dOut, inputs) => {
          (inputs as unknown as Matrix[]).reverse();
          return [dOut.scale(2), dOut.scale(3)];
        },
      );
      const y = x.scale(2);
      expect(gradientOf(() => turned(x, y).sum(), x)).toEqual(new Array(6).fill(2));
      expect(gradientOf(() => turned(x, y).sum(), y)).toEqual(new Array(6).fill(3));
    });

    it('records neither side, and only where it is recorded', () => {
      const states: boolean[] = [];
      const note = () => states.push(isRecording());
      const watched = customGradient(
        (a: Matrix) => {
          note();
          return a.exp();
        },
        (dOut) => {
          note();
          return [dOut];
        },
      );
      watched(x);
      expect(states).toEqual([false]);
      expect(gradientOf(() => watched(x).sum(), x)).toEqual(new Array(6).fill(1));
      expect(states).toEqual([false, false, false]);
    });

    it('may return its input, or one matrix always: the result is a matrix of its own', () => {
      const clipped = customGradient(
        (a: Matrix) => a,
        (dOut) => [dOut.scale(0.5)],
      );
      const out = clipped(x);
      expect(out).not.toBe(x);
      out.data.fill(0);
      expect(x.get(0, 0)).toBe(1);
      expect(gradientOf(() => clipped(clipped(x)).sum(), x)).toEqual(new Array(6).fill(0.25));
      const kept = x.scale(2);
      const same = customGradient(
        (_: Matrix) => kept,
        (dOut) => [dOut],
      );
      expect(gradientOf(() => same(x).add(same(x)).sum(), x)).toEqual(new Array(6).fill(2));
    });

    it('takes undefined as no gradient, and no input at all', () => {
      const y = x.clone();
      const half = customGradient(
        (a: Matrix, b: Matrix) => a.add(b),
        (dOut) => [dOut, undefined],
      );
      const { gradients } = valueAndGrad(() => half(x, y).sum());
      expect(gradients.get(y)).toBeUndefined();
      expect(gradients.get(x)).toBeInstanceOf(Matrix);
      const constant = customGradient(
        () => one,
        () => [],
      );
      expect(valueAndGrad(() => constant()).value).toBe(2);
    });

    it('keeps the matrices of its user apart from the gradients', () => {
      const mine = x.scale(1);
      let [given, seen] = [x, x];
      const odd = customGradient(
        (a: Matrix, b: Matrix) => a.add(b),
        (dOut, _, out) => {
          given = dOut;
          seen = out;
          dOut.data[0] += 0; // its own, to write to
          return [mine, mine];
        },
      );
      const y = x.clone();
      let kept = x;
      const of: Matrix[] = [];
      const { gradients } = valueAndGrad(
        () => {
          kept = odd(x, y);
          of.push(kept);
          return kept.sum();
        },
        { of },
      );
      expect(seen).toBe(kept);
      const arrays = [mine, given, x, y, kept].map((m) => m.data);
      for (const m of [x, y, kept]) arrays.push((gradients.get(m) as Matrix).data);
      expect(new Set(arrays.map(({ buffer }) => buffer)).size).toBe(8);
    });

    it('refuses gradients of another number or shape, when they come', () => {
      const giving = (gradients: unknown) =>
        customGradient(
          (a: Matrix) => a.scale(1),
          () => gradients as Matrix[],
        );
      const run = (gradients: unknown) => () => valueAndGrad(() => giving(gradients)(x).sum());
      expect(run([])).toThrow('backward must give a list of 1 gradients, one for each input: got 0');
      expect(run(x)).toThrow('backward must give a list of 1 gradients, one for each input: got a 2×3 Matrix');
      expect(run([x.transpose()])).toThrow('customGradient: gradient 0 must be 2×3, as its input: got 3×2');
      expect(run([null])).toThrow('customGradient: gradient 0 must be a Matrix: got null');
      expect(run(Promise.resolve([x]))).toThrow('customGradient: backward must not be asynchronous: it gave a Promise');
      expect(isRecording()).toBe(false);
    });
  });
});
