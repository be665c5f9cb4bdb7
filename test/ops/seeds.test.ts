import { describe, expect, it } from 'vitest';
import { CausalLM, Module, MultiHeadAttention, TransformerBlock } from '../../src/index.js';
import { setSeed } from '../../src/kernels/state.js';
import { drawsParameters, innerSeed, layerRandom, layerSeed, undrawn } from '../../src/ops/seeds.js';

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

describe('a layer that will be loaded', () => {
  it('has the seeds of one that will not, checked alike, and so have the layers in it', () => {
    const [plain, silent] = [layerRandom('f', 9), layerRandom('f', undrawn({ seed: 9 }).seed)];
    expect([silent.seed, drawsParameters(silent), drawsParameters(plain)]).toEqual([9, false, true]);
    const inner = layerRandom('f', innerSeed(silent));
    expect([inner.seed, drawsParameters(inner)]).toEqual([innerSeed(plain), false]);
    setSeed(3);
    const next = layerSeed('f', undefined);
    setSeed(3);
    expect(layerRandom('f', undrawn<{ seed?: number }>({}).seed).seed).toBe(next);
    expect(() => layerRandom('f', undrawn({ seed: -1 }).seed)).toThrow(
      'f: seed must be an integer of at least 0: got -1',
    );
  });

  const sizes = { dModel: 8, numHeads: 2, dropout: 0.1, bias: true, init: 'torch', seed: 4 } as const;
  it.each([
    ['MultiHeadAttention', (o: typeof sizes) => new MultiHeadAttention({ ...o, addBiasKeyValue: true })],
    ['TransformerBlock', (o: typeof sizes) => new TransformerBlock({ ...o, dHidden: 4, activation: 'swiglu' })],
    [
      'CausalLM',
      (o: typeof sizes) => new CausalLM({ ...o, vocabularySize: 5, numLayers: 2, positions: 'learned', capacity: 3 }),
    ],
  ])('draws no parameter, but drops as it would have: %s', (_, make) => {
    const [drawn, silent] = [make(sizes), make(undrawn(sizes))];
    const constant = (name: string) => /norm|attention\.b_/.test(name) || /^b_[QKVO]$/.test(name);
    for (const [name, { data }] of silent.namedParameters()) {
      if (!constant(name))
        expect(
          data.every((x) => Object.is(x, 0)),
          name,
        ).toBe(true);
      if (!constant(name))
        expect(
          drawn
            .namedParameters()
            .get(name)
            ?.data.every((x) => x === 0),
          name,
        ).toBe(false);
    }
    const seeds = (layer: object): number[] =>
      Object.values(layer).flatMap((part, i) => [
        ...(Object.keys(layer)[i] === 'dropoutSeed' ? [part] : []),
        ...(part instanceof Module || Array.isArray(part) ? seeds(part) : []),
      ]);
    expect(seeds(silent)).toEqual(seeds(drawn));
    expect(seeds(drawn).length).toBeGreaterThan(0);
  });
});
