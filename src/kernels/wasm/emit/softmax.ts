import type binaryen from 'binaryen';
import { boundedExpVector, boundedExpVectors, horizontalMax, horizontalSum } from './exp.js';
import { entry, range } from './language/builder.js';
import { forFloats } from './language/map.js';
import { forBlocks } from './language/rows.js';
import type { Vector } from './language/values.js';
import type { VectorVariable } from './language/variables.js';

/** Vectors a turn. Exponentials four at a time share their constants: 512×512 took 289 µs with one a turn, 226 with four. */
const WIDTH = 4;

/**
 * Rows [from, to): out = e^(x−max) / Σ e^(x−max), x and out (rows × cols). A row that is all −∞ gives zeros; NaN or +∞
 * makes its row NaN. Four partial sums, in an order that depends on cols alone. Relative error of an entry at most
 * (cols/2 + |x − max| + 12)·2^−24: the additions, the rounding of x − max, two exponentials, 1/Σ and the product; an
 * e^(x−max) below 2^−125.5 counts as 0.
 */
function softmaxRows(m: binaryen.Module): void {
  const parameters = { x: 'int', out: 'int', cols: 'int' } as const;
  entry(m, 'softmax_rows', parameters, (f, { x, out, cols, from, to }) => {
    const stride = f.intVariable('stride', cols.shl(2));
    const shift = f.intVariable('shift', out.minus(x));
    const [row, end, at] = f.intVariables('row', 'end', 'at');
    const parts = range(WIDTH).map((i) => f.vectorVariable(`part${i}`));
    const [v, max, sums, total] = f.vectorVariables('v', 'max', 'sums', 'total');
    const [rowMax, sum] = f.floatVariables('rowMax', 'sum');
    f.for(row, x.plus(from.times(stride)), x.plus(to.times(stride)), stride, () => {
      end.set(row.plus(stride));
      for (const part of parts) part.set(f.constant(Number.NEGATIVE_INFINITY));
      const larger = (i: number, value: Vector) => parts[i].set(parts[i].pmax(value));
      forFloats(
        f,
        at,
        row,
        end,
        WIDTH,
        (offset, i) => larger(i, at.vector(offset)),
        () => larger(0, at.splatAt()),
      );
      rowMax.set(
        horizontalMax(
          f,
          parts.slice(1).reduce<Vector>((a, b) => a.pmax(b), parts[0]),
        ),
      );
      // Not −∞ − (−∞): a row of −∞ then sums to 0, and a NaN that pmax passed over still shows.
      max.set(rowMax.eq(Number.NEGATIVE_INFINITY).chooseFloat(0, rowMax).splat());

      total.set(f.constant(0));
      const exponentials = (out: VectorVariable[]) => {
        boundedExpVectors(
          f,
          out,
          out.map((_, i) => at.vector(i * 16).minus(max)),
        );
        out.forEach((e, i) => at.plus(shift).store(e, i * 16));
        for (const e of out) sums.set(sums.plus(e));
      };
      forBlocks(f, { at, start: row, end }, 1, (block) => {
        sums.set(f.constant(0));
        f.for(at, block.start, block.end.minus(WIDTH * 16 - 1), WIDTH * 16, () => exponentials(parts));
        forFloats(
          f,
          at,
          at,
          block.end,
          1,
          () => exponentials([v]),
          () => {
            boundedExpVector(f, v, at.splatAt().minus(max));
            at.plus(shift).store(v.lane(0));
            sums.set(sums.plus(v.and(f.lanes(-1, 0, 0, 0))));
          },
        );
        total.set(total.plus(sums));
      });
      sum.set(horizontalSum(f, total));
      v.set(sum.eq(0).chooseFloat(0, f.float(1).dividedBy(sum)).splat());
      const scaled = (offset: number) => at.store(at.vector(offset).times(v), offset);
      forFloats(f, at, row.plus(shift), end.plus(shift), WIDTH, scaled, () => at.store(at.float().times(v.lane(0))));
    });
  });
}

export function emitSoftmax(m: binaryen.Module): void {
  softmaxRows(m);
}
