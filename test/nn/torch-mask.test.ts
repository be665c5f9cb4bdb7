import { describe, expect, it } from 'vitest';
import type { StoredTensor } from '../../src/core/stored-tensor.js';
import { maskFromTorchMHA } from '../../src/nn/torch-mask.js';

describe('maskFromTorchMHA', () => {
  it('inverts rows of flags', () => {
    const mask = [
      [false, true],
      [true, false],
    ];
    expect(maskFromTorchMHA(mask)).toEqual([
      [true, false],
      [false, true],
    ]);
    expect(mask[0]).toEqual([false, true]);
  });

  it('inverts bytes and stored tensors', () => {
    const bytes = Uint8Array.of(0, 1, 1, 0);
    const tensor = (dtype: 'BOOL' | 'U8'): StoredTensor => ({ dtype, shape: [2, 2], data: bytes });
    for (const mask of [bytes, tensor('BOOL'), tensor('U8')]) {
      expect(maskFromTorchMHA(mask)).toEqual(Uint8Array.of(1, 0, 0, 1));
    }
    expect(bytes).toEqual(Uint8Array.of(0, 1, 1, 0));
    expect(maskFromTorchMHA([])).toEqual([]);
  });
});
