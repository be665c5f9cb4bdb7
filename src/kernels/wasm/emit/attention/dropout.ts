import type binaryen from 'binaryen';
import { ENTRIES_AT_ONCE } from '../../module/attention-record.js';
import { define, entry, range, signature } from '../language/builder.js';
import { transposed } from '../language/transpose.js';
import type { VectorVariable } from '../language/variables.js';
import { fieldsOf } from './fields.js';

// Dropout of attention weights: key j of a row is dropped where its random word is below dropThreshold = dropout · 2^32.
// The words are those of Philox 4×32-10 (core/random.ts; Salmon, Moraes, Dror, Shaw 2011) with
//   counter (j / 4, query, sequence · numHeads + head, call), key (seedLow, seedHigh)
// four blocks at a time, so that a round decides over 16 keys:
//
//             lane 0   1    2    3                     lane 0   1    2    3
//   word0   │ key 0    4    8   12 │              │ key  0    1    2    3 │
//   word1   │     1    5    9   13 │  transposed  │      4    5    6    7 │
//   word2   │     2    6   10   14 │     ──►      │      8    9   10   11 │
//   word3   │     3    7   11   15 │              │     12   13   14   15 │
const MULTIPLIERS = [0xd2511f53 | 0, 0xcd9e8d57 | 0];
const WEYL = [0x9e3779b9 | 0, 0xbb67ae85 | 0];

/**
 * Sets the weights of one row that dropout drops to 0. weights: `count` floats (multiple of 8) of keys firstKey …
 * (multiple of 16) of the sequence; key j uses word j % 4 of block j / 4.
 */
export const dropWeights = signature('attention_dropout', {
  record: 'int',
  weights: 'int',
  count: 'int',
  firstKey: 'int',
  /** Row of the query in its sequence. */
  query: 'int',
  /** sequence · numHeads + head. */
  unit: 'int',
});

export function emitDropout(m: binaryen.Module): void {
  define(m, dropWeights, (f, p) => {
    const field = fieldsOf(p.record);
    const words = range(4).map((i) => f.vectorVariable(`word${i}`));
    const keys = range(2).map((i) => f.intVariable(`key${i}`));
    const [high0, low0, high1, low1, even, odd] = f.vectorVariables('high0', 'low0', 'high1', 'low1', 'even', 'odd');
    const threshold = f.vectorVariable('threshold', field('dropThreshold').splat());
    const dropAll = f.vectorVariable('dropAll', field('dropAll').splat());
    const index = f.intVariable('index');
    /** high and low words of the products of all lanes with a constant. */
    const multiply = (x: VectorVariable, by: number, high: VectorVariable, low: VectorVariable) => {
      even.set(x.multiplyLow(f.ints(by)));
      odd.set(x.multiplyHigh(f.ints(by)));
      low.set(even.shuffle(odd, [0, 2, 4, 6]));
      high.set(even.shuffle(odd, [1, 3, 5, 7]));
    };
    f.for(index, 0, p.count, 16, () => {
      words[0].set(
        p.firstKey
          .plus(index)
          .shr(2)
          .splat()
          .intPlus(f.lanes(0, 1, 2, 3)),
      );
      words[1].set(p.query.splat());
      words[2].set(p.unit.splat());
      words[3].set(field('call').splat());
      keys[0].set(field('seedLow'));
      keys[1].set(field('seedHigh'));
      const round = f.intVariable('round');
      f.for(round, 0, 10, 1, () => {
        multiply(words[0], MULTIPLIERS[0], high0, low0);
        multiply(words[2], MULTIPLIERS[1], high1, low1);
        words[0].set(high1.xor(words[1]).xor(keys[0].splat()));
        words[1].set(low1);
        words[2].set(high0.xor(words[3]).xor(keys[1].splat()));
        words[3].set(low0);
        keys.forEach((key, i) => key.add(WEYL[i]));
      });
      const pairs = range(4).map((i) => f.vectorVariable(`pair${i}`));
      transposed(pairs, words).forEach((block, b) => {
        f.if(index.plus(4 * b).lt(p.count), () => {
          const at = p.weights.plus(index.plus(4 * b).shl(2));
          at.store(at.vector().and(block.unsignedGe(threshold)).andNot(dropAll));
        });
      });
    });
  });
}

/** Sets the entries of x that dropout drops to 0, as if all `count` were keys of one row; a unit is ENTRIES_AT_ONCE of them. */
export function emitDropEntries(m: binaryen.Module): void {
  entry(m, 'drop_entries', { record: 'int', x: 'int', count: 'int' }, (f, p) => {
    const first = f.intVariable('first', p.from.times(ENTRIES_AT_ONCE));
    const count = p.to.times(ENTRIES_AT_ONCE).min(p.count).minus(first);
    const weights = p.x.plus(first.shl(2));
    f.run(dropWeights, { record: p.record, weights, count, firstKey: first, query: 0, unit: 0 });
  });
}
