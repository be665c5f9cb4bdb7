import { expect, test } from 'vitest';
import { inFloat64 } from '../../src/autograd/float64.js';
import { capabilities, Matrix } from '../../src/index.js';
import { forEachTwin } from '../support/twins.js';

forEachTwin(() => {
  test('operations give 64-bit numbers inside, and what they gave before outside', () => {
    const { name } = new Matrix(1, 1).scale(2).data.constructor;
    const before = capabilities();
    expect(inFloat64(() => Matrix.from([[1]]).scale(1 / 3).data)).toEqual(Float64Array.of(1 / 3));
    expect(new Matrix(1, 1).scale(2).data.constructor.name).toBe(name);
    expect(capabilities()).toEqual(before);
  });
});
