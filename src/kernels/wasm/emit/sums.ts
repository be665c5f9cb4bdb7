import type binaryen from 'binaryen';
import { SUM_BLOCK } from '../summation.js';
import { entry, range } from './language/builder.js';
import type { Doubles } from './language/doubles.js';
import { forPairs } from './language/pairs.js';

// Σ term(x_i) over all entries of an array, in float64: block b of SUM_BLOCK entries by a unit of its own, in PARTS partial
// sums of two lanes: entry i of a block is added to lane i % 2 of partial (i >> 1) % PARTS while 2·PARTS are left, and of
// partial 0 behind them. Who calls adds the blocks, ascending.

const PARTS = 4;

/** Blocks [from, to): out[b], eight bytes each = Σ term(x_i) of block b. x has `length` floats. */
function blockSums(m: binaryen.Module, name: string, term: (x: Doubles) => Doubles): void {
  entry(m, name, { x: 'int', out: 'int', length: 'int' }, (f, { x, out, length, from, to }) => {
    const [block, at, end] = ['block', 'at', 'end'].map((variable) => f.intVariable(variable));
    const parts = range(PARTS).map(() => f.doublesVariable('part'));
    const value = f.doublesVariable('value');
    f.for(block, from, to, 1, () => {
      at.set(x.plus(block.times(SUM_BLOCK * 4)));
      end.set(at.plus(SUM_BLOCK * 4).min(x.plus(length.shl(2))));
      for (const part of parts) part.set(f.doubles(0));
      forPairs(f, at, end, PARTS, ({ index, load }) => {
        value.set(load());
        parts[index].set(parts[index].plus(term(value)));
      });
      const [first, ...others] = parts;
      const all = f.doublesVariable(
        'all',
        others.reduce<Doubles>((a, b) => a.plus(b), first),
      );
      all
        .lane(0)
        .plus(all.lane(1))
        .storeAt(out.plus(block.shl(3)));
    });
  });
}

export function emitSum(m: binaryen.Module): void {
  blockSums(m, 'block_sums', (x) => x);
}

export function emitSumOfSquares(m: binaryen.Module): void {
  blockSums(m, 'block_sums_of_squares', (x) => x.times(x));
}
