import { softmaxRows } from '../contenders/expected.js';
import type { BenchCase } from '../harness/case.js';
import { sampleOf, sampleRows } from '../harness/verify.js';
import { activations } from './data.js';

const SAMPLED_ROWS = 32;

/** Softmax of every row. For the choice of what to leave out, an element counts as 20 operations. */
export function softmaxCases(quick: boolean): BenchCase[] {
  const size = quick ? 32 : 512;
  return [
    {
      name: `softmax ${size}×${size}`,
      group: 'softmax',
      operation: 'softmax',
      flop: 20 * size * size,
      work: [{ unit: 'elements/ns', amount: size * size }],
      yardsticks: [],
      build: () => {
        const problem = { rows: size, cols: size, x: activations(size, size, 1) };
        const rows = sampleRows(size, SAMPLED_ROWS);
        const sample = sampleOf(rows, size, (...sampled) => softmaxRows(problem, ...sampled));
        return {
          prepare: ({ operations }) => operations.softmax?.(problem),
          expected: [{ resultRows: size, sample }],
        };
      },
    },
  ];
}
