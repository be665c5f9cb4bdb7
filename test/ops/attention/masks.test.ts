import { expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { checkBias, checkKeyMask, checkMask, requireMaskKinds } from '../../../src/ops/attention/masks.js';

it('a mask is for all heads or for each, a key mask for all queries', () => {
  const rows = [
    [true, false],
    [false, true],
  ];
  expect([...(checkMask('f', rows, 2, 2, 1) as Uint8Array)]).toEqual([1, 0, 0, 1]);
  expect(checkMask('f', [...rows, ...rows], 2, 2, 2)).toHaveLength(8);
  expect(checkMask('f', undefined, 2, 2, 1)).toBeUndefined();
  expect(() => checkMask('f', rows, 3, 2, 1)).toThrow('f: mask must be (Lq × Lk) = 3×2: got 2 rows');
  expect([...(checkKeyMask('f', Uint8Array.of(1, 0), 2) as Uint8Array)]).toEqual([1, 0]);
  expect(() => checkKeyMask('f', Uint8Array.of(1), 2)).toThrow('one entry for each of the 2 key rows: got 1');
});

it('a bias is shaped as a mask', () => {
  expect(checkBias('f', new Matrix(4, 3), 2, 3, 2).rows).toBe(4);
  expect(() => checkBias('f', new Matrix(3, 3), 2, 3, 2)).toThrow('or (numHeads·Lq × Lk) = 4×3: got 3×3');
});

it('knows kinds before there are shapes', () => {
  expect(() => requireMaskKinds('f', { mask: [[]], keyMask: new Uint8Array(9) })).not.toThrow();
  expect(() => requireMaskKinds('f', { mask: 1 })).toThrow('f: mask must be a Uint8Array or boolean[][]: got 1');
  expect(() => requireMaskKinds('f', { keyMask: [1] })).toThrow('f: keyMask must be a Uint8Array');
});
