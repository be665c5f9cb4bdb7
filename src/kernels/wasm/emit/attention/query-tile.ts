import type binaryen from 'binaryen';
import { type AttentionField, KEY_TILE } from '../../module/attention-record.js';
import { KC } from '../../summation.js';
import { gemmRowsPacked } from '../gemm.js';
import { define } from '../language/builder.js';
import type { Int } from '../language/values.js';
import { dropsAny, fieldsOf, groupOf, keysInReach, outStrideOf, roundUp, sequenceOf } from './fields.js';
import { callLogits, changesScores, type ScoreRow } from './logits.js';
import { callFinishRows, callStartRows, ifNotFinite } from './row-ends.js';

type Module = binaryen.Module;

const SCORE_STRIDE = KEY_TILE * 4;

/**
 * C (m × n) += A · B without the terms whose flag is 0, p ascending: C[i, c] += Σ_p A[i, p]·B[p, c], taken from 0. Entry
 * (i, p) of A and of its flags lies at i·stepI + p·stepP bytes.
 */
function carefulProduct(m: Module): void {
  const parameters = {
    a: 'int',
    flags: 'int',
    stepI: 'int',
    stepP: 'int',
    b: 'int',
    ldb: 'int',
    c: 'int',
    ldc: 'int',
    m: 'int',
    n: 'int',
    k: 'int',
  } as const;
  define(m, 'attention_careful_product', parameters, (f, x) => {
    const [i, column, p, at] = ['i', 'column', 'p', 'at'].map((name) => f.intVariable(name));
    const sum = f.floatVariable('sum');
    const toFlags = f.intVariable('toFlags', x.flags.minus(x.a));
    f.for(i, 0, x.m, 1, () => {
      f.for(column, 0, x.n.shl(2), 4, () => {
        sum.set(0);
        at.set(x.a.plus(i.times(x.stepI)));
        f.for(p, 0, x.k, 1, () => {
          const entry = x.b.plus(p.times(x.ldb)).plus(column);
          f.if(at.plus(toFlags).int(), () => sum.set(sum.plus(at.float().times(entry.float()))));
          at.add(x.stepP);
        });
        const target = x.c.plus(i.times(x.ldc)).plus(column);
        target.store(target.float().plus(sum));
      });
    });
  });
}

/** Every key tile of query rows [query, query + rows) of one head; K and V of the head are packed in the scratch. */
function queryTile(m: Module): void {
  const parameters = {
    record: 'int',
    scratch: 'int',
    sequence: 'int',
    head: 'int',
    query: 'int',
    rows: 'int',
    careful: 'int',
  } as const;
  define(m, 'attention_query_tile', parameters, (f, p) => {
    const field = fieldsOf(p.record);
    const place = (name: AttentionField) => f.intVariable(name, p.scratch.plus(field(name)));
    const [max, sum, factors, shifts] = (['atMax', 'atSum', 'atFactors', 'atShifts'] as const).map(place);
    const [scaled, scores, allowed, out] = (['atQuery', 'atScores', 'atAllowed', 'atOut'] as const).map(place);
    const [keys, values, edge] = (['atKeys', 'atValues', 'atEdge'] as const).map(place);
    const local = (name: string, value: Int) => f.intVariable(name, value);
    const dK = local('dK', field('dK'));
    const dV = local('dV', field('dV'));
    const outStride = local('outStride', outStrideOf(field));
    const hasV = local('hasV', field('v'));
    const { queryRow: firstQuery, keyRow, numKeys, offset: position } = sequenceOf(f, field, p.sequence);
    firstQuery.add(p.query);
    position.add(p.query);
    const kvHead = local('kvHead', p.head.dividedBy(groupOf(field)));
    const [r, tile] = [f.intVariable('r'), f.intVariable('tile')];
    const changing = local('changing', changesScores(field));
    const dropping = local('dropping', dropsAny(field));
    const tileRows = { ...p, queryRow: firstQuery, first: f.int(0) };

    callStartRows(f, tileRows);

    const { from, to } = keysInReach(f, field, { position, rows: p.rows, numKeys });
    const [valid, count, stored, rowScores] = ['valid', 'count', 'stored', 'rowScores'].map((name) =>
      f.intVariable(name),
    );
    const [queryRow, rowPosition] = [f.intVariable('queryRow'), f.intVariable('rowPosition')];
    const row: ScoreRow = {
      scores: rowScores,
      count,
      firstKey: tile,
      numKeys,
      keyRow,
      queryRow,
      position: rowPosition,
      head: p.head,
    };
    f.for(tile, from, to, KEY_TILE, () => {
      valid.set(to.minus(tile).min(KEY_TILE));
      count.set(roundUp(valid));
      stored.set(numKeys.minus(tile).min(KEY_TILE));
      const keyTile = keys.plus(tile.times(dK).shl(2));
      // Beyond one block of KC columns the panels of the second follow all those stored: then all are computed.
      const columns = dK.gt(KC).choose(roundUp(stored), count);
      const rows = p.rows;
      const strides = { lda: dK.shl(2), ldb: 0, ldc: SCORE_STRIDE };
      const sizes = { n: columns, k: dK, accumulate: 0, from: 0, to: rows };
      f.run(gemmRowsPacked, { a: scaled, b: keyTile, c: scores, ...strides, ...sizes, scratch: edge });
      const eachRow = (body: () => void) =>
        f.for(r, 0, p.rows, 1, () => {
          rowScores.set(scores.plus(r.times(SCORE_STRIDE)));
          queryRow.set(firstQuery.plus(r));
          rowPosition.set(position.plus(r));
          body();
        });
      // Nothing changes the scores of a tile that lies inside the band of its first and last row.
      const first = position.plus(p.rows.minus(1)).minus(field('left'));
      const last = position.plus(field('right')).min(numKeys.minus(1));
      const atEdge = tile.lt(first).or(tile.plus(count).minus(1).gt(last));
      f.if(changing.or(atEdge), () => eachRow(() => callLogits(f, p.record, row)));
      f.if(p.careful, () =>
        f.for(r, 0, p.rows.times(SCORE_STRIDE), 16, () =>
          allowed.plus(r).store(scores.plus(r).vector().ne(f.floats(Number.NEGATIVE_INFINITY))),
        ),
      );
      f.call('attention_softmax_rows', scores, p.rows, count, max, sum, factors, shifts, out, outStride);
      f.if(dropping, () =>
        eachRow(() => {
          const unit = p.sequence.times(field('numHeads')).plus(p.head);
          f.call('attention_dropout', p.record, rowScores, count, tile, p.query.plus(r), unit);
        }),
      );
      f.if(
        p.careful,
        () => {
          const v = hasV.plus(keyRow.plus(tile).times(field('ldv'))).plus(kvHead.times(dV).shl(2));
          const [product, a] = ['attention_careful_product', [scores, allowed, SCORE_STRIDE, 4]] as const;
          f.call(product, ...a, v, field('ldv'), out, outStride, rows, dV, valid);
        },
        () =>
          f.if(hasV, () => {
            const b = values.plus(tile.times(outStride));
            const strides = { lda: SCORE_STRIDE, ldb: stored, ldc: outStride };
            const sizes = { n: roundUp(dV), k: valid, accumulate: 1, from: 0, to: rows };
            f.run(gemmRowsPacked, { a: scores, b, c: out, ...strides, ...sizes, scratch: edge });
          }),
      );
    });
    callFinishRows(f, tileRows);
    f.if(hasV.ne(0).and(p.careful.not()), () =>
      ifNotFinite(f, { ...tileRows, heads: 1 }, () =>
        f.call('attention_query_tile', p.record, p.scratch, p.sequence, p.head, p.query, p.rows, 1),
      ),
    );
  });
}

export function emitQueryTile(m: Module): void {
  carefulProduct(m);
  queryTile(m);
}
