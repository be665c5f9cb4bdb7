import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Matrix, Parameter } from '../../src/index.js';
import { jsonRows, pictureOf, rowsFromJson } from '../../src/matrix/picture.js';

describe('the picture of a matrix', () => {
  it('shows shape and entries, columns aligned', () => {
    expect(
      String(
        Matrix.from([
          [1, -2.5],
          [1 / 3, 1e-7],
        ]),
      ),
    ).toBe('Matrix 2×2\n       1  -2.5\n  0.3333  1e-7');
    expect(`${new Parameter(1, 1)}`).toBe('Parameter 1×1\n  0');
    expect(String(new Matrix(0, 3))).toBe('Matrix 0×3');
    expect(String(new Matrix(3, 0))).toBe('Matrix 3×0');
    expect(String(Matrix.from([[Number.NaN, Number.NEGATIVE_INFINITY, -0]]))).toBe('Matrix 1×3\n  NaN  -Infinity  -0');
  });

  it('shows the corners of a large one', () => {
    const { rows, cols } = { rows: 7, cols: 8 };
    const data = Float32Array.from({ length: rows * cols }, (_, i) => i);
    expect(pictureOf('Matrix', { rows, cols, data }).split('\n')).toEqual([
      'Matrix 7×8',
      '   0   1   2  …   5   6   7',
      '   8   9  10  …  13  14  15',
      '  16  17  18  …  21  22  23',
      '   ⋮   ⋮   ⋮  ⋮   ⋮   ⋮   ⋮',
      '  32  33  34  …  37  38  39',
      '  40  41  42  …  45  46  47',
      '  48  49  50  …  53  54  55',
    ]);
    expect(pictureOf('Matrix', { rows: 6, cols: 6, data: new Float32Array(36) }).split('\n')).toHaveLength(7);
  });

  it('is what console.log shows, within other objects too', () => {
    const x = Matrix.from([[1, 2]]);
    expect(inspect(x)).toBe(String(x));
    expect(inspect({ x })).toContain('Matrix 1×2');
    expect(inspect({ a: { b: { c: { x } } } })).not.toContain('1  2');
  });
});

describe('a matrix as JSON', () => {
  it('is its rows, and comes back to the bit', () => {
    const x = Matrix.from([
      [1, 0.1, -0],
      [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ]);
    expect(
      JSON.stringify(
        Matrix.from([
          [1, 2],
          [3, 4],
        ]),
      ),
    ).toBe('[[1,2],[3,4]]');
    const back = Matrix.fromJSON(JSON.stringify(x));
    expect(back.shape).toEqual([2, 3]);
    expect(new Int32Array(back.data.buffer)).toEqual(new Int32Array(x.data.buffer));
    expect(jsonRows(x)[1]).toEqual(['NaN', 'Infinity', '-Infinity']);
    expect(Parameter.fromJSON('[[1]]')).toBeInstanceOf(Parameter);
  });

  it.each([
    ['{', TypeError, 'Matrix.fromJSON: text must be JSON: got "{"'],
    [[[1]], TypeError, 'Matrix.fromJSON: text must be a string: got [an Array] (as JSON.stringify gives it)'],
    ['{}', TypeError, 'Matrix.fromJSON: rows must be an array'],
    ['[[1],[2,3]]', RangeError, 'rows must have equal lengths'],
    ['[["1"]]', TypeError, 'entry (0, 0) must be a number: got "1"'],
    ['[[null]]', TypeError, 'entry (0, 0) must be a number: got null'],
  ])('%o is refused', (text, kind, message) => {
    expect(() => Matrix.fromJSON(text as string)).toThrow(kind);
    expect(() => Matrix.fromJSON(text as string)).toThrow(message);
  });

  it('leaves what is not rows to its caller', () => {
    expect(rowsFromJson('f', '[1, ["NaN"]]')).toEqual([1, [Number.NaN]]);
  });
});
