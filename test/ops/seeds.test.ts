import { describe, expect, it } from 'vitest';
import { setSeed } from '../../src/kernels/state.js';
import { layerRandom, layerSeed } from '../../src/ops/seeds.js';

describe('the seed of a layer', () => {
  it('is the one given, else the next of the stream', () => {
    setSeed(3);
    const [first, second] = [layerSeed('f', undefined), layerSeed('f', undefined)];
    expect(first).not.toBe(second);
    setSeed(3);
    expect(layerSeed('f', 9)).toBe(9);
    expect(layerSeed('f', undefined)).toBe(first);
    expect(layerRandom('f', 9).seed).toBe(9);
    expect(() => layerSeed('f', -1)).toThrow('f: seed must be an integer of at least 0: got -1');
  });
});
