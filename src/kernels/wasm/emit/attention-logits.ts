import type { AttentionField } from '../attention-record.js';
import { tanhVector } from './activations.js';
import type { FunctionBuilder, Int, IntVariable, Vector } from './builder.js';

// What happens to one row of scores before the softmax, four at a time, in place: softcap → ALiBi → bias → masks → band.
// Rows are padded to a multiple of 8; what lies past the last key is −∞ after the band. Every choice is made by selection,
// so that NaN at a position that may not be attended is replaced, never multiplied.

export type Field = (name: AttentionField) => Int;

/** One row: scores of keys [firstKey, firstKey + count) of the sequence for one query of one head. */
export interface ScoreRow {
  scores: IntVariable;
  /** Multiple of 8. */
  count: IntVariable;
  firstKey: IntVariable;
  /** Keys of the sequence. */
  numKeys: IntVariable;
  /** First key row of the sequence in the packed matrix. */
  keyRow: IntVariable;
  /** Query row in the packed matrix. */
  queryRow: IntVariable;
  position: IntVariable;
  head: IntVariable;
}

/** Runs over the row four scores at a time; `index` is the first of the four, counted from firstKey. */
function forVectors(f: FunctionBuilder, row: ScoreRow, index: IntVariable, change: (at: Int) => Vector): void {
  f.for(index, 0, row.count, 4, () => {
    const at = row.scores.plus(index.shl(2));
    at.store(change(at));
  });
}

/** Stage 'softcapped': c·tanh(score / c). */
export function emitSoftcap(f: FunctionBuilder, field: Field, row: ScoreRow): void {
  f.if(field('softcap'), () => {
    const v = f.vectorVariable('v');
    const cap = f.vectorVariable('cap', field('softcap').asFloat().splat());
    forVectors(f, row, f.intVariable('index'), (at) => {
      v.set(at.vector().dividedBy(cap));
      return tanhVector(f, v).times(cap);
    });
  });
}

/** Stage 'masked': everything. */
export function emitLogits(f: FunctionBuilder, field: Field, row: ScoreRow): void {
  const index = f.intVariable('index');
  const source = f.intVariable('source');
  const v = f.vectorVariable('v');
  const w = f.vectorVariable('w');
  const minusInfinity = f.floats(Number.NEGATIVE_INFINITY);
  const optional = (name: AttentionField, apply: () => void) => f.if(field(name), apply);

  emitSoftcap(f, field, row);
  optional('alibi', () => {
    const slope = f.vectorVariable('slope', field('alibi').plus(row.head.shl(2)).splatAt());
    forVectors(f, row, index, (at) => {
      const distance = row.position
        .minus(row.firstKey)
        .minus(index)
        .splat()
        .intMinus(f.lanes(0, 1, 2, 3));
      return at.vector().minus(distance.toFloats().abs().times(slope));
    });
  });
  optional('bias', () => {
    source.set(rowAddress(field, row, 'bias', 'biasHeadStride', 4));
    forVectors(f, row, index, (at) => {
      v.set(source.plus(index.shl(2)).vector());
      w.set(at.vector().plus(v));
      return v.eq(minusInfinity).choose(minusInfinity, w);
    });
  });
  const maskBy = (bytes: Int) => {
    source.set(bytes);
    forVectors(f, row, index, (at) => {
      return source.plus(index).bytesAt().intEq(f.ints(0)).choose(minusInfinity, at.vector());
    });
  };
  optional('mask', () => maskBy(rowAddress(field, row, 'mask', 'maskHeadStride', 1)));
  optional('keyMask', () => maskBy(field('keyMask').plus(row.keyRow).plus(row.firstKey)));

  // The band: first ≤ index ≤ last, counted from firstKey.
  const first = f.intVariable('first', row.position.minus(field('left')).minus(row.firstKey));
  const last = f.intVariable('last', row.position.plus(field('right')).min(row.numKeys.minus(1)).minus(row.firstKey));
  f.if(first.gt(0).or(last.lt(row.count.minus(1))), () => {
    forVectors(f, row, index, (at) => {
      w.set(index.splat().intPlus(f.lanes(0, 1, 2, 3)));
      return w.intLt(first.splat()).or(w.intGt(last.splat())).choose(minusInfinity, at.vector());
    });
  });
}

/** Where the row of a mask or bias begins: row head·rowsPerHead + queryRow, column firstKey. */
function rowAddress(field: Field, row: ScoreRow, base: AttentionField, headStride: AttentionField, size: 1 | 4): Int {
  const entry = row.queryRow.times(field('columns')).plus(row.firstKey);
  return field(base)
    .plus(row.head.times(field(headStride)))
    .plus(size === 4 ? entry.shl(2) : entry);
}
