import { layerRows } from '../contenders/expected.js';
import type { BenchCase } from '../harness/case.js';
import { sampleOf, sampleRows } from '../harness/verify.js';
import { activations, weights } from './data.js';

const SAMPLED_ROWS = 8;

/** Multi-head self-attention with its four projections, no biases. */
export function layerCases(quick: boolean): BenchCase[] {
  const [dModel, numHeads] = quick ? [16, 2] : [768, 12];
  const lengths = quick ? [24] : [128, 512];
  return lengths.map((tokens): BenchCase => {
    const flop = 4 * 2 * tokens * dModel * dModel + 4 * dModel * tokens * tokens;
    return {
      name: `layer ${dModel}/${numHeads}, L = ${tokens}`,
      group: 'layer',
      operation: 'layer',
      flop,
      work: [{ unit: 'GFLOP/s', amount: flop }],
      yardsticks: ['peak', 'own matmul'],
      build: () => {
        const [wQ, wK, wV, wO] = [2, 3, 4, 5].map((seed) => weights(dModel, dModel, seed));
        const problem = { tokens, dModel, numHeads, x: activations(tokens, dModel, 1), wQ, wK, wV, wO };
        const rows = sampleRows(tokens, SAMPLED_ROWS);
        const sample = sampleOf(rows, dModel, (...sampled) => layerRows(problem, ...sampled));
        return {
          prepare: ({ operations }) => operations.layer?.(problem),
          expected: [{ resultRows: tokens, sample }],
        };
      },
    };
  });
}
