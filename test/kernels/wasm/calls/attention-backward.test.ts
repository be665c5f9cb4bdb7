import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type {
  AttentionForwardProblem,
  AttentionGradients,
  AttentionStage,
} from '../../../../src/kernels/attention-problem.js';
import type { Floats } from '../../../../src/kernels/contract.js';
import { KernelMemory } from '../../../../src/kernels/wasm/memory/memory.js';
import {
  attentionBackwardExports,
  attentionBackwardModule,
} from '../../../../src/kernels/wasm/module/attention-backward.generated.js';
import { BACKWARD_FIELDS } from '../../../../src/kernels/wasm/module/attention-record.js';
import type { Entries } from '../../../../src/kernels/wasm/module/launch.js';
import type { AttentionOptions } from '../../../../src/ops/attention/options.js';
import {
  type AttentionCase,
  attentionCases,
  GRADIENTS,
  gradientsOn,
  problemOf,
  type Upstream,
  upstreamOf,
} from '../../../support/attention-cases.js';
import { expectSame } from '../../../support/compare.js';
import { type AllKernels, attentionOn, kernelsOf, newRuntime, withEntries } from '../../../support/kernels.js';
import { fc } from '../../../support/property.js';

const runtime = newRuntime();
const wasm = attentionOn(runtime);
const [reference, float64] = [kernelsOf('reference'), kernelsOf('float64')];

const UNIT = 2 ** -24;
/**
 * |error| ≤ 2·|error of the float32 reference| + roundings·2^−24·M for every entry. M is the same sum over the absolute
 * values of its terms, with |dO|·|V| + |dO|·|O| + |dℓ| for dP − D, each times 1 + the largest logit of its row (a logit
 * errs by so many roundings, and P by as much). The reference adds up in float64, the kernels in float32: hence a part
 * that grows with the width. Most seen: 7.3 in 2000 cases of up to 19 columns, 21.7 in 100 of up to 320.
 */
const roundings = ({ dK, dV }: AttentionForwardProblem) => 16 + Math.max(dK, dV) / 8;

/** M of every gradient. */
function magnitudes(problem: AttentionForwardProblem, upstream: Upstream): AttentionGradients {
  const { q, k, v, bias, sinks, numHeads, numKvHeads, dK, dV, scale, dropout, cuSeqlens, cuSeqlensK } = problem;
  const { out, max, sum } = float64.attention(problem);
  const of = (x: Floats | undefined) => (x ? new Float64Array(x.length) : undefined);
  const M = { dQ: new Float64Array(q.length), dK: new Float64Array(k.length), dV: new Float64Array(v.length) };
  const dBias = of(bias);
  const dSinks = sinks && new Float64Array(numHeads);
  const keepScale = dropout === 1 ? 0 : 1 / (1 - dropout);
  for (let s = 0; s + 1 < cuSeqlens.length; s++) {
    const numKeys = cuSeqlensK[s + 1] - cuSeqlensK[s];
    for (let head = 0; head < numHeads; head++) {
      const stage = (name: AttentionStage) => float64.attentionStage(problem, name, s, head);
      const [weights, scores, logits] = [stage('weights'), stage('scaledScores'), stage('masked')];
      for (let row = cuSeqlens[s]; row < cuSeqlens[s + 1]; row++) {
        const at = row * numHeads + head;
        const start = (row - cuSeqlens[s]) * numKeys;
        const sink = sinks?.[head] ?? 0;
        let logit = Math.abs(sink);
        for (let j = 0; j < numKeys; j++) {
          if (logits[start + j] === -Infinity) continue;
          logit = Math.max(logit, Math.abs(scores[start + j]), Math.abs(logits[start + j]));
        }
        let D = Math.abs(upstream.dLogSumExp?.[at] ?? 0);
        for (let c = 0; c < dV; c++) D += Math.abs(upstream.dOut[at * dV + c] * out[at * dV + c]);
        if (dSinks && sinks && sum[at] !== 0) dSinks[head] += (1 + logit) * (Math.exp(sink - max[at]) / sum[at]) * D;
        for (let j = 0; j < numKeys; j++) {
          const key = (cuSeqlensK[s] + j) * numKvHeads + Math.floor((head * numKvHeads) / numHeads);
          const P = weights[start + j] * (1 + logit);
          let dZ = D;
          for (let c = 0; c < dV; c++) {
            dZ += Math.abs(upstream.dOut[at * dV + c] * v[key * dV + c]) * keepScale;
            M.dV[key * dV + c] += P * keepScale * Math.abs(upstream.dOut[at * dV + c]);
          }
          dZ *= P;
          if (dBias) dBias[(problem.biasRowsPerHead * head + row) * problem.columns + j] += dZ;
          for (let c = 0; c < dK; c++) {
            M.dQ[at * dK + c] += Math.abs(scale * k[key * dK + c]) * dZ;
            M.dK[key * dK + c] += Math.abs(scale * q[at * dK + c]) * dZ;
          }
        }
      }
    }
  }
  return { ...M, dBias, dSinks };
}

function expectLaw(problem: AttentionForwardProblem) {
  const upstream = upstreamOf(problem);
  const got = gradientsOn(wasm, problem, upstream);
  const plain = gradientsOn(reference, problem, upstream);
  const exact = gradientsOn(float64, problem, upstream);
  const M = magnitudes(problem, upstream);
  for (const name of GRADIENTS) {
    const [x, x32, x64, bound] = [got[name] ?? [], plain[name] ?? [], exact[name] ?? [], M[name] ?? []];
    expect(x.length, name).toBe(x64.length);
    for (let i = 0; i < x.length; i++) {
      const error = Math.abs(x[i] - x64[i]);
      const limit = 2 * Math.abs(x32[i] - x64[i]) + roundings(problem) * UNIT * bound[i];
      if (!(error <= limit)) throw new Error(`${name}[${i}]: got ${x[i]}, expected ${x64[i]}, ${error} > ${limit}`);
    }
  }
}

const PLAIN: AttentionCase = {
  lengths: [{ lq: 70, lk: 130 }],
  numHeads: 4,
  numKvHeads: 2,
  dK: 8,
  dV: 5,
  mask: 'none',
  bias: 'none',
  keyMask: false,
  options: {},
};
function withOptions(options: AttentionOptions, more: Partial<AttentionCase> = {}) {
  const c = { ...PLAIN, ...more };
  return problemOf({ ...c, options: { numHeads: c.numHeads, numKvHeads: c.numKvHeads, seed: 5, ...options } });
}

/** Other kernels, whose backward runs with another entry. */
function withBackward(change: (entry: Entries[string]) => Entries[string]): AllKernels {
  return {
    ...wasm,
    attentionBackward: (problem) =>
      withEntries(
        runtime,
        attentionBackwardModule,
        attentionBackwardExports,
        ({ attention_backward: entry }) => ({ attention_backward: change(entry) }),
        () => wasm.attentionBackward(problem),
      ),
  };
}

/** Other kernels that cut the units into ranges, in the order given. */
function cutInto(ranges: (units: number) => [from: number, to: number][]) {
  return withBackward((entry) => (record, _, units, scratch) => {
    for (const [from, to] of ranges(units)) entry(record, from, to, scratch);
  });
}

function expectSameGradients(got: AttentionGradients, expected: AttentionGradients) {
  for (const name of GRADIENTS) expectSame(got[name] ?? [], expected[name] ?? [], name);
}

const planted = (x: Floats, value: number, where: (i: number) => boolean) =>
  Float32Array.from(x, (old, i) => (where(i) ? value : old));

describe('attentionBackward on WASM is that of float64', () => {
  it('for any options together, one sequence or several', () => {
    fc.assert(
      fc.property(attentionCases({ sequences: 3, queries: 70, keys: 70, width: 19 }), (c) => expectLaw(problemOf(c))),
      { numRuns: 200 },
    );
  });

  it('with more than one block of columns, and without columns', () => {
    for (const [dK, dV] of [
      [300, 260],
      [257, 1],
      [1, 513],
      [0, 3],
      [3, 0],
    ]) {
      expectLaw(withOptions({}, { dK, dV, lengths: [{ lq: 5, lk: 70 }] }));
      expectLaw(withOptions({ causal: true }, { dK, dV, lengths: [{ lq: 37, lk: 37 }] }));
    }
  });

  it.each([true, false])('at every edge of the tiles of queries and keys, causal %s', (causal) => {
    for (const lq of [1, 3, 4, 5, 31, 32, 33, 63, 64, 65, 129]) {
      for (const lk of [1, 7, 8, 9, 63, 64, 65, 128, 130]) {
        expectLaw(withOptions({ causal, softcap: 4 }, { lengths: [{ lq, lk }], numHeads: 1, numKvHeads: 1, dK: 4 }));
      }
    }
  });
});

describe('attentionBackward on WASM', () => {
  it('gives tied logits of 1e30 half the gradient each', () => {
    const one = Float32Array.of(1);
    const base = withOptions({}, { lengths: [{ lq: 1, lk: 2 }], numHeads: 1, numKvHeads: 1, dK: 1, dV: 1 });
    const problem = { ...base, scale: 1, q: one, k: Float32Array.of(1e30, 1e30), v: Float32Array.of(3, 5) };
    const { dQ, dV } = gradientsOn(wasm, problem, { dOut: one });
    expectSame(dV, [0.5, 0.5]);
    expectSame(dQ, [0]);
  });

  it.each([Number.NaN, Infinity, -Infinity])('never shows %d that stands where nothing may attend', (poison) => {
    fc.assert(
      fc.property(attentionCases({ sequences: 2, queries: 70, keys: 70, width: 9 }), (c) => {
        const clean = problemOf({ ...c, keyMask: true, mask: 'shared' });
        const { keyMask, mask, numKvHeads, dK, dV } = clean;
        const upstream = upstreamOf(clean);
        const hidden = (width: number) => (i: number) => keyMask?.[Math.floor(i / (numKvHeads * width))] === 0;
        const bias = clean.bias && planted(clean.bias, poison, (i) => mask?.[i % (mask?.length ?? 1)] === 0);
        const k = planted(clean.k, poison, hidden(dK));
        const v = planted(clean.v, poison, hidden(dV));
        expectSameGradients(gradientsOn(wasm, { ...clean, k, v, bias }, upstream), gradientsOn(wasm, clean, upstream));
      }),
      { numRuns: 60 },
    );
  });

  it('gives exactly nothing to and from a row that may attend to nothing, whatever its q and dO', () => {
    const clean = withOptions({}, { mask: 'shared' });
    clean.mask?.fill(0, 20 * 130, 22 * 130);
    const upstream = upstreamOf(clean);
    const rows = (width: number) => (i: number) => Math.floor(i / width) === 20 || Math.floor(i / width) === 21;
    const q = planted(clean.q, Number.NaN, rows(32));
    const dOut = planted(upstream.dOut, Infinity, rows(20));
    const got = gradientsOn(wasm, { ...clean, q }, { ...upstream, dOut });
    expectSame(got.dQ.subarray(20 * 32, 22 * 32), new Float32Array(64));
    expectSameGradients(got, gradientsOn(wasm, clean, upstream));
  });

  it('shows NaN exactly where the reference does', () => {
    const inputs = fc.constantFrom('q', 'k', 'v', 'bias', 'dOut', 'dLogSumExp', 'sinks');
    const cases = attentionCases({ sequences: 2, queries: 20, keys: 40, width: 5 });
    fc.assert(
      fc.property(cases, inputs, fc.nat(), (c, input, at) => {
        const clean = problemOf(c);
        const all = { ...clean, ...upstreamOf(clean) };
        const values = all[input];
        const problem = { ...all, [input]: values && planted(values, Number.NaN, (i) => i === at % values.length) };
        const [got, expected] = [gradientsOn(wasm, problem, problem), gradientsOn(float64, problem, problem)];
        for (const name of GRADIENTS) {
          const places = (x: Floats = new Float32Array(0)) => [...x.keys()].filter((i) => Number.isNaN(x[i]));
          expect(places(got[name]), name).toEqual(places(expected[name]));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('goes the careful way only where something is not finite', () => {
    let bad = 0;
    const flagged = withBackward((entry) => (record, from, to, scratch) => {
      const ints = new Int32Array(runtime.memory.memory.buffer);
      const atBad = ints[record / 4 + BACKWARD_FIELDS.indexOf('atBad')];
      for (let unit = from; unit < to; unit++) {
        entry(record, unit, unit + 1, scratch);
        bad += ints[(scratch + atBad) / 4];
      }
    });
    const problem = withOptions({ causal: true, causalOffset: -5, dropout: 0.5 }, { mask: 'shared', bias: 'per head' });
    problem.mask?.fill(0, 20 * 130, 22 * 130);
    gradientsOn(flagged, problem, upstreamOf(problem));
    expect(bad).toBe(0);
    problem.v[4] = Number.NaN;
    gradientsOn(flagged, problem, upstreamOf(problem));
    expect(bad).toBe(1);
  });

  it('gives the same bits wherever the units are cut', () => {
    const cases = attentionCases({ sequences: 3, queries: 40, keys: 70, width: 5 });
    fc.assert(
      fc.property(cases, fc.nat(6), (c, at) => {
        const problem = problemOf(c);
        const upstream = upstreamOf(problem);
        const whole = gradientsOn(wasm, problem, upstream);
        const cut = cutInto((units) => [
          [0, Math.min(at, units)],
          [Math.min(at, units), units],
        ]);
        expectSameGradients(gradientsOn(cut, problem, upstream), whole);
        const backwards = cutInto((units) => Array.from({ length: units }, (_, i) => [units - 1 - i, units - i]));
        expectSameGradients(gradientsOn(backwards, problem, upstream), whole);
      }),
      { numRuns: 60 },
    );
  });

  it('computes packed sequences, empty ones too, to the bit as each alone', () => {
    const lengths = [
      { lq: 70, lk: 70 },
      { lq: 0, lk: 3 },
      { lq: 3, lk: 0 },
      { lq: 9, lk: 130 },
    ];
    for (const options of [{}, { causal: true, softcap: 3 }, { window: 20, alibi: true }]) {
      const packed = withOptions(options, { lengths });
      const upstream = upstreamOf(packed);
      const whole = gradientsOn(wasm, packed, upstream);
      lengths.forEach(({ lq, lk }, s) => {
        const [queries, keys] = [packed.cuSeqlens[s], packed.cuSeqlensK[s]];
        const ofQueries = (x: Floats, width: number) => x.subarray(queries * width, (queries + lq) * width);
        const ofKeys = (x: Floats, width: number) => x.subarray(keys * width, (keys + lk) * width);
        const alone = {
          ...withOptions(options, { lengths: [{ lq, lk }] }),
          q: ofQueries(packed.q, 32),
          k: ofKeys(packed.k, 16),
          v: ofKeys(packed.v, 10),
        };
        const dLogSumExp = upstream.dLogSumExp && ofQueries(upstream.dLogSumExp, 4);
        const got = gradientsOn(wasm, alone, { dOut: ofQueries(upstream.dOut, 20), dLogSumExp });
        expectSame(got.dQ, ofQueries(whole.dQ, 32), `dQ of sequence ${s}`);
        expectSame(got.dK, ofKeys(whole.dK, 16), `dK of sequence ${s}`);
        expectSame(got.dV, ofKeys(whole.dV, 10), `dV of sequence ${s}`);
      });
    }
  });

  it('gives one result a hundred times over, whatever lay in the memory before', () => {
    const problem = withOptions({ dropout: 0.2, causal: true, softcap: 2 }, { bias: 'shared', mask: 'per head' });
    const upstream = upstreamOf(problem);
    const hashes = new Set<string>();
    for (let repeat = 0; repeat < 100; repeat++) {
      if (repeat % 10 === 1) {
        const other = withOptions({}, { lengths: [{ lq: 10 + 3 * repeat, lk: 40 + repeat }] });
        gradientsOn(wasm, { ...other, k: other.k.map(() => Number.NaN) }, upstreamOf(other));
      }
      const hash = createHash('sha256');
      const gradients = gradientsOn(wasm, problem, upstream);
      for (const name of GRADIENTS) hash.update(gradients[name] ?? new Float32Array(0));
      hashes.add(hash.digest('hex'));
    }
    expect(hashes.size).toBe(1);
  });

  it('takes no memory that grows with Lq × Lk', () => {
    const bytesOf = (length: number) => {
      const memory = new KernelMemory();
      const kernels = attentionOn({ memory });
      const problem = withOptions({ causal: true }, { lengths: [{ lq: length, lk: length }] });
      gradientsOn(kernels, problem, upstreamOf(problem));
      return memory.liveBytes;
    };
    expect(bytesOf(4096)).toBeLessThan(2.2 * bytesOf(2048));
  });
});
