import type binaryen from 'binaryen';
import { define, type FunctionBuilder, signature } from '../language/builder.js';
import type { Int } from '../language/values.js';
import { fieldsOf, valueStrideOf } from './fields.js';

// What is done to query rows of one head before their first tile of keys and after their last:
//   m = sink or −∞, s = 1 or 0, O = 0, scale·Q        then tile after tile        O·keepScale / s, m and s to the results
//
//   m, s, O     as in attention.ts;  keepScale: 1 / (1 − dropout)
//   first       row of the scratch that is the first query's
//
//             scratch, rows first …              results, rows queryRow …, of `head`
//   query 0   │ scale·q │ m │ s │ o o o o │  ──► │ o o o o │ m │ s │
//   query 1   │ scale·q │ m │ s │ o o o o │  ──► │ o o o o │ m │ s │

const PARAMETERS = {
  record: 'int',
  scratch: 'int',
  /** Query row in the packed matrix. */
  queryRow: 'int',
  head: 'int',
  rows: 'int',
  first: 'int',
} as const;

type Rows = Record<keyof typeof PARAMETERS, Int>;

/** m = sink (or −∞), s = 1 (or 0), O = 0, and scale·Q, for every row. */
export const startRows = signature('attention_start_rows', PARAMETERS);

/** Writes O / s (0 where s is 0), m and s of every row. */
export const finishRows = signature('attention_finish_rows', PARAMETERS);

function emitStart(m: binaryen.Module): void {
  define(m, startRows, (f, p) => {
    const field = fieldsOf(p.record);
    const row = p.scratch.plus(p.first.shl(2));
    const sink = f.floatVariable('sink', Number.NEGATIVE_INFINITY);
    f.if(field('sinks'), () => sink.set(field('sinks').plus(p.head.shl(2)).float()));
    const keyWidth = f.intVariable('keyWidth', field('keyWidth'));
    const outStride = f.intVariable('outStride', valueStrideOf(field));
    const [r, c, source, target] = f.intVariables('r', 'c', 'source', 'target');
    const scale = f.floatVariable('scale', field('scale').asFloat());
    f.fill(p.scratch.plus(field('atOut')).plus(p.first.times(outStride)), 0, p.rows.times(outStride));
    source.set(
      field('q')
        .plus(p.queryRow.times(field('ldq')))
        .plus(p.head.times(keyWidth).shl(2)),
    );
    target.set(p.scratch.plus(field('atQuery')).plus(p.first.times(keyWidth).shl(2)));
    f.for(r, 0, p.rows.shl(2), 4, () => {
      row.plus(field('atMax')).plus(r).store(sink);
      row.plus(field('atSum')).plus(r).store(sink.eq(Number.NEGATIVE_INFINITY).chooseFloat(0, 1));
      f.for(c, 0, keyWidth.and(-4).shl(2), 16, () =>
        target.plus(c).store(source.plus(c).vector().times(scale.splat())),
      );
      f.for(c, c, keyWidth.shl(2), 4, () => target.plus(c).store(source.plus(c).float().times(scale)));
      source.add(field('ldq'));
      target.add(keyWidth.shl(2));
    });
  });
}

function emitFinish(m: binaryen.Module): void {
  define(m, finishRows, (f, p) => {
    const field = fieldsOf(p.record);
    const row = p.scratch.plus(p.first.shl(2));
    const valueWidth = f.intVariable('valueWidth', field('valueWidth'));
    const outStride = f.intVariable('outStride', valueStrideOf(field));
    const [r, c, from, to] = f.intVariables('r', 'c', 'from', 'to');
    const statistic = f.intVariable('statistic', p.queryRow.times(field('numHeads')).plus(p.head).shl(2));
    const sum = f.floatVariable('sum');
    const factor = f.floatVariable('keepScale', field('keepScale').asFloat());
    from.set(p.scratch.plus(field('atOut')).plus(p.first.times(outStride)));
    to.set(outOf(p, valueWidth));
    f.for(r, 0, p.rows.shl(2), 4, () => {
      sum.set(row.plus(field('atSum')).plus(r).float());
      field('max')
        .plus(statistic)
        .store(row.plus(field('atMax')).plus(r).float());
      field('sum').plus(statistic).store(sum);
      f.if(
        sum.eq(0),
        () => f.fill(to, 0, valueWidth.shl(2)),
        () => {
          f.for(c, 0, valueWidth.and(-4).shl(2), 16, () => {
            to.plus(c).store(from.plus(c).vector().times(factor.splat()).dividedBy(sum.splat()));
          });
          f.for(c, c, valueWidth.shl(2), 4, () => {
            to.plus(c).store(from.plus(c).float().times(factor).dividedBy(sum));
          });
        },
      );
      from.add(outStride);
      to.add(field('ldo'));
      statistic.add(field('numHeads').shl(2));
    });
  });
}

/** Where the output of the first row begins. */
function outOf(p: Pick<Rows, 'record' | 'queryRow' | 'head'>, valueWidth: Int): Int {
  const field = fieldsOf(p.record);
  return field('out')
    .plus(p.queryRow.times(field('ldo')))
    .plus(p.head.times(valueWidth).shl(2));
}

/** Runs `then` if any output of these finished rows, of `heads` heads from `head` on, is NaN or infinite. */
export function ifNotFinite(
  f: FunctionBuilder,
  p: Pick<Rows, 'record' | 'queryRow' | 'head' | 'rows'> & { heads: Int | number },
  then: () => void,
): void {
  const field = fieldsOf(p.record);
  const bytes = f.intVariable('bytes', field('valueWidth').times(p.heads).shl(2));
  const [r, c] = f.intVariables('badRow', 'badColumn');
  const at = f.intVariable('outAt', outOf(p, field('valueWidth')));
  const bad = f.vectorVariable('bad', f.floats(0));
  const v = f.vectorVariable('outVector');
  const look = () => bad.set(bad.or(v.minus(v).ne(f.floats(0)))); // x − x is 0 for finite x, else NaN
  f.for(r, 0, p.rows, 1, () => {
    f.for(c, 0, bytes.minus(15), 16, () => {
      v.set(at.plus(c).vector());
      look();
    });
    f.for(c, c, bytes, 4, () => {
      v.set(at.plus(c).splatAt());
      look();
    });
    at.add(field('ldo'));
  });
  f.if(bad.any(), then);
}

export function emitRowEnds(m: binaryen.Module): void {
  emitStart(m);
  emitFinish(m);
}
