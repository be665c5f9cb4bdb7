import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { constantParameter, normalParameter, requireInit, uniformParameter } from '../../src/nn/initialization.js';
import { layerRandom, undrawn } from '../../src/ops/seeds.js';

describe('initial parameters', () => {
  it('are Xavier uniform unless a bound is given', () => {
    const bound = Math.sqrt(6 / 100);
    const { data, name } = uniformParameter('W', new Random(1), 40, 60);
    expect(name).toBe('W');
    expect(Math.max(...data)).toBeLessThan(bound);
    expect(Math.max(...data)).toBeGreaterThan(0.99 * bound); // 2400 draws: missing the top percent has odds of 1e-5
    expect(Math.min(...data)).toBeLessThan(-0.99 * bound);
    expect(Math.max(...uniformParameter('W', new Random(1), 40, 60, 0.01).data)).toBeLessThanOrEqual(0.01);
  });

  it('are normal with the deviation asked for, or constant', () => {
    const { data } = normalParameter('t', new Random(2), 100, 100, 3);
    const variance = data.reduce((sum, x) => sum + x * x, 0) / data.length;
    expect(Math.abs(variance - 9)).toBeLessThan((5 * 9 * Math.SQRT2) / 100); // five standard errors
    expect([...constantParameter('g', 1, 2, 4).data]).toEqual([4, 4]);
  });

  it('are zeros where the layer of their generator will be loaded, and no draw is counted', () => {
    const random = layerRandom('f', undrawn({ seed: 1 }).seed);
    const drawn = [uniformParameter('W', random, 2, 2), normalParameter('t', random, 1, 2, 1)];
    expect(drawn.map(({ data }) => [...data])).toEqual([
      [0, 0, 0, 0],
      [0, 0],
    ]);
    expect(random.position).toBe(0);
    expect(uniformParameter('W', layerRandom('f', 1), 1, 2).data).not.toContain(0);
  });

  it('know two ways', () => {
    expect(() => requireInit('f', 'torch')).not.toThrow();
    expect(() => requireInit('f', 'he')).toThrow("f: init must be 'xavier' or 'torch': got \"he\"");
  });
});
