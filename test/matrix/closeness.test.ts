import { describe, expect, it } from 'vitest';
import { Matrix } from '../../src/index.js';
import { areClose } from '../../src/matrix/closeness.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describe('allClose', () => {
  it.each([
    [[1, 2], [1, 2], {}, true],
    [[1, 2], [1, 2.1], {}, false],
    [[1, 2], [1, 2.1], { tolerance: 0.1 }, true],
    [[1e-9, 2], [0, 2], {}, true],
    [[1000], [1000.5], { tolerance: 1e-3 }, true],
    [[nan], [nan], {}, false],
    [[nan], [nan], { equalNaN: true }, true],
    [[nan], [1], { equalNaN: true }, false],
    [[1], [nan], { equalNaN: true, tolerance: 1e30 }, false],
    [[inf], [inf], {}, true],
    [[1], [inf], { tolerance: 1e30 }, false],
    [[inf], [1], { tolerance: 1e30 }, false],
    [[inf], [-inf], { tolerance: 1e30 }, false],
    [[0], [-0], { tolerance: 0 }, true],
    [[], [], {}, true],
  ])('%o and %o with %o: %s', (a, b, options, close) => {
    const row = (values: number[]) => Matrix.fromFlat(1, values.length, values);
    expect(row(a).allClose(row(b), options)).toBe(close);
    expect(areClose('f', row(a), row(b), options)).toBe(close);
  });
});
