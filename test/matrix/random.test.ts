import { describe, expect, it } from 'vitest';
import { setSeed } from '../../src/kernels/state.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { normalDraws, uniformDraws } from '../../src/matrix/random.js';

describe('random matrices', () => {
  it('are the same for the same seed, others for others', () => {
    const draw = (seed?: number) => [...Matrix.randomNormal(3, 4, { seed }).data];
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    setSeed(8);
    const [first, second] = [draw(), draw()];
    expect(first).not.toEqual(second);
    setSeed(8);
    expect(draw()).toEqual(first);
  });

  it('have the moments and the range asked for', () => {
    const n = 40_000;
    const normal = Matrix.randomNormal(200, 200, { seed: 1, mean: 3, std: 0.5 });
    // Five standard errors: σ/√n of the mean.
    expect(Math.abs(normal.mean().get(0, 0) - 3)).toBeLessThan((5 * 0.5) / Math.sqrt(n));
    const uniform = Matrix.randomUniform(200, 200, { seed: 1, low: -2, high: 6 });
    expect(Math.abs(uniform.mean().get(0, 0) - 2)).toBeLessThan((5 * 8) / Math.sqrt(12 * n));
    expect(uniform.data.every((x) => x >= -2 && x < 6)).toBe(true);
    expect([...Matrix.randomNormal(1, 3, { std: 0, mean: 2 }).data]).toEqual([2, 2, 2]);
  });

  it('come from draws of one number a call', () => {
    const [normal, uniform] = [normalDraws('f', { seed: 1 }), uniformDraws('f', { seed: 1 })];
    expect(normal()).not.toBe(normal());
    expect(uniform()).not.toBe(uniform());
  });
});
