import type binaryen from 'binaryen';
import type { AttentionField } from '../../module/attention-record.js';
import { tanhVector } from '../activations.js';
import { define, type FunctionBuilder } from '../language/builder.js';
import type { Int, Vector } from '../language/values.js';
import type { IntVariable } from '../language/variables.js';
import { type Field, fieldsOf } from './fields.js';

// What happens to one row of scores before the softmax, four at a time, in place: softcap → ALiBi → bias → masks → band.
// Rows are padded to a multiple of 8; what lies past the last key is −∞ after the band. Every choice is made by selection,
// so that NaN at a position that may not be attended is replaced, never multiplied.

/** What one row of scores is: parameters of attention_logits after the record. */
export interface ScoreRow {
  scores: Int;
  /** Multiple of 8. */
  count: Int;
  /** The scores are those of keys [firstKey, firstKey + count) of the sequence. */
  firstKey: Int;
  /** Keys of the sequence. */
  numKeys: Int;
  /** First key row of the sequence in the packed matrix. */
  keyRow: Int;
  /** Query row in the packed matrix. */
  queryRow: Int;
  position: Int;
  head: Int;
}

/** Stage 'softcapped': c·tanh(score / c), where the call has a softcap. */
export function callSoftcap(
  f: FunctionBuilder,
  record: Int,
  { scores, count }: Pick<ScoreRow, 'scores' | 'count'>,
): void {
  f.call('attention_softcap', record, scores, count);
}

/** Stage 'masked': everything. */
export function callLogits(f: FunctionBuilder, record: Int, row: ScoreRow): void {
  const { scores, count, firstKey, numKeys, keyRow, queryRow, position, head } = row;
  f.call('attention_logits', record, scores, count, firstKey, numKeys, keyRow, queryRow, position, head);
}

/** Not 0 where something besides the band changes scores. */
export function changesScores(field: Field): Int {
  const changes = ['softcap', 'alibi', 'bias', 'mask', 'keyMask'] as const;
  return changes.map(field).reduce((any, value) => any.or(value));
}

/** Runs over the row four scores at a time; `index` is the first of the four, counted from firstKey. */
function forVectors(
  f: FunctionBuilder,
  row: Pick<ScoreRow, 'scores' | 'count'>,
  index: IntVariable,
  change: (at: Int) => Vector,
): void {
  f.for(index, 0, row.count, 4, () => {
    const at = row.scores.plus(index.shl(2));
    at.store(change(at));
  });
}

function softcap(m: binaryen.Module): void {
  define(m, 'attention_softcap', { record: 'int', scores: 'int', count: 'int' }, (f, p) => {
    const cap = f.floatVariable('cap', fieldsOf(p.record)('softcap').asFloat());
    f.if(cap.ne(0), () => {
      const v = f.vectorVariable('v');
      forVectors(f, p, f.intVariable('index'), (at) => {
        v.set(at.vector().dividedBy(cap.splat()));
        return tanhVector(f, v).times(cap.splat());
      });
    });
  });
}

function logits(m: binaryen.Module): void {
  const parameters = {
    record: 'int',
    scores: 'int',
    count: 'int',
    firstKey: 'int',
    numKeys: 'int',
    keyRow: 'int',
    queryRow: 'int',
    position: 'int',
    head: 'int',
  } as const;
  define(m, 'attention_logits', parameters, (f, row) => {
    const field = fieldsOf(row.record);
    callSoftcap(f, row.record, row);
    changes(f, field, row);
  });
}

function changes(f: FunctionBuilder, field: Field, row: ScoreRow): void {
  const index = f.intVariable('index');
  const source = f.intVariable('source');
  const v = f.vectorVariable('v');
  const w = f.vectorVariable('w');
  const minusInfinity = f.floats(Number.NEGATIVE_INFINITY);
  const optional = (name: AttentionField, apply: () => void) => f.if(field(name), apply);

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

export function emitLogits(m: binaryen.Module): void {
  softcap(m);
  logits(m);
}
