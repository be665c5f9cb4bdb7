import { describe, expect, it } from 'vitest';
import { maskFromTorchMHA } from '../../../src/nn/weights/mask.js';

describe('maskFromTorchMHA', () => {
  it('inverts rows of flags', () => {
    const mask = [
      [false, true, true],
      [true, false, true],
    ];
    expect(maskFromTorchMHA(mask)).toEqual(Uint8Array.of(1, 0, 0, 0, 1, 0));
    expect(mask[0]).toEqual([false, true, true]);
  });

  it('inverts bytes', () => {
    const bytes = Uint8Array.of(0, 1, 1, 0);
    expect(maskFromTorchMHA(bytes)).toEqual(Uint8Array.of(1, 0, 0, 1));
    expect(bytes).toEqual(Uint8Array.of(0, 1, 1, 0));
    expect(maskFromTorchMHA([])).toEqual(new Uint8Array(0));
  });
});
