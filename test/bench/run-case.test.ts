import { describe, expect, it } from 'vitest';
import type { BenchCase } from '../../bench/harness/case.js';
import type { Implementation, Operations } from '../../bench/harness/contender.js';
import { runCase, timings, type Yardsticks } from '../../bench/harness/run-case.js';
import { runPeak } from '../../bench/harness/run-peak.js';
import { sampleOf } from '../../bench/harness/verify.js';

const PACE = { rounds: 2, blockMs: 0, warmUpMs: 0 };
const problem = { rows: 1, cols: 2, x: Float32Array.of(3, 4) };

/** The case: give back x. */
const copying: BenchCase = {
  name: 'copy',
  group: 'softmax',
  operation: 'softmax',
  flop: 2e6,
  work: [{ unit: 'GFLOP/s', amount: 2e6 }],
  yardsticks: [],
  build: () => ({
    prepare: ({ operations }) => operations.softmax?.(problem),
    expected: [{ resultRows: 1, sample: sampleOf([0], 2, () => Float64Array.from(problem.x)) }],
  }),
};

const contender = (name: string, softmax: Operations['softmax'], more: Partial<Implementation> = {}) =>
  ({ name, kind: 'peer', operations: { softmax }, ...more }) satisfies Implementation;
const right = contender('right', ({ x }) => ({ call: () => x.slice() }));

let ownMatmuls = 0;
const yardsticks: Yardsticks = {
  ownMatmul: () => {
    ownMatmuls++;
    return { prepared: { call: () => Float32Array.of(0) }, flop: 1 };
  },
};

describe('runCase', () => {
  it('times everybody who is right', async () => {
    const later = contender('later', ({ x }) => ({ callAsync: async () => x.slice() }));
    const result = await runCase(copying, [right, later], yardsticks, PACE);
    expect(result.timings.map((timing) => timing.contender)).toEqual(['right', 'later']);
    expect(result.timings[0].ratio).toEqual({ median: 1, low: 1, high: 1 });
    expect(result).toMatchObject({ case: 'copy', unit: 'GFLOP/s', skipped: [], wrong: [] });
  });

  it('does not time who is wrong, fails or answers with NaN, and lets it go', async () => {
    let disposed = 0;
    const dispose = () => void disposed++;
    const wrong = contender('wrong', () => ({ call: () => Float32Array.of(3, 4.001), dispose }));
    const nan = contender('nan', () => ({ callAsync: async () => Float32Array.of(3, Number.NaN), dispose }));
    const throws = contender('throws', () => ({
      call: () => {
        throw new Error('cannot do it');
      },
    }));
    const result = await runCase(copying, [right, wrong, nan, throws], yardsticks, PACE);
    expect(result.timings.map((timing) => timing.contender)).toEqual(['right']);
    expect(result.wrong).toEqual([
      expect.stringMatching(/^wrong: row 0, column 1 is 4\.00\d+, exactly 4/),
      'nan: row 0, column 1 is NaN',
      'throws: cannot do it',
    ]);
    expect(disposed).toBe(2);
  });

  it('notices a contender that is wrong later', async () => {
    let calls = 0;
    const later = contender('later', ({ x }) => ({ call: () => (calls++ === 0 ? x : x.map(() => Number.NaN)) }));
    await expect(runCase(copying, [right, later], yardsticks, PACE)).rejects.toThrow(
      'copy: later turned wrong while it was timed: row 0, column 0 is NaN',
    );
  });

  it('leaves out, visibly, who would take too long, and silently who has no such operation', async () => {
    const slow = contender('slow', right.operations.softmax, { presumedRate: () => 1e-6 });
    const other = contender('other', undefined);
    const result = await runCase(copying, [right, slow, other], yardsticks, PACE);
    expect(result.timings).toHaveLength(1);
    // 2 MFLOP at 1 kFLOP/s.
    expect(result.skipped).toEqual(['slow: a call would take about 2000.0 s']);
  });

  it('says why somebody has no such operation, where there is a reason', async () => {
    const unable = contender('unable', undefined, { cannot: { softmax: 'it has none' } });
    const result = await runCase(copying, [right, unable], yardsticks, PACE);
    expect(result).toMatchObject({ skipped: ['unable: it has none'], wrong: [] });
  });

  it('checks and times answers of several matrices', async () => {
    const [{ sample }] = copying.build().expected;
    const expected = ['a', 'b'].map((name) => ({ name, resultRows: 1, sample }));
    const pairs = (b: Float32Array) => ({ call: () => [problem.x.slice(), b] });
    const pair = (b: Float32Array): BenchCase => ({ ...copying, build: () => ({ prepare: () => pairs(b), expected }) });
    const result = await runCase(pair(Float32Array.of(3, 4)), [right], yardsticks, PACE);
    expect(result).toMatchObject({ timings: [{ contender: 'right' }], wrong: [] });
    const { wrong } = await runCase(pair(Float32Array.of(3, 5)), [right], yardsticks, PACE);
    expect(wrong).toEqual([expect.stringMatching(/^right: b: row 0, column 1 is 5, exactly 4/)]);
  });

  it('puts the yardsticks last, and only beside the first contender', async () => {
    const measured: BenchCase = { ...copying, yardsticks: ['peak', 'own matmul'] };
    const result = await runCase(measured, [right], yardsticks, PACE);
    expect(result.timings.map(({ contender: name, kind }) => `${kind} ${name}`)).toEqual([
      'peer right',
      'yardstick peak',
      'yardstick own matmul',
    ]);
    expect(ownMatmuls).toBe(1);
    const wrong = contender('wrong', () => ({ call: () => Float32Array.of(0, 0) }));
    expect((await runCase(measured, [wrong, right], yardsticks, PACE)).timings).toHaveLength(1);
  });

  it('survives that nobody is right', async () => {
    const wrong = contender('wrong', () => ({ call: () => Float32Array.of(0, 0) }));
    expect((await runCase(copying, [wrong], yardsticks, PACE)).timings).toEqual([]);
  });

  it('activates before the call that is checked and before every block', async () => {
    const log: string[] = [];
    const activated = contender(
      'own',
      ({ x }) => ({ call: () => (log.length === 0 ? Float32Array.of(0, 0) : x.slice()) }),
      { activate: () => void log.push('activate') },
    );
    expect((await runCase(copying, [activated], yardsticks, PACE)).wrong).toEqual([]);
    // The check, the warm-up, two rounds, the check again.
    expect(log).toHaveLength(5);
  });
});

describe('timings', () => {
  it('turns milliseconds into rates, and ratios within the rounds', () => {
    const entries = [
      { contender: 'own', kind: 'qkv' as const, amounts: [6e6, 3e6] },
      { contender: 'peer', kind: 'peer' as const, amounts: [6e6, 3e6] },
      { contender: 'peak', kind: 'yardstick' as const, amounts: [60e6] },
    ];
    // 6 MFLOP in 2 ms: 3 GFLOP/s; the peer needs twice as long in each round; the peak does 60 MFLOP in 10 ms: 6 GFLOP/s.
    const [own, peer, peak] = timings(
      entries,
      [
        [2, 4, 1],
        [4, 8, 2],
        [10, 20, 5],
      ],
      ['GFLOP/s', 'GB/s'],
    );
    expect(own).toMatchObject({ medianMs: 2, bestMs: 1, rates: { 'GFLOP/s': 3, 'GB/s': 1.5 } });
    expect(own.ratio.median).toBe(1);
    expect(peer).toMatchObject({ medianMs: 4, rates: { 'GFLOP/s': 1.5 }, ratio: { median: 2, low: 2, high: 2 } });
    expect(peak.rates).toEqual({ 'GFLOP/s': 6 });
    expect(peak.ratio.median).toBe(0.5);
  });
});

describe('runPeak', () => {
  it('runs the loop, whose chains converge, at a plausible rate', async () => {
    const result = await runPeak('peak', PACE);
    expect(result.wrong).toEqual([]);
    expect(result.timings).toHaveLength(1);
  });
});
