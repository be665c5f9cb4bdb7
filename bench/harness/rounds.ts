import type { Answer, Prepared } from './contender.js';
import { roundOrder } from './statistics.js';

// Interleaved timing: in every round each contender runs one block of calls, all in one process.

export interface Runner {
  readonly prepared: Prepared<Answer>;
  readonly activate?: () => void;
}

export interface Pace {
  readonly rounds: number;
  /** Calls are gathered into blocks of at least this length, far above the clock's resolution. */
  readonly blockMs: number;
  /** Engines compile in stages; each contender first runs this long untimed. */
  readonly warmUpMs: number;
}

/** Takes part of every result, so that no call can be optimized away. */
export const sink = { sum: 0 };

function consume(answer: Answer): void {
  if (answer instanceof Float32Array) sink.sum += answer[answer.length - 1];
  else for (const result of answer) consume(result);
}

/** Milliseconds of `calls` calls. A synchronous contender is not made to wait for promises. */
export async function timeBlock({ prepared, activate }: Runner, calls: number): Promise<number> {
  activate?.();
  const start = performance.now();
  if ('call' in prepared) for (let i = 0; i < calls; i++) consume(prepared.call());
  else for (let i = 0; i < calls; i++) consume(await prepared.callAsync());
  return performance.now() - start;
}

/** Warms a runner up and gives how many calls make a block. */
export async function callsPerBlock(runner: Runner, pace: Pace): Promise<number> {
  const started = performance.now();
  let calls = 1;
  for (;;) {
    const ms = await timeBlock(runner, calls);
    const warm = performance.now() - started >= pace.warmUpMs;
    if (ms >= pace.blockMs && warm) return calls;
    // While still warming up the same number runs again; a block that was too short at most doubles.
    if (ms < pace.blockMs) calls = Math.ceil(calls * Math.min(2, (1.1 * pace.blockMs) / Math.max(ms, 0.001)));
  }
}

/** Milliseconds a call: one list a runner, one entry a round. */
export async function timeRounds(runners: readonly Runner[], pace: Pace): Promise<number[][]> {
  const calls: number[] = [];
  for (const runner of runners) calls.push(await callsPerBlock(runner, pace));
  const times = runners.map((): number[] => []);
  for (let round = 0; round < pace.rounds; round++) {
    for (const i of roundOrder(runners.length, round)) {
      times[i].push((await timeBlock(runners[i], calls[i])) / calls[i]);
    }
  }
  return times;
}
