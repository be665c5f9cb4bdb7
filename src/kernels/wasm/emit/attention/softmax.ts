import type binaryen from 'binaryen';
import { KEY_TILE } from '../../module/attention-record.js';
import { exp2Vector, exp2Vectors, horizontalMax, horizontalSum } from '../exp.js';
import { define, type FunctionBuilder, range, signature } from '../language/builder.js';
import type { Int, Vector } from '../language/values.js';
import type { VectorVariable } from '../language/variables.js';

// The online softmax of one tile of scores, in three sweeps over its rows, so that no row waits for the chain of another:
//   1. t = max S of every row;
//   2. four rows at a time: m' = max(m, t), factor = e^{m−m'}, s = s·factor, m = m';
//   3. every row: O = O·factor where factor ≠ 1, P = e^{S−m'}, s = s + Σ P.
// A row with nothing to attend to yet has m' = −∞: its factor is 1 and its scores are measured from 0, so that P = 0.
//
//   S, P       logits of the tile, and the weights that take their place, not yet divided by s
//   m, s       of every row up to the last tile, m' with this one
//   factors    t after sweep 1, e^{m−m'} after sweep 2;  shifts: m', or 0 where m' is −∞
//
//           count keys                per row, four rows a vector
//   row r   │ S S S S S S S S … │     max[r], sum[r], factors[r], shifts[r]

/** Vectors a turn of the exponentials, which then share their constants (see softmax.ts). */
const WIDTH = 4;

/**
 * scores: `rows` rows of `count` (multiple of 8) at KEY_TILE floats apart, replaced by P. max, sum, factors, shifts: a
 * float a row, room for a multiple of 4. out: rows of outStride bytes.
 */
export const softmaxRows = signature('attention_softmax_rows', {
  scores: 'int',
  rows: 'int',
  count: 'int',
  max: 'int',
  sum: 'int',
  factors: 'int',
  shifts: 'int',
  out: 'int',
  outStride: 'int',
});

export function emitSoftmaxRows(m: binaryen.Module): void {
  define(m, softmaxRows, (f, p) => {
    const [r, row, end, at, out] = f.intVariables('r', 'row', 'end', 'at', 'outAt');
    const each = (step: number, body: () => void) => f.for(r, 0, p.rows, step, body);
    const startRow = () => {
      row.set(p.scores.plus(r.times(KEY_TILE * 4)));
      end.set(row.plus(p.count.shl(2)));
    };
    const [m0, m1] = f.vectorVariables('m0', 'm1');
    each(1, () => {
      startRow();
      m0.set(row.vector(0));
      m1.set(row.vector(16));
      f.for(at, row.plus(32), end, 32, () => {
        m0.set(m0.pmax(at.vector(0)));
        m1.set(m1.pmax(at.vector(16)));
      });
      m0.set(m0.pmax(m1));
      // pmax drops NaN; e^{NaN} in the third sweep brings it back.
      p.factors.plus(r.shl(2)).store(horizontalMax(f, m0));
    });

    const [old, tile, next, factor] = f.vectorVariables('old', 'tile', 'next', 'factor');
    each(4, () => {
      const of = (array: Int): Int => array.plus(r.shl(2));
      old.set(of(p.max).vector());
      tile.set(of(p.factors).vector());
      next.set(old.lt(tile).or(tile.ne(tile)).choose(tile, old));
      exp2Vector(f, factor, toBase2(f, old.minus(next)));
      const empty = next.eq(f.floats(Number.NEGATIVE_INFINITY));
      factor.set(empty.choose(f.floats(1), factor));
      of(p.max).store(next);
      of(p.sum).store(of(p.sum).vector().times(factor));
      of(p.factors).store(factor);
      of(p.shifts).store(next.andNot(empty));
    });

    const sums = range(2).map((i) => f.vectorVariable(`sum${i}`));
    const shift = f.vectorVariable('shift');
    const weights = range(WIDTH).map((i) => f.vectorVariable(`weight${i}`));
    each(1, () => {
      startRow();
      factor.set(p.factors.plus(r.shl(2)).splatAt());
      f.if(factor.lane(0).ne(1), () => {
        out.set(p.out.plus(r.times(p.outStride)));
        f.for(at, out, out.plus(p.outStride), 16, () => at.store(at.vector().times(factor)));
      });
      shift.set(p.shifts.plus(r.shl(2)).splatAt());
      for (const sum of sums) sum.set(f.floats(0));
      const exponentials = (out: VectorVariable[]) => {
        exp2Vectors(
          f,
          out,
          out.map((_, i) => toBase2(f, at.vector(i * 16).minus(shift))),
        );
        out.forEach((v, i) => at.store(v, i * 16));
        out.forEach((v, i) => sums[i % 2].set(sums[i % 2].plus(v)));
      };
      f.for(at, row, end.minus(WIDTH * 16 - 1), WIDTH * 16, () => exponentials(weights));
      f.for(at, at, end, 32, () => exponentials(weights.slice(0, 2)));
      const sum = p.sum.plus(r.shl(2));
      sum.store(sum.float().plus(horizontalSum(f, sums[0].plus(sums[1]))));
    });
  });
}

/** x·log2(e), only after the maximum was subtracted: before, a logit above 2.3e38 would overflow. */
export function toBase2(f: FunctionBuilder, x: Vector): Vector {
  return x.times(f.constant(Math.LOG2E));
}
