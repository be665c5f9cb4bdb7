import { describe, expect, it } from 'vitest';
import { requireArguments } from '../../src/core/arguments.js';

describe('arguments', () => {
  it('may be fewer than are read, not more', () => {
    expect(() => requireArguments('f', 0, 0)).not.toThrow();
    expect(() => requireArguments('f', 2, 2)).not.toThrow();
    expect(() => requireArguments('f', 1, 0)).toThrow('f: no argument must be given: got 1');
    expect(() => requireArguments('f', 2, 1)).toThrow('f: at most 1 argument must be given: got 2');
    expect(() => requireArguments('f', 4, 2, 'write f(a)')).toThrow(
      'at most 2 arguments must be given: got 4 (write f(a))',
    );
    expect(() => requireArguments('f', 1, 0)).toThrow(TypeError);
  });
});
