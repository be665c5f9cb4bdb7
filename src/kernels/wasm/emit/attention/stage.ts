import type binaryen from 'binaryen';
import { exp2Vector } from '../exp.js';
import { entry, type FunctionBuilder } from '../language/builder.js';
import type { Int } from '../language/values.js';
import { type Field, fieldsOf, groupOf, sequenceOf } from './fields.js';
import { logits, softcap } from './logits.js';
import { scoresRows } from './scores-rows.js';
import { toBase2 } from './softmax.js';
import { forKeyTiles } from './tiles.js';

// What a row of scores is on its way, for looking:
//
//   0 scaledScores   (scale·Q)·Kᵀ
//   1 softcapped     c·tanh(S / c)
//   2 masked         the logits Z: with ALiBi and bias, −∞ where nothing may attend
//   3 weights        e^{Z−m} / s

export const STAGE_SOFTCAPPED = 1;
export const STAGE_MASKED = 2;
export const STAGE_WEIGHTS = 3;

/** Logits of one row become weights, with m and s of `statistic` bytes into the record's max and sum; 0 where s is. */
function toWeights(f: FunctionBuilder, field: Field, { scores, count, statistic }: Record<string, Int>): void {
  const c = f.intVariable('c');
  const [v, forbidden] = f.vectorVariables('v', 'forbidden');
  const sum = field('sum').plus(statistic);
  f.if(
    sum.float().eq(0),
    () => f.fill(scores, 0, count.shl(2)),
    () =>
      f.for(c, 0, count.shl(2), 16, () => {
        const at = scores.plus(c);
        forbidden.set(at.vector().eq(f.floats(Number.NEGATIVE_INFINITY)));
        exp2Vector(f, v, toBase2(f, at.vector().minus(field('max').plus(statistic).splatAt())));
        at.store(v.dividedBy(sum.splatAt()).andNot(forbidden)); // also where m or s is NaN
      }),
  );
}

/**
 * Rows [from, to) of one stage of one head of one sequence; `out` is (Lq × Lk). A unit is a row and writes that row. For
 * STAGE_WEIGHTS m and s of the rows are in the record's max and sum. A thread needs the scratch of `attention`.
 */
export function emitStage(m: binaryen.Module): void {
  const parameters = { record: 'int', stage: 'int', sequence: 'int', head: 'int', out: 'int' } as const;
  entry(m, 'attention_stage', parameters, (f, p) => {
    const field = fieldsOf(p.record);
    const local = (name: string, value: Int) => f.intVariable(name, value);
    const keyWidth = local('keyWidth', field('keyWidth'));
    const { queryRow: firstQuery, keyRow, numKeys, offset } = sequenceOf(f, field, p.sequence);
    const kvHead = local('kvHead', p.head.dividedBy(groupOf(field)));
    const scores = local('scores', p.scratch.plus(field('atScores')));
    const scaled = local('scaled', p.scratch.plus(field('atQuery')));
    const [query, queryRow, position, c, at] = f.intVariables('query', 'queryRow', 'position', 'c', 'at');
    f.for(query, p.from, p.to, 1, () => {
      queryRow.set(firstQuery.plus(query));
      position.set(offset.plus(query));
      at.set(
        field('q')
          .plus(queryRow.times(field('ldq')))
          .plus(p.head.times(keyWidth).shl(2)),
      );
      f.for(c, 0, keyWidth.shl(2), 4, () => scaled.plus(c).store(at.plus(c).float().times(field('scale').asFloat())));
      // All keys, also those out of reach: they show as −∞.
      forKeyTiles(f, { from: f.int(0), to: numKeys, numKeys }, (tile) => {
        const { first: firstKey, count, valid } = tile;
        const k = field('k')
          .plus(keyRow.plus(firstKey).times(field('ldk')))
          .plus(kvHead.times(keyWidth).shl(2));
        f.run(scoresRows, { q: scaled, k, ldk: field('ldk'), scores, rows: 1, count, stored: valid, keyWidth });
        f.if(p.stage.eq(STAGE_SOFTCAPPED), () => f.run(softcap, { record: p.record, scores, count }));
        f.if(p.stage.ge(STAGE_MASKED), () =>
          f.run(logits, { ...p, scores, count, firstKey, numKeys, keyRow, queryRow, position }),
        );
        f.if(p.stage.eq(STAGE_WEIGHTS), () =>
          toWeights(f, field, { scores, count, statistic: queryRow.times(field('numHeads')).plus(p.head).shl(2) }),
        );
        f.copy(p.out.plus(query.times(numKeys).plus(firstKey).shl(2)), scores, valid.shl(2));
      });
    });
  });
}
