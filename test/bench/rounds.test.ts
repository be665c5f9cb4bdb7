import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { callsPerBlock, type Pace, type Runner, sink, timeBlock, timeRounds } from '../../bench/harness/rounds.js';

const PACE: Pace = { rounds: 4, blockMs: 0, warmUpMs: 0 };

// A clock of our own, so that nothing depends on how busy the machine is.
let now = 0;
beforeEach(() => {
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Writes its name into the log when a block starts, counts its calls, and takes `ms` for each. */
function logging(name: string, log: string[], ms = 0): Runner & { calls: number } {
  const runner = {
    calls: 0,
    activate: () => void log.push(name),
    prepared: {
      call: () => {
        runner.calls++;
        now += ms;
        return Float32Array.of(1);
      },
    },
  };
  return runner;
}

describe('timeRounds', () => {
  it('interleaves: everybody runs once in every round, a later one first each time', async () => {
    const log: string[] = [];
    const times = await timeRounds(
      ['a', 'b', 'c'].map((name) => logging(name, log)),
      PACE,
    );
    // Before the rounds everybody is warmed up, one block each.
    expect(log.join('')).toBe('abc' + 'abc' + 'bca' + 'cab' + 'abc');
    expect(times.map((list) => list.length)).toEqual([4, 4, 4]);
  });

  it('gives milliseconds of one call, whatever the block holds', async () => {
    const runners = [logging('slow', [], 4), logging('fast', [], 0.5)];
    expect(await timeRounds(runners, { ...PACE, rounds: 2, blockMs: 4 })).toEqual([
      [4, 4],
      [0.5, 0.5],
    ]);
  });

  it('does not count what happens between the blocks', async () => {
    const runner = logging('a', [], 4);
    const activate = () => {
      now += 100;
    };
    expect(await timeRounds([{ ...runner, activate }], { ...PACE, rounds: 1 })).toEqual([[4]]);
  });
});

describe('callsPerBlock', () => {
  it('doubles the calls until they fill a block', async () => {
    expect(await callsPerBlock(logging('a', [], 5), { ...PACE, blockMs: 1 })).toBe(1);
    // 1, 2, 4, 8 and 16 calls of 0.25 ms: 4 ms.
    const runner = logging('a', [], 0.25);
    expect(await callsPerBlock(runner, { ...PACE, blockMs: 3.9 })).toBe(16);
    expect(runner.calls).toBe(1 + 2 + 4 + 8 + 16);
  });

  it('does not overshoot when little is missing', async () => {
    // 1, 2 and 4 calls of 1 ms; then 1.1 × 5 / 4 of 4 calls are enough.
    expect(await callsPerBlock(logging('a', [], 1), { ...PACE, blockMs: 5 })).toBe(6);
  });

  it('goes on for as long as warming up takes', async () => {
    const runner = logging('a', [], 0.5);
    await callsPerBlock(runner, { ...PACE, warmUpMs: 10 });
    expect(runner.calls).toBe(20);
  });
});

describe('timeBlock', () => {
  it('makes exactly the calls it is told to, at once or awaited, and uses every result', async () => {
    const before = sink.sum;
    const own = logging('a', []);
    await timeBlock(own, 5);
    expect(own.calls).toBe(5);
    expect(sink.sum - before).toBe(5);

    let running = 0;
    let most = 0;
    const callAsync = async () => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
      return Float32Array.of(7, 2);
    };
    await timeBlock({ prepared: { callAsync } }, 3);
    expect(most).toBe(1);
    expect(sink.sum - before).toBe(5 + 3 * 2);
  });
});
