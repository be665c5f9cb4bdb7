import { expect, it } from 'vitest';
import { EDGE_BYTES, MR, NR } from '../../../../src/kernels/wasm/module/product-tile.js';

it('the scratch of a product holds one register tile of floats', () => {
  expect(EDGE_BYTES).toBe(MR * NR * 4);
});
