import type binaryen from 'binaryen';
import type { AttentionField } from '../../module/attention-record.js';
import { tanhVector } from '../activations.js';
import { define, type FunctionBuilder, signature } from '../language/builder.js';
import type { Int, Vector } from '../language/values.js';
import type { IntVariable } from '../language/variables.js';
import { type Field, fieldsOf } from './fields.js';

// From scores to logits, one row of a tile at a time, four keys at a time, in place:
//   Z = c·tanh(S / c) − slope·|position − key| + bias,  −∞ where a mask is 0, bias is −∞ or the key is outside the band
//
//   S, Z        scores and logits of one query row
//   c           softcap;  slope: of ALiBi, one per head
//   band        position − left ≤ key ≤ position + right, key < numKeys (tiles.ts)
//
//   key         firstKey              first            last           firstKey + count
//   Z           │ −∞ −∞ −∞ −∞ −∞ −∞ −∞ │ z z z z z z z z │ −∞ −∞ −∞ −∞ │
//
// Rows are padded to a multiple of 8; what lies past the last key is −∞ after the band. Every choice is made by selection,
// so that NaN at a position that may not be attended is replaced, never multiplied.

/** Stage 'softcapped': c·tanh(score / c) for `count` scores, a multiple of 4, where the call has a softcap. */
export const softcap = signature('attention_softcap', { record: 'int', scores: 'int', count: 'int' });

/** Stage 'masked': everything that happens to one row of scores. */
export const logits = signature('attention_logits', {
  record: 'int',
  scores: 'int',
  /** Multiple of 8. */
  count: 'int',
  /** The scores are those of keys [firstKey, firstKey + count) of the sequence. */
  firstKey: 'int',
  /** Keys of the sequence. */
  numKeys: 'int',
  /** First key row of the sequence in the packed matrix. */
  keyRow: 'int',
  /** Query row in the packed matrix. */
  queryRow: 'int',
  position: 'int',
  head: 'int',
});

type ScoreRow = Record<keyof typeof logits.parameters, Int>;

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

function emitSoftcap(m: binaryen.Module): void {
  define(m, softcap, (f, p) => {
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

function emitChanges(m: binaryen.Module): void {
  define(m, logits, (f, row) => {
    f.run(softcap, row);
    changes(f, fieldsOf(row.record), row);
  });
}

function changes(f: FunctionBuilder, field: Field, row: ScoreRow): void {
  const [index, source] = f.intVariables('index', 'source');
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
  emitSoftcap(m);
  emitChanges(m);
}
