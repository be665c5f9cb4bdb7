import { expect, it } from 'vitest';
import { Matrix } from '../../src/matrix/matrix.js';
import { requireColumns } from '../../src/nn/shapes.js';

it('requireColumns names the layer, the argument and both widths', () => {
  expect(() => requireColumns('Linear', 'x', new Matrix(2, 3), 'inputs', 3)).not.toThrow();
  expect(() => requireColumns('Linear', 'x', new Matrix(2, 3), 'inputs', 4, 'transpose it')).toThrow(
    'Linear: x must have inputs = 4 columns: x is 2×3 (transpose it)',
  );
  expect(() => requireColumns('Linear', 'x', [[1]], 'inputs', 1)).toThrow(TypeError);
});
