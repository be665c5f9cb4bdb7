import type { Vector } from './values.js';
import type { VectorVariable } from './variables.js';

/**
 * The columns of the rows v, four floats each; `pairs` are four locals that it uses. Lanes:
 *
 *   v0  a0 a1 a2 a3           a0 b0 a1 b1           a0 b0 c0 d0
 *   v1  b0 b1 b2 b3    pairs  c0 d0 c1 d1    gives  a1 b1 c1 d1
 *   v2  c0 c1 c2 c3           a2 b2 a3 b3           a2 b2 c2 d2
 *   v3  d0 d1 d2 d3           c2 d2 c3 d3           a3 b3 c3 d3
 */
export function transposed(pairs: VectorVariable[], v: VectorVariable[]): Vector[] {
  pairs[0].set(v[0].shuffle(v[1], [0, 4, 1, 5]));
  pairs[1].set(v[2].shuffle(v[3], [0, 4, 1, 5]));
  pairs[2].set(v[0].shuffle(v[1], [2, 6, 3, 7]));
  pairs[3].set(v[2].shuffle(v[3], [2, 6, 3, 7]));
  return [
    pairs[0].shuffle(pairs[1], [0, 1, 4, 5]),
    pairs[0].shuffle(pairs[1], [2, 3, 6, 7]),
    pairs[2].shuffle(pairs[3], [0, 1, 4, 5]),
    pairs[2].shuffle(pairs[3], [2, 3, 6, 7]),
  ];
}
