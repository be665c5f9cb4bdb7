import { expect, test } from 'vitest';
import { cosineSchedule, ShapeError } from '../../src/index.js';
import { expectClose } from '../support/compare.js';
import { fc } from '../support/property.js';

test('by hand: a quarter of the cosine and its middle', () => {
  const rate = cosineSchedule({ learningRate: 1, warmupSteps: 4, totalSteps: 12, minimum: 0.2 });
  expectClose([0, 1, 2, 3, 4].map(rate), [0, 0.25, 0.5, 0.75, 1], 0);
  expectClose(
    [6, 8, 10].map(rate),
    [0.2 + 0.8 * ((1 + Math.SQRT1_2) / 2), 0.6, 0.2 + 0.8 * ((1 - Math.SQRT1_2) / 2)],
    1e-15,
  );
});

test('exact at its ends, never above learningRate or below the minimum, without jumps', () => {
  const options = fc
    .record({
      learningRate: fc.double({ min: 1e-6, max: 10, noNaN: true }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    .chain(({ learningRate, share }) =>
      fc.integer({ min: 1, max: 500 }).chain((totalSteps) =>
        fc.record({
          learningRate: fc.constant(learningRate),
          minimum: fc.constant(learningRate * share),
          totalSteps: fc.constant(totalSteps),
          warmupSteps: fc.integer({ min: 0, max: totalSteps - 1 }),
        }),
      ),
    );
  fc.assert(
    fc.property(options, (all) => {
      const { learningRate, warmupSteps, totalSteps, minimum } = all;
      const rate = cosineSchedule(all);
      expect(rate(warmupSteps)).toBe(learningRate);
      expect(rate(totalSteps)).toBe(minimum);
      expect(rate(totalSteps + 7)).toBe(minimum);
      if (warmupSteps > 0) expect(rate(0)).toBe(0);
      const rounding = 2e-15 * learningRate; // of two rates: a cosine, two products and a sum each
      for (let step = 1; step <= totalSteps; step++) {
        const change = rate(step) - rate(step - 1);
        if (step <= warmupSteps) expectClose([change], [learningRate / warmupSteps], 1e-14);
        else {
          // The cosine falls, at most by its steepest slope, π/2 of its height.
          expect(change).toBeLessThanOrEqual(rounding);
          const steepest = (Math.PI / 2) * ((learningRate - minimum) / (totalSteps - warmupSteps));
          expect(-change).toBeLessThanOrEqual(steepest + rounding);
          expect(rate(step)).toBeGreaterThanOrEqual(minimum - rounding);
        }
      }
    }),
  );
});

test('a step that is none is refused', () => {
  const rate = cosineSchedule({ learningRate: 1, warmupSteps: 0, totalSteps: 1 });
  for (const step of [-1, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => rate(step)).toThrow(ShapeError);
  expect(() => rate('1' as never)).toThrow(TypeError);
});
