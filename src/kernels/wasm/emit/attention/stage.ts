import type binaryen from 'binaryen';
import { KEY_TILE } from '../../module/attention-record.js';
import { exp2Vector } from '../exp.js';
import { entry } from '../language/builder.js';
import type { Int } from '../language/values.js';
import { fieldsOf, groupOf, roundUp, sequenceOf } from './fields.js';
import { callLogits, callSoftcap, type ScoreRow } from './logits.js';

export const STAGE_SOFTCAPPED = 1;
export const STAGE_MASKED = 2;
export const STAGE_WEIGHTS = 3;

/**
 * Rows [from, to) of one stage of one head of one sequence, for looking; `out` is (Lq × Lk). For STAGE_WEIGHTS m and s of its rows are in
 * the record's max and sum.
 */
export function emitStage(m: binaryen.Module): void {
  const parameters = { record: 'int', stage: 'int', sequence: 'int', head: 'int', out: 'int' } as const;
  entry(m, 'attention_stage', parameters, (f, p) => {
    const field = fieldsOf(p.record);
    const local = (name: string, value: Int) => f.intVariable(name, value);
    const dK = local('dK', field('dK'));
    const { queryRow: firstQuery, keyRow, numKeys, offset } = sequenceOf(f, field, p.sequence);
    const kvHead = local('kvHead', p.head.dividedBy(groupOf(field)));
    const scores = local('scores', p.scratch.plus(field('atScores')));
    const scaled = local('scaled', p.scratch.plus(field('atQuery')));
    const names = ['query', 'tile', 'valid', 'count', 'queryRow', 'position', 'c', 'at'];
    const [query, tile, valid, count, queryRow, position, c, at] = names.map((name) => f.intVariable(name));
    const row: ScoreRow = { scores, count, firstKey: tile, numKeys, keyRow, queryRow, position, head: p.head };
    const v = f.vectorVariable('v');
    const forbidden = f.vectorVariable('forbidden');
    f.for(query, p.from, p.to, 1, () => {
      queryRow.set(firstQuery.plus(query));
      position.set(offset.plus(query));
      at.set(
        field('q')
          .plus(queryRow.times(field('ldq')))
          .plus(p.head.times(dK).shl(2)),
      );
      f.for(c, 0, dK.shl(2), 4, () => scaled.plus(c).store(at.plus(c).float().times(field('scale').asFloat())));
      f.for(tile, 0, numKeys, KEY_TILE, () => {
        valid.set(numKeys.minus(tile).min(KEY_TILE));
        count.set(roundUp(valid));
        const k = field('k')
          .plus(keyRow.plus(tile).times(field('ldk')))
          .plus(kvHead.times(dK).shl(2));
        f.call('attention_scores_rows', scaled, k, field('ldk'), scores, 1, count, valid, dK);
        f.if(p.stage.eq(STAGE_SOFTCAPPED), () => callSoftcap(f, p.record, row));
        f.if(p.stage.ge(STAGE_MASKED), () => callLogits(f, p.record, row));
        f.if(p.stage.eq(STAGE_WEIGHTS), () => {
          const statistic = queryRow.times(field('numHeads')).plus(p.head).shl(2);
          const sum = field('sum').plus(statistic);
          f.if(
            sum.float().eq(0),
            () => f.fill(scores, 0, count.shl(2)),
            () =>
              f.for(c, 0, count.shl(2), 16, () => {
                forbidden.set(scores.plus(c).vector().eq(f.floats(Number.NEGATIVE_INFINITY)));
                exp2Vector(
                  f,
                  v,
                  scores.plus(c).vector().minus(field('max').plus(statistic).splatAt()).times(f.floats(Math.LOG2E)),
                );
                scores.plus(c).store(v.dividedBy(sum.splatAt()).andNot(forbidden)); // also where m or s is NaN
              }),
          );
        });
        f.copy(p.out.plus(query.times(numKeys).plus(tile).shl(2)), scores, valid.shl(2));
      });
    });
  });
}
