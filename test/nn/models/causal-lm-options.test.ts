import { describe, expect, it } from 'vitest';
import { type CausalLMOptions, checkCausalLM } from '../../../src/nn/models/causal-lm-options.js';

const SIZES = { vocabularySize: 6, dModel: 4, numLayers: 2, numHeads: 2 };
const check = (options: object) => checkCausalLM('f', { ...SIZES, ...options } as CausalLMOptions);

describe('checkCausalLM', () => {
  it('gives the options of every layer', () => {
    expect(check({})).toMatchObject({ dModel: 4, numHeads: 2, dHidden: 16, causal: true, rope: true });
    expect(check({ dHidden: 5, positions: 'learned', capacity: 3 })).toMatchObject({ dHidden: 5, rope: false });
    expect(check({ rope: { base: 500 } })).toMatchObject({ rope: { base: 500 } });
  });

  it('refuses what contradicts itself', () => {
    expect(() => check({ positions: 'learned' })).toThrow('f: capacity must be given with positions');
    expect(() => check({ positions: 'sinusoidal', rope: {} })).toThrow("f: rope must come with positions: 'rope'");
    expect(() => check({ rope: true })).toThrow('f: rope must be an object: got true');
  });
});
