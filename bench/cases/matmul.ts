import { matmulRows } from '../contenders/expected.js';
import type { BenchCase } from '../harness/case.js';
import type { MatmulProblem } from '../harness/contender.js';
import { sampleOf, sampleRows } from '../harness/verify.js';
import { activations, weights } from './data.js';

/** Rows of a product that are compared, and of everything else; all of them where there are fewer. */
const SAMPLED_ROWS = 8;

export function matmulProblem(m: number, k: number, n: number): MatmulProblem {
  return { m, k, n, a: activations(m, k, 1), b: weights(k, n, 2) };
}

const sampled = (problem: MatmulProblem) =>
  sampleOf(sampleRows(problem.m, SAMPLED_ROWS), problem.n, (...sampled) => matmulRows(problem, ...sampled));

function matmulCase(m: number, k: number, n: number): BenchCase {
  const flop = 2 * m * k * n;
  return {
    name: m === k && k === n ? `matmul ${n}` : `matmul ${m}×${k}×${n}`,
    group: 'matmul',
    operation: 'matmul',
    flop,
    work: [{ unit: 'GFLOP/s', amount: flop }],
    yardsticks: ['peak'],
    build: () => {
      const problem = matmulProblem(m, k, n);
      return {
        prepare: ({ operations }) => operations.matmul?.(problem),
        expected: [{ resultRows: m, sample: sampled(problem) }],
      };
    },
  };
}

/** Products of activations with each other. */
export function matmulCases(quick: boolean): BenchCase[] {
  const sizes = quick ? [8, 24] : [8, 16, 32, 64, 128, 256, 512, 1024];
  return [...sizes.map((n) => matmulCase(n, n, n)), quick ? matmulCase(8, 24, 24) : matmulCase(512, 768, 768)];
}

/** Few rows against a weight that stays: what counts first is how fast the weight is read. */
export function rowsCases(quick: boolean): BenchCase[] {
  const size = quick ? 32 : 768;
  const counts = quick ? [1, 4] : [1, 2, 4, 8, 16, 32, 64];
  return counts.map((m): BenchCase => {
    const flop = 2 * m * size * size;
    return {
      name: `rows ${m} against ${size}×${size}`,
      group: 'rows',
      operation: 'residentMatmul',
      flop,
      work: [
        { unit: 'GB/s', amount: size * size * Float32Array.BYTES_PER_ELEMENT },
        { unit: 'GFLOP/s', amount: flop },
      ],
      yardsticks: [],
      build: () => {
        const problem = matmulProblem(m, size, size);
        return {
          prepare: ({ operations }) => operations.residentMatmul?.(problem),
          expected: [{ resultRows: m, sample: sampled(problem) }],
        };
      },
    };
  });
}
