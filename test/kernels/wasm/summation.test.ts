import { afterAll, beforeAll, expect, it } from 'vitest';
import { setKernels } from '../../../src/kernels/state.js';
import { KC } from '../../../src/kernels/wasm/summation.js';
import { Matrix } from '../../../src/matrix/matrix.js';

beforeAll(() => setKernels('wasm-simd'));
afterAll(() => setKernels('auto'));

/** The law, written down: blocks of KC terms, each from 0, added in order; every step rounds. */
function inBlocks(terms: Float32Array): number {
  let total = 0;
  for (let start = 0; start < terms.length; start += KC) {
    let block = 0;
    for (const term of terms.subarray(start, start + KC)) block = Math.fround(block + term);
    total = start === 0 ? block : Math.fround(total + block);
  }
  return total;
}

it.each([1, KC - 1, KC, KC + 1, 2 * KC, 3 * KC + 5])('a product sums %d terms in blocks, whatever its shape', (k) => {
  const x = Matrix.randomUniform(1, k, { seed: k, low: 0.5, high: 1 });
  const expected = inBlocks(x.data);
  for (const [rows, cols] of [
    [1, 1],
    [2, 3],
    [9, 17],
  ]) {
    const a = Matrix.concatRows(Array(rows).fill(x));
    const ones = new Matrix(k, cols, new Float32Array(k * cols).fill(1));
    expect(new Set(a.matmul(ones).data)).toEqual(new Set([expected]));
  }
});
