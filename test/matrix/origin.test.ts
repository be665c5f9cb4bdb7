import { describe, expect, it } from 'vitest';
import { putBrand } from '../../src/core/brands.js';
import { Matrix, valueAndGrad } from '../../src/index.js';
import { requireForeign } from '../../src/matrix/origin.js';

/** What another copy's matrix looks like from here. */
function foreign(origin: { isResult?: boolean; isRecording?: boolean }): object {
  const matrix = { rows: 1, cols: 1, data: new Float32Array(1) };
  putBrand(matrix, 'Matrix', { value: origin });
  return matrix;
}

const inValueAndGrad = (f: () => void) =>
  valueAndGrad(() => {
    f();
    return new Matrix(1, 1);
  });

describe('a matrix of another copy', () => {
  it('passes where nothing records', () => {
    expect(() => requireForeign('f', 'x', foreign({ isResult: true }))).not.toThrow();
    expect(() => requireForeign('f', 'x', foreign({}))).not.toThrow();
  });

  it('passes into valueAndGrad if no operation computed it', () => {
    inValueAndGrad(() => expect(() => requireForeign('f', 'x', foreign({ isResult: false }))).not.toThrow());
  });

  it('is refused there if one did, and everywhere while its copy records', () => {
    inValueAndGrad(() => expect(() => requireForeign('f', 'x', foreign({ isResult: true }))).toThrow('computed by'));
    expect(() => requireForeign('f', 'x', foreign({ isRecording: true }))).toThrow('come from another copy');
  });

  it('is no other object', () => {
    expect(() => requireForeign('f', 'x', { rows: 1, cols: 1 })).toThrow('f: x must be a Matrix: got an object');
  });

  it('is told whether ours is a result, and whether we record', () => {
    const origin = (m: Matrix) => Reflect.get(m, Symbol.for('qkv.Matrix'));
    const m = new Matrix(1, 1);
    expect(origin(m)).toEqual({ isResult: false, isRecording: false });
    expect(origin(m.scale(2))).toEqual({ isResult: true, isRecording: false });
    inValueAndGrad(() => expect(origin(m)).toEqual({ isResult: false, isRecording: true }));
  });
});
