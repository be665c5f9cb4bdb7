import { preparePeak } from '../contenders/peak.js';
import type { BenchCase, CaseResult, Timing, Yardstick } from './case.js';
import type { Answer, Implementation, Prepared } from './contender.js';
import { type Pace, type Runner, timeRounds } from './rounds.js';
import { median, ratioOf } from './statistics.js';
import { problemOfAnswer } from './verify.js';

/** A call presumed to take longer is left out, visibly. */
export const SLOWEST_CALL_MS = 1000;

/** About 4 ms of the peak loop. */
const PEAK_FLOP = 2e8;

interface Entry extends Runner {
  readonly contender: string;
  readonly kind: Timing['kind'];
  /** In the case's units, the first shown. */
  readonly amounts: readonly number[];
}

export interface Yardsticks {
  /** A product of the first implementation, far from the smallest: the rate its other operations are compared with. */
  readonly ownMatmul: () => { readonly prepared: Prepared; readonly flop: number };
}

/** Checks, then times every implementation that has the case's operation. The first is what the ratios are about. */
export async function runCase(
  bench: BenchCase,
  implementations: readonly Implementation[],
  yardsticks: Yardsticks,
  pace: Pace,
): Promise<CaseResult> {
  const { prepare, expected } = bench.build();
  const check = (answer: Answer) => problemOfAnswer(answer, expected);
  const entries: Entry[] = [];
  const skipped: string[] = [];
  const wrong: string[] = [];
  const amounts = bench.work.map(({ amount }) => amount);
  for (const implementation of implementations) {
    const { name, kind, activate } = implementation;
    const ms = presumedMs(implementation, bench);
    if (ms > SLOWEST_CALL_MS) {
      skipped.push(`${name}: a call would take about ${(ms / 1000).toFixed(1)} s`);
      continue;
    }
    const prepared = await prepare(implementation);
    if (prepared === undefined) {
      const reason = implementation.cannot?.[bench.operation];
      if (reason !== undefined) skipped.push(`${name}: ${reason}`);
      continue;
    }
    activate?.();
    const problem = await problemOfCall(prepared, check);
    if (problem === undefined) entries.push({ contender: name, kind, prepared, activate, amounts });
    else {
      wrong.push(`${name}: ${problem}`);
      prepared.dispose?.();
    }
  }
  if (entries[0]?.contender === implementations[0].name) {
    for (const name of bench.yardsticks) entries.push(yardstick(name, implementations[0], yardsticks));
  }
  const times = await timeRounds(entries, pace);
  for (const { contender, kind, prepared, activate } of entries) {
    // Once more: by now the engine has compiled the call anew, perhaps more than once.
    activate?.();
    const problem = kind === 'yardstick' ? undefined : await problemOfCall(prepared, check);
    if (problem !== undefined)
      throw new Error(`${bench.name}: ${contender} turned wrong while it was timed: ${problem}`);
    prepared.dispose?.();
  }
  const units = bench.work.map(({ unit }) => unit);
  return {
    case: bench.name,
    group: bench.group,
    unit: units[0],
    timings: timings(entries, times, units),
    skipped,
    wrong,
  };
}

function presumedMs({ presumedRate, operations }: Implementation, { operation, flop }: BenchCase): number {
  if (presumedRate === undefined || operations[operation] === undefined) return 0;
  return flop / (presumedRate(operation) * 1e6);
}

/** What is wrong with the first call, an exception included. */
async function problemOfCall(
  prepared: Prepared<Answer>,
  check: (answer: Answer) => string | undefined,
): Promise<string | undefined> {
  try {
    return check('call' in prepared ? prepared.call() : await prepared.callAsync());
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function yardstick(name: Yardstick, own: Implementation, { ownMatmul }: Yardsticks): Entry {
  const { prepared, flop } = name === 'peak' ? preparePeak(PEAK_FLOP) : ownMatmul();
  const activate = name === 'peak' ? undefined : own.activate;
  return { contender: name, kind: 'yardstick', prepared, activate, amounts: [flop] };
}

/** From milliseconds a call, one list an entry, to rates and ratios. The first entry's rates are the ratios' numerators. */
export function timings(
  entries: readonly Pick<Entry, 'contender' | 'kind' | 'amounts'>[],
  times: readonly (readonly number[])[],
  units: readonly string[],
): Timing[] {
  const rate = (i: number, unit: number) => times[i].map((ms) => entries[i].amounts[unit] / (ms * 1e6));
  // A yardstick has only GFLOP/s: where it stands beside the case's first unit, that is GFLOP/s, too.
  return entries.map(({ contender, kind, amounts }, i) => ({
    contender,
    kind,
    medianMs: median(times[i]),
    bestMs: Math.min(...times[i]),
    rates: Object.fromEntries(amounts.map((_, unit) => [units[unit], median(rate(i, unit))])),
    ratio: ratioOf(rate(0, 0), rate(i, 0)),
  }));
}
