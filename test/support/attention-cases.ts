import { cuSeqlensFromLengths } from '../../src/core/sequences.js';
import type {
  AttentionBackwardProblem,
  AttentionForwardProblem,
  AttentionGradients,
} from '../../src/kernels/attention-problem.js';
import type { AttentionKernels, BackwardKernels, Floats } from '../../src/kernels/contract.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { type AttentionOptions, attentionProblem, dropoutOf } from '../../src/ops/attention/options.js';
import { fc } from './property.js';

type Rows = 'none' | 'shared' | 'per head';

/** A packed batch with any options together. */
export interface AttentionCase {
  /** Query and key rows of every sequence. */
  lengths: { lq: number; lk: number }[];
  numHeads: number;
  numKvHeads: number;
  dK: number;
  dV: number;
  mask: Rows;
  bias: Rows;
  keyMask: boolean;
  options: AttentionOptions;
}

export interface Sizes {
  sequences: number;
  queries: number;
  keys: number;
  width: number;
}

const kinds = fc.constantFrom<Rows>('none', 'shared', 'per head');

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });

export function attentionCases(largest: Sizes): fc.Arbitrary<AttentionCase> {
  const upTo = (max: number, min = 0) => fc.integer({ min, max });
  return fc
    .record({
      lengths: fc.array(fc.record({ lq: upTo(largest.queries), lk: upTo(largest.keys) }), {
        minLength: 1,
        maxLength: largest.sequences,
      }),
      numKvHeads: upTo(2, 1),
      group: fc.constantFrom(1, 2, 3),
      dK: upTo(largest.width, 1),
      dV: upTo(largest.width, 1),
      mask: kinds,
      bias: kinds,
      keyMask: fc.boolean(),
    })
    .chain(({ group, ...shape }) => {
      const numHeads = shape.numKvHeads * group;
      return fc
        .record<AttentionOptions>(
          {
            scale: fc.constantFrom(0.3, -1),
            causal: fc.constantFrom<boolean | 'top-left'>(true, false, 'top-left'),
            window: fc.constantFrom<number | [number, number]>(0, 2, [1, 30], [Infinity, 1], [20, Infinity]),
            softcap: fc.constantFrom(0, 0.7, 5),
            alibi: fc.constantFrom<boolean | Float32Array>(true, false, normal(1, numHeads, 8).data),
            sinks: fc.constant(normal(1, numHeads, 6)),
            dropout: fc.constantFrom(0, 0.4, 1),
            seed: fc.constant(77 + 3 * 2 ** 32),
            causalOffset: upTo(8, -3),
          },
          { requiredKeys: ['seed'] },
        )
        .map(({ causalOffset, ...given }) => {
          const options = { ...given, numHeads, numKvHeads: shape.numKvHeads };
          return { ...shape, numHeads, options: given.causal === 'top-left' ? options : { ...options, causalOffset } };
        });
    });
}

/** The problem of a case, with random numbers. */
export function problemOf(c: AttentionCase): AttentionForwardProblem {
  const { numHeads, numKvHeads, dK, dV, lengths } = c;
  const cuSeqlens = cuSeqlensFromLengths(lengths.map(({ lq }) => lq));
  const cuSeqlensK = cuSeqlensFromLengths(lengths.map(({ lk }) => lk));
  const [rows, keys] = [cuSeqlens[lengths.length], cuSeqlensK[lengths.length]];
  const columns = Math.max(...lengths.map(({ lk }) => lk));
  const tall = (kind: Rows) => (kind === 'per head' ? numHeads * rows : rows);
  const flags = (length: number, seed: number) =>
    Uint8Array.from(Matrix.randomUniform(1, length, { seed }).data, (x) => (x < 0.25 ? 0 : 1));
  const bias = c.bias === 'none' ? undefined : normal(tall(c.bias), columns, 7);
  bias?.data.forEach((x, at) => {
    if (x < -1.5) bias.data[at] = -Infinity;
  });
  const options: AttentionOptions = {
    ...c.options,
    mask: c.mask === 'none' ? undefined : flags(tall(c.mask) * columns, 4),
    keyMask: c.keyMask ? flags(keys, 5) : undefined,
    bias,
    cuSeqlens,
    cuSeqlensK,
  };
  const [q, k] = [normal(rows, numHeads * dK, 1), normal(keys, numKvHeads * dK, 2)];
  const problem = attentionProblem('test', q, k, options);
  return { ...problem, v: normal(keys, numKvHeads * dV, 3).data, dV, ...dropoutOf(options, 4) };
}

/** ∂loss/∂out and ∂loss/∂(m + log s). */
export type Upstream = Pick<AttentionBackwardProblem, 'dOut' | 'dLogSumExp'>;

export function upstreamOf({ cuSeqlens, numHeads, dV }: AttentionForwardProblem): Upstream {
  const rows = cuSeqlens[cuSeqlens.length - 1];
  return {
    dOut: normal(rows, numHeads * dV, 9).data,
    dLogSumExp: normal(rows, numHeads, 10).data,
  };
}

/** Forward and backward on one choice of kernels. */
export function gradientsOn(
  kernels: Pick<AttentionKernels, 'attention'> & Pick<BackwardKernels, 'attentionBackward'>,
  problem: AttentionForwardProblem,
  upstream: Upstream,
): AttentionGradients {
  return kernels.attentionBackward({ ...problem, ...kernels.attention(problem), ...upstream });
}

export const GRADIENTS = ['dQ', 'dK', 'dV', 'dBias', 'dSinks'] as const satisfies readonly (keyof AttentionGradients)[];

export const INPUT_OF = { dQ: 'q', dK: 'k', dV: 'v', dBias: 'bias', dSinks: 'sinks' } as const;

/** Σ out·dOut + Σ (m + log s)·dLogSumExp over the rows that attend to something or have a sink. */
export function lossOf(
  kernels: Pick<AttentionKernels, 'attention'>,
  problem: AttentionForwardProblem,
  upstream: Upstream,
) {
  const { out, max, sum } = kernels.attention(problem);
  const dot = (a: Floats, b: Floats) => Array.from(a).reduce((total, x, i) => total + x * b[i], 0);
  const { dLogSumExp = [] } = upstream;
  let loss = dot(out, upstream.dOut);
  sum.forEach((s, i) => {
    if (s !== 0) loss += (max[i] + Math.log(s)) * dLogSumExp[i];
  });
  return loss;
}
