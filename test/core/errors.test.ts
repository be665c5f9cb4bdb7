import { describe, expect, it } from 'vitest';
import {
  describe as describeValue,
  kindError,
  memoryError,
  requireChoice,
  requireFinite,
  requireInteger,
  ShapeError,
  shapeError,
  shapeText,
} from '../../src/core/errors.js';
import { Linear, Matrix, Parameter } from '../../src/index.js';

describe('errors', () => {
  it('have one grammar and their classes', () => {
    const shape = shapeError('matmul', 'it must fit', 'a is 2×3', 'transpose it');
    expect(shape).toBeInstanceOf(ShapeError);
    expect(shape).toBeInstanceOf(RangeError);
    expect(shape.name).toBe('ShapeError');
    expect(shape.message).toBe('matmul: it must fit: a is 2×3 (transpose it)');
    expect(kindError('f', 'x must be a number', 'got "1"')).toBeInstanceOf(TypeError);
    expect(kindError('f', 'x must be a number', 'got "1"').message).toBe('f: x must be a number: got "1"');
    expect(memoryError('f', 'r', 'g')).not.toBeInstanceOf(ShapeError);
  });

  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [-0, '-0'],
    [Number.NaN, 'NaN'],
    ['a"b', '"a\\"b"'],
    ['x'.repeat(50), `"${'x'.repeat(40)}…"`],
    [12n, '12n'],
    [() => 1, 'a function'],
    [Symbol('s'), 'a symbol'],
    [{}, 'an object'],
    [new Map(), 'a Map'],
    [[1, 'a', [2]], '[1, "a", an Array]'],
    [new Float32Array(9), 'a Float32Array of length 9'],
    [new Int8Array(2), '[0, 0]'],
    [new Matrix(2, 3), 'a 2×3 Matrix'],
    [new Parameter(1, 4), 'a 1×4 Parameter'],
    [[new Matrix(2, 3)], '[a 2×3 Matrix]'],
    [new Linear(2, 3), 'a Linear'],
  ])('show case %#', (value, text) => {
    expect(describeValue(value)).toBe(text);
  });

  it('write shapes as rows×columns', () => {
    expect(shapeText({ rows: 2, cols: 3 })).toBe('2×3');
  });

  it('let numbers through that hold, and name the range where they do not', () => {
    expect(() => requireInteger('f', 'n', 3, 0, 3)).not.toThrow();
    expect(() => requireInteger('f', 'n', 4, 0, 3)).toThrow('f: n must be an integer from 0 to 3: got 4');
    expect(() => requireInteger('f', 'n', -1)).toThrow('f: n must be an integer of at least 0: got -1');
    expect(() => requireInteger('f', 'n', 2 ** 53)).toThrow(ShapeError);
    expect(() => requireInteger('f', 'n', '3')).toThrow(TypeError);
    expect(() => requireFinite('f', 'x', Number.NaN)).toThrow('f: x must be a finite number: got NaN');
    expect(() => requireFinite('f', 'x', 2, 0, 1)).toThrow('from 0 to 1: got 2');
    expect(() => requireChoice('f', 'c', 'b', ['a', 'b'])).not.toThrow();
    expect(() => requireChoice('f', 'c', 'd', ['a', 'b'])).toThrow("f: c must be 'a' or 'b': got \"d\"");
  });
});
