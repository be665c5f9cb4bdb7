import { describe, expect, it } from 'vitest';
import { allOrNone, hasCounted } from '../../src/core/all-or-none.js';

class Counter {
  calls = 0;

  count(): number {
    const { calls } = this;
    hasCounted(this, () => {
      this.calls = calls;
    });
    return ++this.calls;
  }
}

const failing = (f: () => void) => () => {
  f();
  throw new Error('planned');
};

describe('allOrNone', () => {
  it('gives the result and keeps what was counted', () => {
    const counter = new Counter();
    expect(allOrNone(() => counter.count())).toBe(1);
    counter.count();
    expect(counter.calls).toBe(2);
  });

  it('puts everything back, however often it was counted, and hands the error on', () => {
    const counters = [new Counter(), new Counter()];
    counters[0].count();
    const f = failing(() => {
      for (let i = 0; i < 3; i++) for (const counter of counters) counter.count();
    });
    expect(() => allOrNone(f)).toThrow('planned');
    expect(counters.map(({ calls }) => calls)).toEqual([1, 0]);
  });

  it('puts back what inner calls counted that went well', () => {
    const counter = new Counter();
    const f = failing(() => {
      counter.count();
      allOrNone(() => counter.count());
      allOrNone(() => counter.count());
    });
    expect(() => allOrNone(f)).toThrow('planned');
    expect(counter.calls).toBe(0);
  });

  it('puts back an inner call alone where its error is caught', () => {
    const counter = new Counter();
    allOrNone(() => {
      counter.count();
      expect(() => allOrNone(failing(() => counter.count()))).toThrow('planned');
      expect(counter.calls).toBe(1);
      counter.count();
    });
    expect(counter.calls).toBe(2);
  });

  it('forgets a call when it is over', () => {
    const counter = new Counter();
    allOrNone(() => counter.count());
    expect(() => allOrNone(failing(() => undefined))).toThrow('planned');
    expect(counter.calls).toBe(1);
  });
});
