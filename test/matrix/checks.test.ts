import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { rangeOf, requireData, requireIndex, requireProduct } from '../../src/matrix/checks.js';

const never = () => false;

describe('the checks of a Matrix', () => {
  it('know a Float32Array of another realm, and a Float64Array only where it is allowed', () => {
    const foreign = runInNewContext('new Float32Array(2)');
    expect(foreign instanceof Float32Array).toBe(false);
    expect(() => requireData('f', foreign, 1, 2, never)).not.toThrow();
    expect(() => requireData('f', new Float64Array(2), 1, 2, () => true)).not.toThrow();
    expect(() => requireData('f', new Float64Array(2), 1, 2, never)).toThrow(TypeError);
    expect(() => requireData('f', new Float32Array(3), 1, 2, never)).toThrow('1×2 needs 2, got 3');
  });

  it('ask whether 64 bits are allowed only when they are given: asking may compile the kernels', () => {
    const asked = () => {
      throw new Error('asked');
    };
    expect(() => requireData('f', new Float32Array(2), 1, 2, asked)).not.toThrow();
  });

  it('hold indices and ranges inside', () => {
    expect(() => requireIndex('f', 'row', 2, 3)).not.toThrow();
    expect(() => requireIndex('f', 'row', 3, 3)).toThrow('row must be an integer from 0 to 2: got 3');
    expect(rangeOf('f', 'rows', 1, 1, 3)).toEqual([1, 1]);
    expect(rangeOf('f', 'rows', -2, -1, 3)).toEqual([1, 2]);
    expect(rangeOf('f', 'rows', -3, 3, 3)).toEqual([0, 3]);
    expect(() => rangeOf('f', 'rows', -4, 3, 3)).toThrow('got start -4, end 3 (negative ones count from the end)');
    expect(() => rangeOf('f', 'rows', 2, 1, 3)).toThrow('0 ≤ start ≤ end ≤ 3 rows must hold: got start 2, end 1');
  });

  it('give the shape of a product, and the hint that helps', () => {
    const [a, b] = [
      { rows: 12, cols: 64 },
      { rows: 32, cols: 64 },
    ];
    expect(requireProduct('matmul', a, b, { transposeB: true })).toEqual({ transposeA: false, transposeB: true });
    expect(() => requireProduct('matmul', a, b, {})).toThrow(
      'matmul: inner dimensions must agree: a is 12×64, b is 32×64 (pass transposeB: true for a · bᵀ)',
    );
  });
});
