import { PEAK_RESULT, preparePeak } from '../contenders/peak.js';
import type { CaseResult } from './case.js';
import { type Pace, timeRounds } from './rounds.js';
import { timings } from './run-case.js';

/** About 4 ms of the loop. */
const FLOP = 2e8;

/** GFLOP/s that some machine could have: 128-bit SIMD does 8 operations an instruction pair at 0.1 … 10 GHz. */
const PLAUSIBLE = { least: 0.5, most: 500 };

/** The peak by itself: beside other cases it runs as a yardstick. */
export async function runPeak(name: string, pace: Pace): Promise<CaseResult> {
  const { prepared, flop } = preparePeak(FLOP);
  const [result] = 'call' in prepared ? prepared.call() : [];
  const entries = [{ contender: 'peak', kind: 'yardstick', amounts: [flop] }] as const;
  const times = await timeRounds([{ prepared }], pace);
  const timed = timings(entries, times, ['GFLOP/s']);
  const rate = timed[0].rates['GFLOP/s'];
  const wrong = [
    ...(result === PEAK_RESULT ? [] : [`the chains must add up to ${PEAK_RESULT}: got ${result}`]),
    ...(rate >= PLAUSIBLE.least && rate <= PLAUSIBLE.most ? [] : [`no machine does ${rate} GFLOP/s`]),
  ];
  return { case: name, group: 'peak', unit: 'GFLOP/s', timings: timed, skipped: [], wrong };
}
