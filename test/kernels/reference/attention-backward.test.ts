import { describe, expect, it } from 'vitest';
import type { AttentionForwardProblem } from '../../../src/kernels/attention-problem.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import type { AttentionOptions } from '../../../src/ops/attention/options.js';
import {
  type AttentionCase,
  attentionCases,
  GRADIENTS,
  gradientsOn,
  INPUT_OF,
  lossOf,
  problemOf,
  type Upstream,
  upstreamOf,
} from '../../support/attention-cases.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { kernelsOf } from '../../support/kernels.js';
import { fc } from '../../support/property.js';

const float64 = kernelsOf('float64');

const STEP = 1e-5;
// Truncation STEP²/6 times a third derivative of up to some hundred (logits of size 5), rounding 2^-53·|loss| / STEP with
// losses of up to 100: both about 1e-8.
const TOLERANCE = 2e-7;

/** ∂loss/∂x entry by entry. Where a bias is −∞ nothing may attend: 0. */
function centralDifferences(
  problem: AttentionForwardProblem,
  input: (typeof INPUT_OF)[keyof typeof INPUT_OF],
  upstream: Upstream,
) {
  const values = Float64Array.from(problem[input] ?? []);
  return Float64Array.from(values, (x, i) => {
    if (x === Number.NEGATIVE_INFINITY) return 0;
    const at = (value: number) => {
      values[i] = value;
      return lossOf(float64, { ...problem, [input]: values }, upstream);
    };
    const slope = (at(x + STEP) - at(x - STEP)) / (2 * STEP);
    values[i] = x;
    return slope;
  });
}

function expectDerivatives(problem: AttentionForwardProblem) {
  const upstream = upstreamOf(problem);
  const gradients = gradientsOn(float64, problem, upstream);
  for (const name of GRADIENTS) {
    const got = gradients[name];
    expect(got === undefined, name).toBe(problem[INPUT_OF[name]] === undefined);
    if (got) expectClose(got, centralDifferences(problem, INPUT_OF[name], upstream), TOLERANCE, name);
  }
}

const PLAIN: AttentionCase = {
  lengths: [
    { lq: 4, lk: 6 },
    { lq: 3, lk: 2 },
  ],
  numHeads: 4,
  numKvHeads: 2,
  dK: 3,
  dV: 2,
  mask: 'none',
  bias: 'none',
  keyMask: false,
  options: { numHeads: 4, numKvHeads: 2, seed: 5 },
};

describe('attentionBackward, the specification, is the derivative of the forward', () => {
  const options: Record<string, AttentionOptions> = {
    nothing: {},
    scale: { scale: -0.7 },
    causal: { causal: true },
    'top-left': { causal: 'top-left' },
    window: { window: [1, 2], causalOffset: 1 },
    softcap: { softcap: 0.8 },
    alibi: { alibi: true },
    sinks: { sinks: Matrix.randomNormal(1, 4, { seed: 6 }) },
    dropout: { dropout: 0.4 },
    'dropout of everything': { dropout: 1 },
  };
  it.each(Object.entries(options))('%s', (_, more) => {
    expectDerivatives(problemOf({ ...PLAIN, options: { ...PLAIN.options, ...more } }));
  });
  it.each(['shared', 'per head'] as const)('mask and bias, %s', (kind) => {
    expectDerivatives(problemOf({ ...PLAIN, mask: kind }));
    expectDerivatives(problemOf({ ...PLAIN, bias: kind }));
    expectDerivatives(problemOf({ ...PLAIN, keyMask: true }));
  });

  it('any of them together', () => {
    fc.assert(
      fc.property(attentionCases({ sequences: 2, queries: 4, keys: 5, width: 3 }), (c) => {
        expectDerivatives(problemOf(c));
      }),
      { numRuns: 60 },
    );
  });
});

describe('attentionBackward, the specification', () => {
  it('gives tied logits of 1e30 half the gradient each', () => {
    const one = Float64Array.of(1);
    const base = problemOf({
      ...PLAIN,
      lengths: [{ lq: 1, lk: 2 }],
      numHeads: 1,
      numKvHeads: 1,
      dK: 1,
      dV: 1,
      options: {},
    });
    const problem = { ...base, scale: 1, q: one, k: Float64Array.of(1e30, 1e30), v: Float64Array.of(3, 5) };
    const { dQ, dV } = gradientsOn(float64, problem, { dOut: one });
    expectSame(dV, [0.5, 0.5]);
    expectSame(dQ, [0]);
  });

  it('never lets through what may not be attended', () => {
    const c: AttentionCase = { ...PLAIN, mask: 'shared', keyMask: true, bias: 'shared' };
    const clean = problemOf(c);
    const upstream = upstreamOf(clean);
    const width = clean.numKvHeads;
    const dirty = {
      ...clean,
      k: clean.k.map((x, i) => (clean.keyMask?.[Math.floor(i / (width * clean.dK))] === 0 ? Number.NaN : x)),
      v: clean.v.map((x, i) => (clean.keyMask?.[Math.floor(i / (width * clean.dV))] === 0 ? Infinity : x)),
      bias: clean.bias?.map((x, i) => (clean.mask?.[i] === 0 ? Number.NaN : x)),
    };
    const [got, expected] = [gradientsOn(float64, dirty, upstream), gradientsOn(float64, clean, upstream)];
    for (const name of GRADIENTS) expectSame(got[name] ?? [], expected[name] ?? [], name);
  });

  it('gives nothing to and from a row that may attend to nothing', () => {
    const base = problemOf(PLAIN);
    const mask = new Uint8Array(7 * 6).fill(1).fill(0, 12, 18);
    const upstream = upstreamOf(base);
    const planted = (x: Float32Array | Float64Array, width: number) =>
      x.map((value, i) => (Math.floor(i / width) === 2 ? Number.NaN : value));
    const problem = { ...base, mask, q: planted(base.q, 12) };
    const { dQ, dK, dV } = gradientsOn(float64, problem, { ...upstream, dOut: planted(upstream.dOut, 8) });
    expectSame(dQ.subarray(24, 36), new Float64Array(12));
    expect([...dK, ...dV].every(Number.isFinite)).toBe(true);
  });

  it('gives a sink of −∞ nothing from a row that may attend to nothing', () => {
    const never = new Float32Array(4).fill(Number.NEGATIVE_INFINITY);
    const problem = { ...problemOf(PLAIN), sinks: never, mask: new Uint8Array(7 * 6) };
    expectSame(gradientsOn(float64, problem, upstreamOf(problem)).dSinks ?? [], new Float64Array(4));
  });

  it('passes nothing through a dropped weight, whatever comes from above', () => {
    const one: AttentionCase = { ...PLAIN, lengths: [{ lq: 1, lk: 16 }], numHeads: 1, numKvHeads: 1, dV: 1 };
    const problem = problemOf({ ...one, options: { dropout: 0.5, seed: 5 } });
    const { dV: kept } = gradientsOn(float64, problem, { dOut: Float64Array.of(1) });
    const { dV } = gradientsOn(float64, problem, { dOut: Float64Array.of(Number.NaN) });
    expectSame(
      dV,
      kept.map((x) => (x === 0 ? 0 : Number.NaN)),
    );
    expect(new Set(kept.map(Math.sign))).toEqual(new Set([0, 1]));
  });
});
