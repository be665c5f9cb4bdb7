import { expectedGradients } from '../contenders/expected-gradients.js';
import type { BenchCase } from '../harness/case.js';
import { sampleRows } from '../harness/verify.js';
import { activations, weights } from './data.js';

const SAMPLED_ROWS = 8;

/**
 * What is counted of a training step. The four projections: a product of 2·tokens·dModel² each, thrice, since backward
 * has one product for what went in and one for the weight. Attention: 4·dModel·tokens² forward, 2.5 times that backward,
 * where five products (scores again, dP, dV, dQ, dK) stand against two.
 */
export function trainingFlop(tokens: number, dModel: number): number {
  return 3 * 4 * 2 * tokens * dModel * dModel + attentionTrainingFlop(tokens, dModel);
}

export function attentionTrainingFlop(tokens: number, dModel: number): number {
  return (1 + 2.5) * 4 * dModel * tokens * tokens;
}

/** Forward and backward of multi-head self-attention with its four projections: the gradients of x and the weights. */
export function trainingCases(quick: boolean): BenchCase[] {
  const [dModel, numHeads] = quick ? [16, 2] : [768, 12];
  const lengths = quick ? [24] : [128, 512];
  return lengths.map((tokens): BenchCase => {
    const flop = trainingFlop(tokens, dModel);
    return {
      name: `training step of layer ${dModel}/${numHeads}, L = ${tokens}`,
      group: 'training',
      operation: 'trainingStep',
      flop,
      work: [{ unit: 'GFLOP/s', amount: flop }],
      yardsticks: ['peak', 'own matmul'],
      build: () => {
        const [x, dOut] = [1, 6].map((seed) => activations(tokens, dModel, seed));
        const [wQ, wK, wV, wO] = [2, 3, 4, 5].map((seed) => weights(dModel, dModel, seed));
        const problem = { tokens, dModel, numHeads, x, wQ, wK, wV, wO, dOut };
        const [tokenRows, weightRows] = [tokens, dModel].map((count) => sampleRows(count, SAMPLED_ROWS));
        return {
          prepare: ({ operations }) => operations.trainingStep?.(problem),
          expected: expectedGradients(problem, tokenRows, weightRows),
        };
      },
    };
  });
}
