import type binaryen from 'binaryen';
import { type AttentionField, KEY_TILE } from '../../module/attention-record.js';
import { define } from '../language/builder.js';
import type { Int } from '../language/values.js';
import { dropsAny, fieldsOf, groupOf, keysInReach, outStrideOf, roundUp, sequenceOf } from './fields.js';
import { callLogits, changesScores, type ScoreRow } from './logits.js';
import { callFinishRows, callStartRows, ifNotFinite } from './row-ends.js';

const SCORE_STRIDE = KEY_TILE * 4;

/**
 * Keys whose scores are taken for all heads before those of the next keys. One head after the other reads
 * K in pieces as short as a head is wide; so they are read nearly in the order of their addresses.
 * 12 heads of 64, 1 row, 1024 keys: scores alone 114 µs, in whole tiles of 64 keys 148; all of it 313 µs, with 32 keys 362.
 */
const KEY_BLOCK = 16;

/**
 * All query rows of key/value heads [kvFrom, kvTo) of a sequence that has at most FEW_ROWS a key/value head, at most
 * ROWS_AT_ONCE together: K and V are read once, where they lie. Row (head − first head)·numQueries + query of the
 * scratch is that of a query.
 */
function fewRows(m: binaryen.Module): void {
  const parameters = { record: 'int', scratch: 'int', sequence: 'int', kvFrom: 'int', kvTo: 'int' } as const;
  define(m, 'attention_few_rows', parameters, (f, p) => {
    const field = fieldsOf(p.record);
    const place = (name: AttentionField) => f.intVariable(name, p.scratch.plus(field(name)));
    const [max, sum, factors, shifts] = (['atMax', 'atSum', 'atFactors', 'atShifts'] as const).map(place);
    const [scaled, scores, out, part] = (['atQuery', 'atScores', 'atOut', 'atPart'] as const).map(place);
    const local = (name: string, value?: Int) => f.intVariable(name, value);
    const { queryRow: firstQuery, numQueries, keyRow, numKeys, offset } = sequenceOf(f, field, p.sequence);
    const dK = local('dK', field('dK'));
    const dV = local('dV', field('dV'));
    const [ldk, ldv] = [local('ldk', field('ldk')), local('ldv', field('ldv'))];
    const outStride = local('outStride', outStrideOf(field));
    const group = local('group', groupOf(field));
    const rowsAHead = local('rowsAHead', numQueries.times(group));
    const rows = local('rows', p.kvTo.minus(p.kvFrom).times(rowsAHead));
    const [headFrom, headTo] = [local('headFrom', p.kvFrom.times(group)), local('headTo', p.kvTo.times(group))];
    const [head, kvHead, query, r] = ['head', 'kvHead', 'query', 'r'].map((name) => local(name));
    const changing = local('changing', changesScores(field));
    const dropping = local('dropping', dropsAny(field));
    const rowsOfHead = { ...p, queryRow: firstQuery, head, rows: numQueries, first: r };
    const eachHead = (body: () => void) => {
      r.set(0);
      f.for(head, headFrom, headTo, 1, () => {
        body();
        r.add(numQueries);
      });
    };
    eachHead(() => callStartRows(f, rowsOfHead));

    const { from, to } = keysInReach(f, field, { position: offset, rows: numQueries, numKeys });
    const [tile, block, k, q, v] = ['tile', 'block', 'k', 'q', 'v'].map((name) => local(name));
    const [valid, count, stored, at] = ['valid', 'count', 'stored', 'at'].map((name) => local(name));
    const queryRow = local('queryRow');
    const position = local('position');
    const row: ScoreRow = { scores: at, count, firstKey: tile, numKeys, keyRow, queryRow, position, head };
    const eachRow = (body: () => void) => {
      at.set(scores);
      f.for(head, headFrom, headTo, 1, () => {
        f.for(query, 0, numQueries, 1, () => {
          queryRow.set(firstQuery.plus(query));
          position.set(offset.plus(query));
          body();
          at.add(SCORE_STRIDE);
        });
      });
    };
    f.for(tile, from, to, KEY_TILE, () => {
      valid.set(to.minus(tile).min(KEY_TILE));
      count.set(roundUp(valid));
      stored.set(numKeys.minus(tile).min(KEY_TILE));
      f.for(block, 0, count, KEY_BLOCK, () => {
        k.set(field('k').plus(keyRow.plus(tile).plus(block).times(ldk)).plus(p.kvFrom.times(dK).shl(2)));
        q.set(scaled);
        at.set(scores.plus(block.shl(2)));
        f.for(kvHead, p.kvFrom, p.kvTo, 1, () => {
          const [some, here] = [count.minus(block).min(KEY_BLOCK), stored.minus(block).min(KEY_BLOCK)];
          f.call('attention_scores_rows', q, k, ldk, at, rowsAHead, some, here, dK);
          k.add(dK.shl(2));
          q.add(rowsAHead.times(dK).shl(2));
          at.add(rowsAHead.times(SCORE_STRIDE));
        });
      });
      // Nothing changes the scores of a tile that lies inside the band of the first and last query.
      const first = offset.plus(numQueries).minus(1).minus(field('left'));
      const last = offset.plus(field('right')).min(numKeys.minus(1));
      const atEdge = tile.lt(first).or(tile.plus(count).minus(1).gt(last));
      f.if(changing.or(atEdge), () => eachRow(() => callLogits(f, p.record, row)));
      f.call('attention_softmax_rows', scores, rows, count, max, sum, factors, shifts, out, outStride);
      f.if(dropping, () =>
        eachRow(() => {
          const unit = p.sequence.times(field('numHeads')).plus(head);
          f.call('attention_dropout', p.record, at, count, tile, query, unit);
        }),
      );
      f.if(field('v'), () => {
        v.set(field('v').plus(keyRow.plus(tile).times(ldv)).plus(p.kvFrom.times(dV).shl(2)));
        f.call('attention_values_rows', scores, v, ldv, out, outStride, part, dV, rowsAHead, rows, valid);
      });
    });
    eachHead(() => callFinishRows(f, rowsOfHead));

    // Where 0·NaN or 0·∞ came in, the head is done again, with packed K and V, in the rows of the scratch that are free now.
    f.if(field('v'), () =>
      f.for(kvHead, p.kvFrom, p.kvTo, 1, () =>
        ifNotFinite(
          f,
          { record: p.record, queryRow: firstQuery, head: kvHead.times(group), rows: numQueries, heads: group },
          () => f.call('attention_packed_head', p.record, p.scratch, p.sequence, kvHead),
        ),
      ),
    );
  });
}

export function emitFewRows(m: binaryen.Module): void {
  fewRows(m);
}
