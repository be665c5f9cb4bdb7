import type binaryen from 'binaryen';
import { KEY_TILE } from '../attention-record.js';
import { define, type FunctionBuilder, type Int, type Vector } from './builder.js';
import { exp2Vector, horizontalMax, horizontalSum } from './exp.js';

// The online softmax of one tile of scores, in three sweeps over its rows, so that no row waits for the chain of another:
//   1. t = max S of every row;
//   2. four rows at a time: m' = max(m, t), factor = e^{m−m'}, s = s·factor, m = m';
//   3. every row: O = O·factor where factor ≠ 1, P = e^{S−m'}, s = s + Σ P.
// A row with nothing to attend to yet has m' = −∞: its factor is 1 and its scores are measured from 0, so that P = 0.

/**
 * scores: `rows` rows of `count` (multiple of 8) at KEY_TILE floats apart, replaced by P. max, sum, factors, shifts: a
 * float a row, room for a multiple of 4. out: rows of outStride bytes.
 */
export function emitSoftmaxRows(m: binaryen.Module): void {
  const parameters = {
    scores: 'int',
    rows: 'int',
    count: 'int',
    max: 'int',
    sum: 'int',
    factors: 'int',
    shifts: 'int',
    out: 'int',
    outStride: 'int',
  } as const;
  define(m, 'attention_softmax_rows', parameters, (f, p) => {
    const [r, row, end, at, out] = ['r', 'row', 'end', 'at', 'outAt'].map((name) => f.intVariable(name));
    const each = (step: number, body: () => void) => f.for(r, 0, p.rows, step, body);
    const startRow = () => {
      row.set(p.scores.plus(r.times(KEY_TILE * 4)));
      end.set(row.plus(p.count.shl(2)));
    };
    const [m0, m1] = [f.vectorVariable('m0'), f.vectorVariable('m1')];
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

    const [old, tile, next, factor] = ['old', 'tile', 'next', 'factor'].map((name) => f.vectorVariable(name));
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

    const [s0, s1, v, shift] = ['s0', 's1', 'v', 'shift'].map((name) => f.vectorVariable(name));
    each(1, () => {
      startRow();
      factor.set(p.factors.plus(r.shl(2)).splatAt());
      f.if(factor.lane(0).ne(1), () => {
        out.set(p.out.plus(r.times(p.outStride)));
        f.for(at, out, out.plus(p.outStride), 16, () => at.store(at.vector().times(factor)));
      });
      shift.set(p.shifts.plus(r.shl(2)).splatAt());
      s0.set(f.floats(0));
      s1.set(f.floats(0));
      f.for(at, row, end, 32, () => {
        for (const [offset, s] of [
          [0, s0],
          [16, s1],
        ] as const) {
          exp2Vector(f, v, toBase2(f, at.vector(offset).minus(shift)));
          at.store(v, offset);
          s.set(s.plus(v));
        }
      });
      const sum = p.sum.plus(r.shl(2));
      sum.store(sum.float().plus(horizontalSum(f, s0.plus(s1))));
    });
  });
}

/** x·log2(e), only after the maximum was subtracted: before, a logit above 2.3e38 would overflow. */
export function toBase2(f: FunctionBuilder, x: Vector): Vector {
  return x.times(f.floats(Math.LOG2E));
}
