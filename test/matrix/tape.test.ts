import { describe, expect, it } from 'vitest';
import type { Floats } from '../../src/kernels/contract.js';
import {
  type Gradient,
  type GradientAlgebra,
  isRecording,
  kept,
  record,
  Tape,
  whileRecording,
} from '../../src/matrix/tape.js';
import { collectGarbage, countAlive } from '../support/garbage.js';

// The tape knows no matrix: here a value is a name, a gradient one number.

interface Value {
  readonly name: string;
}

const value = (name: string): Value => ({ name });
const dense = (gradient: Gradient): Floats => ('rows' in gradient ? gradient.values : gradient);
const algebra: GradientAlgebra<Value> = {
  add: (_, a, b) => Float64Array.of(dense(a)[0] + dense(b)[0]),
  dense: (_, gradient) => dense(gradient),
  requireWhole: ({ name }) => {
    if (name === 'broken') throw new Error(name);
  },
};

/** A step whose gradient for input i is factors[i] times that of the output. */
function step(name: string, inputs: readonly Value[], factors: readonly (number | undefined)[]): Value {
  return record(value(name), inputs, ([dOut]) => factors.map((f) => (f === undefined ? f : Float64Array.of(f * dOut))));
}

function recorded(f: () => Value): [tape: Tape<Value>, loss: Value] {
  const tape = new Tape<Value>();
  return [tape, whileRecording(tape as Tape<object>, f)];
}

function play([tape, loss]: [Tape<Value>, Value], keep: readonly Value[] = [], onlyThese = false): Map<Value, number> {
  const found = tape.play(algebra, loss, Float64Array.of(1), new Set(keep), onlyThese);
  return new Map(Array.from(found, ([x, gradient]) => [x, dense(gradient)[0]]));
}

const x = value('x');
const y = value('y');

describe('a tape', () => {
  it('gives the gradients of what no step computed, and of nothing else', () => {
    const found = play(recorded(() => step('loss', [step('middle', [x, y], [2, 3])], [5])));
    expect([...found]).toEqual([
      [x, 10],
      [y, 15],
    ]);
  });

  it('computes only what leads to the values that it is asked for, and tells each step which inputs do', () => {
    const asked: [string, readonly boolean[] | undefined][] = [];
    const told = (name: string, inputs: readonly Value[]): Value =>
      record(value(name), inputs, ([dOut], isWanted) => {
        asked.push([name, isWanted]);
        return inputs.map((_, i) => Float64Array.of(dOut * (i + 2)));
      });
    const [z, unused] = [value('z'), value('unused')];
    let middle = x;
    const run = () => {
      asked.length = 0;
      return recorded(() => {
        const constant = told('constant', [y, z]);
        middle = told('middle', [x, constant]);
        told('no part of the loss', [x]);
        return told('loss', [middle, constant]);
      });
    };
    expect([...play(run(), [x, unused], true)]).toEqual([[x, 4]]);
    expect(asked).toEqual([
      ['loss', [true, false]],
      ['middle', [true, false]],
    ]);
    const both = run();
    expect([...play(both, [middle, z], true)]).toEqual([
      [middle, 2],
      [z, (2 * 3 + 3) * 3],
    ]);
    expect(asked).toEqual([
      ['loss', [true, true]],
      ['middle', [false, true]],
      ['constant', [false, true]],
    ]);
    const alone = run();
    expect([...play(alone, [middle], true)]).toEqual([[middle, 2]]);
    expect(asked).toEqual([['loss', [true, false]]]);
    const none = run();
    expect([...play(none, [unused], true)]).toEqual([]);
    expect(asked).toEqual([]);
    const loss = run();
    expect([...play(loss, [loss[1]], true)]).toEqual([[loss[1], 1]]);
    play(run());
    expect(asked.map(([, isWanted]) => isWanted)).toEqual([undefined, undefined, undefined]);
  });

  it('keeps those it is asked for, the loss too', () => {
    let [middle, other] = [x, x];
    const run = recorded(() => {
      middle = step('middle', [x], [2]);
      other = step('other', [middle], [3]);
      return step('loss', [middle, other], [5, 7]);
    });
    const found = play(run, [middle, run[1]]);
    expect(found.get(middle)).toBe(5 + 7 * 3); // whole: from both uses
    expect(found.get(run[1])).toBe(1);
    expect(found.get(x)).toBe(52);
    expect(found.has(other)).toBe(false);
  });

  it('adds where a value is used twice: by one step, by several', () => {
    expect(play(recorded(() => step('loss', [x, x], [2, 3]))).get(x)).toBe(5);
    const twice = recorded(() => step('loss', [step('a', [x], [2]), step('b', [x], [3])], [1, 10]));
    expect(play(twice).get(x)).toBe(32);
  });

  it('never adds in place: what a backward gave stays as it was', () => {
    const shared = Float64Array.of(1);
    let a = x;
    const run = recorded(() => {
      a = record(value('a'), [x], ([dOut]) => [Float64Array.of(dOut)]);
      const b = record(value('b'), [a, y], () => [shared, shared]); // one array for both
      return step('loss', [a, b, y], [4, 1, 6]);
    });
    const found = play(run, [a]);
    expect([found.get(a), found.get(x), found.get(y)]).toEqual([5, 5, 7]);
    expect(shared[0]).toBe(1);
  });

  it('passes over undefined gradients, and steps that the loss does not depend on', () => {
    let asked = 0;
    const run = recorded(() => {
      const loss = step('loss', [x, y], [2, undefined]);
      record(value('beside'), [x], () => {
        asked++;
        return [Float64Array.of(Number.NaN)];
      });
      return loss;
    });
    expect([...play(run)]).toEqual([[x, 2]]);
    expect(asked).toBe(0);
  });

  it('gives a loss that nothing computed its own gradient', () => {
    expect([...play([new Tape<Value>(), x])]).toEqual([[x, 1]]);
  });

  it('hands a sparse gradient to a backward as a dense one', () => {
    const run = recorded(() => {
      const table = step('table', [x], [3]);
      return record(value('loss'), [table], () => [{ rows: Int32Array.of(0), values: Float64Array.of(2) }]);
    });
    expect(play(run).get(x)).toBe(6);
  });

  it('plays once', () => {
    const run = recorded(() => step('loss', [x], [2]));
    expect(play(run).get(x)).toBe(2);
    expect(play(run).has(x)).toBe(false);
  });

  it('is 100 000 steps deep without a stack, and takes a value used 1000 times', () => {
    const deep = recorded(() => {
      let last = x;
      for (let i = 0; i < 100_000; i++) last = step('', [last], [i === 7 ? 3 : 1]);
      return last;
    });
    expect(play(deep).get(x)).toBe(3);
    const wide = recorded(() => {
      const parts = Array.from({ length: 1000 }, (_, i) => step('', [x], [i]));
      return step('loss', parts, new Array(1000).fill(1));
    });
    expect(play(wide).get(x)).toBe(499_500);
  });

  it('lets steps, values and gradients go while it plays', () => {
    const [LENGTH, MEGABYTE] = [32, 2 ** 20];
    const bytes = () => {
      collectGarbage();
      return process.memoryUsage().arrayBuffers / MEGABYTE;
    };
    const before = bytes();
    const held: number[] = [];
    const run = recorded(() => {
      let last: Value = x;
      for (let i = 0; i < LENGTH; i++) {
        const output = { name: 'a megabyte', data: new Uint8Array(MEGABYTE) };
        last = record(output as Value, [last], ([dOut]) => {
          held.push(bytes() - before);
          return [new Float64Array(MEGABYTE / 8).fill(dOut)];
        });
      }
      return step('loss', [last], [1]);
    });
    expect(bytes() - before).toBeGreaterThan(LENGTH - 1);
    expect(play(run).get(x)).toBe(1);
    // Before a step the values of the steps below it and its own, and its gradient. Some more may not be collected yet; what
    // is never let go grows by one a step.
    const late = 6;
    held.forEach((megabytes, at) => expect(megabytes, `step ${at} from the end`).toBeLessThan(LENGTH - at + 1 + late));
    expect(held).toHaveLength(LENGTH);
  });
});

describe('recording', () => {
  it('is off outside: a step leaves nothing behind', async () => {
    const refs: WeakRef<object>[] = [];
    for (let i = 0; i < 100; i++) {
      const input = value('input');
      const backward = () => [];
      const output = record(value('output'), [input], backward);
      refs.push(new WeakRef(input), new WeakRef(output), new WeakRef(backward));
    }
    await new Promise((resolve) => setTimeout(resolve));
    collectGarbage();
    expect(countAlive(refs)).toBeLessThanOrEqual(3); // the last turn's may still lie on the stack
    expect(isRecording()).toBe(false);
  });

  it('comes back as it was, after an error too', () => {
    const [outer, inner] = [new Tape<object>(), new Tape<object>()];
    whileRecording(outer, () => {
      expect(() =>
        whileRecording(inner, () => {
          throw new Error('no');
        }),
      ).toThrow('no');
      whileRecording(undefined, () => expect(isRecording()).toBe(false));
      expect(isRecording()).toBe(true);
      step('loss', [x], [2]);
    });
    expect(isRecording()).toBe(false);
    expect(inner.play(algebra as GradientAlgebra<object>, x, Float64Array.of(1), new Set()).size).toBe(1);
  });

  it('returns the output itself', () => {
    const output = value('output');
    expect(record(output, [x], () => [])).toBe(output);
  });
});

describe('an array that a backward will read', () => {
  it('is copied while a tape records, and only then', () => {
    const [flags, slopes] = [Uint8Array.of(1, 0), Float32Array.of(0.5)];
    expect(kept(flags)).toBe(flags);
    whileRecording(new Tape<object>(), () => {
      for (const array of [flags, slopes]) {
        expect(kept(array)).not.toBe(array);
        expect(kept(array)).toEqual(array);
      }
      whileRecording(undefined, () => expect(kept(flags)).toBe(flags));
    });
  });
});
