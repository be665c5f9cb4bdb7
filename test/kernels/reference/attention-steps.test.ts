import { describe, expect, it } from 'vitest';
import type { AttentionForwardProblem } from '../../../src/kernels/attention-problem.js';
import { attention, attentionStage } from '../../../src/kernels/reference/attention.js';
import { attentionBackward } from '../../../src/kernels/reference/attention-backward.js';
import {
  scoresBackward,
  timesValues,
  timesValuesBackward,
  weights,
  weightsBackward,
} from '../../../src/kernels/reference/attention-steps.js';
import { expectClose } from '../../support/compare.js';
import { float64, wave } from './derivatives.js';

const { NEGATIVE_INFINITY: none, NaN: nan } = Number;

/** Two sequences of 2 and 3 queries, 4 and 1 keys; two heads of q on one of k and v. */
const problem: AttentionForwardProblem = {
  q: wave(5 * 2 * 3, 1),
  k: wave(5 * 3, 2),
  v: wave(5 * 2, 3),
  numHeads: 2,
  numKvHeads: 1,
  dK: 3,
  dV: 2,
  cuSeqlens: Int32Array.of(0, 2, 5),
  cuSeqlensK: Int32Array.of(0, 4, 5),
  scale: 0.7,
  offsets: Int32Array.of(2, -2),
  left: 3,
  right: 0,
  maskRowsPerHead: 0,
  bias: wave(2 * 5 * 4, 4),
  biasRowsPerHead: 5,
  columns: 4,
  softcap: 1.5,
  sinks: wave(2, 5),
  dropout: 0.4,
  seedLow: 9,
  seedHigh: 1,
  call: 2,
};
const units = [0, 1].flatMap((sequence) => [0, 1].map((head) => ({ sequence, head })));
const sizeOf = (sequence: number) => (sequence === 0 ? [2, 4] : [3, 1]);

describe('attention in steps', () => {
  it('is the attention in one, forward and back', () => {
    const whole = attention(float64, problem);
    const dOut = wave(5 * 2 * 2, 6);
    const back = attentionBackward(float64, { ...problem, ...whole, dOut });
    const sums = {
      dQ: new Float64Array(30),
      dK: new Float64Array(15),
      dV: new Float64Array(10),
      dBias: new Float64Array(40),
      dSinks: new Float64Array(2),
    };
    for (const unit of units) {
      const { sequence, head } = unit;
      const [queries, keys] = sizeOf(sequence);
      const first = problem.cuSeqlens[sequence];
      const stage = (name: 'masked' | 'softcapped') => attentionStage(float64, problem, name, sequence, head);
      const z = stage('masked');
      const p = weights(float64, z, queries, keys, problem.sinks, head);
      const ofUnit = (x: Float64Array | Float32Array) =>
        Array.from({ length: queries * 2 }, (_, i) => x[((first + (i >> 1)) * 2 + head) * 2 + (i & 1)]);
      expectClose(timesValues(float64, problem, unit, p.weights), ofUnit(whole.out as Float64Array), 1e-14);
      const values = timesValuesBackward(float64, problem, unit, p.weights, Float64Array.from(ofUnit(dOut)));
      const { dScores, dSinks } = weightsBackward(float64, p, values.dWeights, queries, keys, problem.sinks, head);
      const found = {
        ...scoresBackward(float64, problem, unit, z, stage('softcapped'), dScores),
        dV: values.dV,
        dSinks,
      };
      for (const name of Object.keys(sums) as (keyof typeof sums)[])
        found[name]?.forEach((x, i) => (sums[name][i] += x));
    }
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) {
      expectClose(sums[name], back[name] as Float64Array, 1e-13, name);
    }
  });

  it('has nothing to give for a bias or sinks that are not there', () => {
    const plain = { ...problem, bias: undefined, sinks: undefined };
    const found = scoresBackward(float64, plain, units[0], wave(8, 1), undefined, wave(8, 2));
    expect(found.dBias).toBeUndefined();
    const p = weights(float64, wave(8, 1), 2, 4, undefined, 0);
    expect(weightsBackward(float64, p, wave(8, 2), 2, 4, undefined, 0).dSinks).toBeUndefined();
    expect([...p.sinkShares]).toEqual([0, 0]);
  });

  it('a row that is all −∞ has no weights; beside a sink it has none either', () => {
    const z = Float64Array.of(none, none, 0, none);
    expect(weights(float64, z, 2, 2, undefined, 0)).toEqual({
      weights: Float64Array.of(0, 0, 1, 0),
      sinkShares: new Float64Array(2),
    });
    const sunk = weights(float64, z, 2, 2, Float64Array.of(5, 0), 1);
    expect(sunk).toEqual({ weights: Float64Array.of(0, 0, 0.5, 0), sinkShares: Float64Array.of(1, 0.5) });
  });

  it('what a weight of 0 stands for is never read, nor a row without a gradient', () => {
    const poisoned = { ...problem, dropout: 0, v: Float64Array.from(problem.v, (x, i) => (i < 2 ? nan : x)) };
    const p = Float64Array.of(0, 0.5, 0.25, 0.25, 0, 1, 0, 0);
    expect([...timesValues(float64, poisoned, units[0], p)].some(Number.isNaN)).toBe(false);
    const { dWeights, dV } = timesValuesBackward(float64, poisoned, units[0], p, Float64Array.of(1, 2, 0, 0));
    expect([dWeights[0], ...dWeights.subarray(4)]).toEqual([0, 0, 0, 0, 0]);
    expect([...dV].some(Number.isNaN)).toBe(false);
    const unread = weightsBackward(
      float64,
      { weights: p, sinkShares: Float64Array.of(nan, 0) },
      new Float64Array(8),
      2,
      4,
      problem.sinks,
      0,
    );
    expect([...unread.dScores, ...(unread.dSinks ?? [])]).toEqual(new Array(10).fill(0));
    const q = Float64Array.from(problem.q).fill(nan);
    const quiet = scoresBackward(float64, { ...problem, q }, units[0], wave(8, 1), undefined, new Float64Array(8));
    expect([...quiet.dK].some(Number.isNaN)).toBe(false);
  });
});
