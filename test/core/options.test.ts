import { describe, expect, it } from 'vitest';
import { requireOptions } from '../../src/core/options.js';
import { Matrix } from '../../src/index.js';

const guide = {
  form: 'f(x, { causal })',
  elsewhere: [{ iscausal: 'causal', needweights: 'g gives them', nodrop: 'dropout' }],
  places: [['the constructor', ['dropout', 'sinks']]] as const,
};

describe('options', () => {
  const check = (options: unknown) => () => requireOptions('f', options, ['causal', 'numHeads'], guide);

  it('may be absent, unless they are required; undefined counts as absent', () => {
    expect(check(undefined)).not.toThrow();
    expect(check({ causal: 1, other: undefined })).not.toThrow();
    expect(() => requireOptions('f', undefined, [], { isRequired: true })).toThrow(
      'options must be an object: got undefined',
    );
  });

  it.each([
    [{ casual: true }, 'f: every option must be known: unknown option "casual" (did you mean causal?)'],
    [{ numheads: 1 }, 'did you mean numHeads?'],
    [{ num_heads: 1 }, 'did you mean numHeads?'],
    [{ zzz: 1 }, 'known: causal, numHeads'],
    [{ is_causal: true }, 'unknown option "is_causal" (did you mean causal?)'],
    [{ isCausal: true }, 'unknown option "isCausal" (did you mean causal?)'],
    [{ needWeights: true }, 'unknown option "needWeights" (g gives them)'],
    [{ sinks: true }, 'unknown option "sinks" (sinks is an option of the constructor)'],
    [{ noDrop: true }, 'unknown option "noDrop" (dropout is an option of the constructor)'],
    [{ toString: 1 }, 'known: causal, numHeads'],
    [[], 'f: options must be an object: got [] (write f(x, { causal }))'],
    [new Matrix(2, 3), 'f: options must be an object: got a 2×3 Matrix (write f(x, { causal }))'],
    [new Map(), 'got a Map (write f(x, { causal }))'],
    [8, 'got 8 (write f(x, { causal }))'],
  ])('of %o: told what to write', (options, message) => {
    expect(check(options)).toThrow(message);
    expect(check(options)).toThrow(TypeError);
  });
});
