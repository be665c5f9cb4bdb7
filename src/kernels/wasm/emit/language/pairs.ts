import { type FunctionBuilder, range } from './builder.js';
import { Doubles } from './doubles.js';
import type { Int } from './values.js';
import type { IntVariable } from './variables.js';

/** Two floats of an array, or its last one alone, read and written as doubles. Another array is reached by its distance in bytes. */
export interface Pair {
  /** Which of the pairs of a loop's turn it is. */
  index: number;
  /** Of a last float alone the other lane is 0. */
  load(distance?: Int): Doubles;
  /** Rounded to float32. */
  store(value: Doubles, distance?: Int): void;
}

/** Runs `body` for floats [at, end), addresses: `count` pairs at a time, then one, then the last float. Nothing outside is touched. */
export function forPairs(
  f: FunctionBuilder,
  at: IntVariable,
  end: Int,
  count: number,
  body: (pair: Pair) => void,
): void {
  const { v128, f64x2, f32x4 } = f.m;
  const place = (distance?: Int) => (distance ? at.plus(distance) : at).build();
  const pairAt = (index: number, isAlone = false): Pair => {
    const [load, store] = isAlone ? [v128.load32_zero, v128.store32_lane] : [v128.load64_zero, v128.store64_lane];
    return {
      index,
      load: (distance) => new Doubles(f, () => f64x2.promote_low_f32x4(load(index * 8, 4, place(distance)))),
      store: (value, distance) =>
        f.push(store(index * 8, 4, 0, place(distance), f32x4.demote_f64x2_zero(value.build()))),
    };
  };
  f.for(at, at, end.minus(count * 8 - 1), count * 8, () => {
    for (const index of range(count)) body(pairAt(index));
  });
  if (count > 1) f.for(at, at, end.minus(7), 8, () => body(pairAt(0)));
  f.if(at.lt(end), () => body(pairAt(0, true)));
}
