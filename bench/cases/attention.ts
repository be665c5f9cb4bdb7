import { attentionRows } from '../contenders/expected.js';
import type { BenchCase } from '../harness/case.js';
import type { AttentionProblem } from '../harness/contender.js';
import { sampleOf, sampleRows } from '../harness/verify.js';
import { activations } from './data.js';

const SAMPLED_ROWS = 16;

function attentionProblem(heads: Omit<AttentionProblem, 'q' | 'k' | 'v'>): AttentionProblem {
  const width = heads.numHeads * heads.dHead;
  const { queries, keys } = heads;
  return {
    ...heads,
    q: activations(queries, width, 1),
    k: activations(keys, width, 2),
    v: activations(keys, width, 3),
  };
}

/** Q·Kᵀ and weights·V, a multiplication and an addition each, over the pairs that attend: nothing else is counted. */
function usefulFlop({ numHeads, dHead, queries, keys, causal }: Omit<AttentionProblem, 'q' | 'k' | 'v'>): number {
  const pairs = causal ? queries * (keys - queries) + (queries * (queries + 1)) / 2 : queries * keys;
  return 4 * numHeads * dHead * pairs;
}

const sampled = (problem: AttentionProblem) =>
  sampleOf(sampleRows(problem.queries, SAMPLED_ROWS), problem.numHeads * problem.dHead, (...sampled) =>
    attentionRows(problem, ...sampled),
  );

/** Self-attention of given q, k, v: all pairs, and causal. */
export function attentionCases(quick: boolean): BenchCase[] {
  const [numHeads, dHead] = quick ? [2, 8] : [12, 64];
  const lengths = quick ? [24] : [128, 512, 2048];
  return lengths.flatMap((length) =>
    [false, true].map((causal): BenchCase => {
      const heads = { numHeads, dHead, queries: length, keys: length, causal };
      const flop = usefulFlop(heads);
      return {
        name: `${causal ? 'causal attention' : 'attention'} ${numHeads}×${dHead}, L = ${length}`,
        group: 'attention',
        operation: 'attention',
        flop,
        work: [{ unit: 'GFLOP/s', amount: flop }],
        yardsticks: ['peak', 'own matmul'],
        build: () => {
          const problem = attentionProblem(heads);
          return {
            prepare: ({ operations }) => operations.attention?.(problem),
            expected: [{ resultRows: length, sample: sampled(problem) }],
          };
        },
      };
    }),
  );
}

/** One new token against the tokens so far: its key and value are stored, then it attends to all. */
export function decodeCases(quick: boolean): BenchCase[] {
  const [numHeads, dHead, keys] = quick ? [2, 8, 24] : [12, 64, 1024];
  const heads = { numHeads, dHead, queries: 1, keys, causal: false };
  const flop = usefulFlop(heads);
  return [
    {
      name: `decode ${numHeads}×${dHead}, 1 against ${keys}`,
      group: 'decode',
      operation: 'decode',
      flop,
      work: [
        { unit: 'GB/s', amount: 2 * keys * numHeads * dHead * Float32Array.BYTES_PER_ELEMENT },
        { unit: 'GFLOP/s', amount: flop },
      ],
      yardsticks: [],
      build: () => {
        const problem = attentionProblem(heads);
        return {
          prepare: ({ operations }) => operations.decode?.(problem),
          expected: [{ resultRows: 1, sample: sampled(problem) }],
        };
      },
    },
  ];
}
