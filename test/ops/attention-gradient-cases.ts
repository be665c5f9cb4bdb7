import { Matrix } from '../../src/matrix/matrix.js';
import { attentionLogSumExp, scaledDotProductAttention } from '../../src/ops/attention/attention.js';
import { type AttentionOptions, attentionProblem, dropoutOf } from '../../src/ops/attention/options.js';
import { maskedScores, weightsOfScores, weightsTimesValues } from '../../src/ops/attention/unfused.js';
import { gridded } from '../support/differences.js';
import type { GradientCases } from './gradient-cases.js';

/** An attention whose gradients are checked: its sizes, and what is not given as a matrix of its own. */
interface AttentionCase extends Omit<AttentionOptions, 'bias' | 'sinks'> {
  /** Default 3 and 5; 1 and 2 columns a head of k, 3 of v. */
  lq?: number;
  lk?: number;
  dK?: number;
  dV?: number;
  /** One bias for all heads, one a head, or one a head with entries of −∞. */
  bias?: 'shared' | 'per head' | 'infinite';
  sinks?: boolean;
  /** Of q and k. Default 2. */
  size?: number;
}

const flags = (length: number) => Uint8Array.from({ length }, (_, i) => Number(i % 3 !== 1));
const rows = (count: number, columns: number) =>
  Array.from({ length: count }, (_, r) => Array.from({ length: columns }, (_, c) => (r + 2 * c) % 3 !== 0));
const GROUPED = { numHeads: 4, numKvHeads: 2 };
const PACKED = { lq: 6, lk: 7, cuSeqlens: [0, 2, 2, 6], cuSeqlensK: [0, 3, 4, 7] };
const open = Number.POSITIVE_INFINITY;

/** Every option alone, then together. */
export const ATTENTION_CASES: Record<string, AttentionCase> = {
  plain: {},
  'two heads': { numHeads: 2 },
  'grouped heads': { ...GROUPED },
  'one key head for all': { numHeads: 3, numKvHeads: 1 },
  'one of everything': { lq: 1, lk: 1, dK: 1, dV: 1 },
  'more queries than keys': { lq: 5, lk: 3 },
  'no keys': { lk: 0 },
  'no queries': { lq: 0 },
  scale: { scale: 0.3 },
  'negative scale': { scale: -1, numHeads: 2 },
  'scale 0': { scale: 0 },
  causal: { causal: true },
  'causal, queries that see no key': { causal: true, lq: 5, lk: 3 },
  'top-left causal': { causal: 'top-left' },
  'causal offset': { causal: true, causalOffset: 1 },
  window: { window: 1, lk: 6 },
  'one-sided window': { window: [open, 0], causalOffset: 1 },
  'causal window': { causal: true, window: 1, lq: 5 },
  mask: { mask: flags(15), numHeads: 2 },
  'mask a head': { mask: rows(6, 5), numHeads: 2 },
  keyMask: { keyMask: Uint8Array.of(1, 0, 1, 1, 0), numHeads: 2 },
  'nothing allowed': { keyMask: new Uint8Array(5) },
  bias: { bias: 'shared', ...GROUPED },
  'bias a head': { bias: 'per head', ...GROUPED },
  'bias with −∞': { bias: 'infinite', numHeads: 2 },
  softcap: { softcap: 1.5, numHeads: 2, size: 4 },
  'softcap and bias': { softcap: 1, bias: 'shared', numHeads: 2 },
  alibi: { alibi: true, numHeads: 3 },
  'alibi of own slopes': { alibi: Float32Array.of(0.5, -0.25), numHeads: 2, causal: true },
  sinks: { sinks: true, ...GROUPED },
  'sinks where nothing is allowed': { sinks: true, keyMask: new Uint8Array(5), numHeads: 2 },
  packed: { ...PACKED, numHeads: 2 },
  'packed, causal': { ...PACKED, causal: true },
  'packed, bias': { ...PACKED, bias: 'shared', numHeads: 2 },
  'packed, bias a head and mask': { ...PACKED, bias: 'per head', mask: flags(36), numHeads: 2 },
  'packed, alibi and keyMask': { ...PACKED, alibi: true, keyMask: flags(7), numHeads: 2 },
  dropout: { dropout: 0.4, seed: 5, lk: 9, numHeads: 2 },
  'dropout of everything': { dropout: 1, seed: 5 },
  'dropout, packed and grouped': { ...PACKED, ...GROUPED, dropout: 0.3, seed: 2 ** 40 + 3 },
  'dropout and sinks': { dropout: 0.4, seed: 6, sinks: true, bias: 'shared' },
  everything: {
    ...{ ...PACKED, ...GROUPED, scale: 0.7, causal: true, causalOffset: 1, window: [2, 1], softcap: 2, alibi: true },
    ...{ mask: flags(4 * 18), keyMask: flags(7), bias: 'infinite', sinks: true, dropout: 0.3, seed: 9 },
  },
};

/** q, k, v, then the bias and the sinks of a case, and its other options. */
function read({ lq = 3, lk = 5, dK = 2, dV = 3, bias, sinks = false, size = 2, ...options }: AttentionCase) {
  const { numHeads = 1, numKvHeads = numHeads, cuSeqlensK } = options;
  const columns = cuSeqlensK
    ? Math.max(
        ...Array.from(cuSeqlensK)
          .slice(1)
          .map((end, s) => end - cuSeqlensK[s]),
      )
    : lk;
  const inputs = () => ({
    q: gridded(lq, numHeads * dK, 1, -size, size),
    k: gridded(lk, numKvHeads * dK, 2, -size, size),
    v: gridded(lk, numKvHeads * dV, 3),
    bias: bias && biasOf((bias === 'shared' ? 1 : numHeads) * lq, columns, bias === 'infinite'),
    sinks: sinks ? gridded(1, numHeads, 5) : undefined,
  });
  return { inputs, options };
}

function biasOf(count: number, columns: number, isInfinite: boolean): Matrix {
  const bias = gridded(count, columns, 4);
  if (isInfinite) bias.data.forEach((_, i, data) => i % 4 === 2 && data.fill(Number.NEGATIVE_INFINITY, i, i + 1));
  return bias;
}

type Inputs = ReturnType<ReturnType<typeof read>['inputs']>;
type Attention = (given: Inputs, options: AttentionOptions) => Matrix | Matrix[];

/** The cases of an attention that reads these of its inputs. */
function casesOf(names: readonly (keyof Inputs)[], attention: Attention): GradientCases {
  return Object.fromEntries(
    Object.entries(ATTENTION_CASES).map(([title, one]) => {
      const { inputs, options } = read(one);
      const given = names.filter((name) => inputs()[name] !== undefined);
      return [
        title,
        {
          inputs: () => given.map((name) => inputs()[name] as Matrix),
          f: (...matrices: Matrix[]) => {
            const own = Object.fromEntries(given.map((name, i) => [name, matrices[i]])) as unknown as Inputs;
            return attention(own, { ...options, bias: own.bias, sinks: own.sinks });
          },
        },
      ];
    }),
  );
}

/** Every head of every sequence, in steps. */
function units(q: Matrix, k: Matrix, options: AttentionOptions) {
  const problem = attentionProblem('units', q, k, options);
  const { numHeads, cuSeqlens } = problem;
  const list = Array.from({ length: (cuSeqlens.length - 1) * numHeads }, (_, i) => ({
    sequence: Math.floor(i / numHeads),
    head: i % numHeads,
  }));
  const scores = list.map((unit) => maskedScores(problem, { q, k, bias: options.bias }, unit));
  const weights = list.map(({ head }, i) => weightsOfScores(scores[i], options.sinks, head));
  return { problem, list, scores, weights };
}

/** scaledDotProductAttention in steps. */
function stepwise({ q, k, v }: Inputs, options: AttentionOptions): Matrix {
  const { problem, list, weights } = units(q, k, options);
  const forward = { ...problem, ...dropoutOf(options, 0), v: v.data, dV: v.cols / problem.numKvHeads };
  const parts = list.map((unit, i) => weightsTimesValues(forward, weights[i], v, unit));
  const { numHeads } = problem;
  const sequences = Array.from({ length: parts.length / numHeads }, (_, s) =>
    Matrix.concatColumns(parts.slice(s * numHeads, (s + 1) * numHeads)),
  );
  return Matrix.concatRows(sequences);
}

export const ATTENTION_GRADIENT_CASES: Record<string, GradientCases> = {
  scaledDotProductAttention: {
    ...casesOf(['q', 'k', 'v', 'bias', 'sinks'], ({ q, k, v }, options) => scaledDotProductAttention(q, k, v, options)),
    'x to itself': {
      inputs: () => [gridded(4, 4, 1)],
      f: (x) => scaledDotProductAttention(x, x, x, { numHeads: 2, causal: true }),
    },
    'a bias that is the keys too': {
      inputs: () => [gridded(3, 3, 1), gridded(3, 3, 2)],
      f: (q, k) => scaledDotProductAttention(q, k, q, { bias: k }),
    },
  },
  attentionLogSumExp: casesOf(['q', 'k', 'bias', 'sinks'], ({ q, k }, options) => attentionLogSumExp(q, k, options)),
  // exp, because masked scores are −∞.
  maskedScores: casesOf(['q', 'k', 'bias'], ({ q, k }, options) => units(q, k, options).scores.map((z) => z.exp())),
  weightsOfScores: casesOf(['q', 'k', 'bias', 'sinks'], ({ q, k }, options) => units(q, k, options).weights),
  weightsTimesValues: casesOf(['q', 'k', 'v', 'bias', 'sinks'], stepwise),
};
