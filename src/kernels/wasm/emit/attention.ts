import type binaryen from 'binaryen';
import { ATTENTION_FIELDS, type AttentionField, KEY_TILE } from '../attention-record.js';
import { emitDropout } from './attention-dropout.js';
import { callLogits, emitLogits, type Field, type ScoreRow } from './attention-logits.js';
import { emitScoresRows, emitValuesRow, UNPACKED_ROWS } from './attention-rows.js';
import { emitSoftmaxRows } from './attention-softmax.js';
import { emitStage } from './attention-stage.js';
import { define, type FunctionBuilder, type Int, type IntVariable } from './builder.js';
import { KC, MR, NR } from './gemm.js';

// Fused attention, forward. For a tile of query rows, over tiles of keys from the first in reach to the last:
//   S = (scale·Q)·Kᵀ → logits (attention-logits.ts) → m' = max(m, max S), P = e^{S−m'}, s = s·e^{m−m'} + Σ P,
//   O = O·e^{m−m'} + P·V; at the end O / s. Nothing of size Lq × Lk exists.
// V is multiplied without looking whether a weight is 0. If that put 0·NaN or 0·∞ into a row, the row's tile is done
// again, `careful`: only with the keys that may be attended. Finite data never pays for it.
// K and V are packed into panels once a head, unless so few query rows read them that packing would cost more
// (attention-rows.ts); the sums are the same to the bit. The softmax of a tile is in attention-softmax.ts.

type Module = binaryen.Module;

const SCORE_STRIDE = KEY_TILE * 4;

const fieldsOf =
  (record: Int): Field =>
  (name: AttentionField) =>
    record.int(ATTENTION_FIELDS.indexOf(name) * 4);

const roundUp = (x: Int): Int => x.plus(NR - 1).and(-NR);

/** O row += Σ P_j·V_j over the keys whose logit is not −∞, j ascending. */
function carefulStep(m: Module): void {
  const parameters = {
    weights: 'int',
    logits: 'int',
    count: 'int',
    v: 'int',
    ldv: 'int',
    out: 'int',
    dV: 'int',
  } as const;
  define(m, 'attention_careful_step', parameters, (f, p) => {
    const [j, c] = [f.intVariable('j'), f.intVariable('c')];
    f.for(j, 0, p.count, 1, () => {
      f.if(p.logits.plus(j.shl(2)).float().ne(Number.NEGATIVE_INFINITY), () => {
        f.for(c, 0, p.dV.shl(2), 4, () => {
          const out = p.out.plus(c);
          out.store(out.float().plus(p.weights.plus(j.shl(2)).float().times(p.v.plus(c).float())));
        });
      });
      p.v.add(p.ldv);
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
    packed: 'int',
    careful: 'int',
  } as const;
  define(m, 'attention_query_tile', parameters, (f, p) => {
    const field = fieldsOf(p.record);
    const place = (name: AttentionField) => f.intVariable(name, p.scratch.plus(field(name)));
    const [max, sum, factors, shifts] = (['atMax', 'atSum', 'atFactors', 'atShifts'] as const).map(place);
    const [scaled, scores, logits, out] = (['atQuery', 'atScores', 'atLogits', 'atOut'] as const).map(place);
    const [keys, values, edge] = (['atKeys', 'atValues', 'atEdge'] as const).map(place);
    const local = (name: string, value: Int) => f.intVariable(name, value);
    const dK = local('dK', field('dK'));
    const dV = local('dV', field('dV'));
    const outStride = local('outStride', roundUp(dV).shl(2));
    const hasV = local('hasV', field('v'));
    const firstQuery = local('firstQuery', field('cuSeqlens').plus(p.sequence.shl(2)).int().plus(p.query));
    const keyRow = local('keyRow', field('cuSeqlensK').plus(p.sequence.shl(2)).int());
    const numKeys = local('numKeys', field('cuSeqlensK').plus(p.sequence.shl(2)).int(4).minus(keyRow));
    const position = local('position', field('offsets').plus(p.sequence.shl(2)).int().plus(p.query));
    const kvHead = local('kvHead', p.head.dividedBy(field('numHeads').dividedBy(field('numKvHeads'))));
    const [r, tile] = [f.intVariable('r'), f.intVariable('tile')];
    const CHANGES = ['softcap', 'alibi', 'bias', 'mask', 'keyMask'] as const;
    const changing = local(
      'changing',
      CHANGES.map(field).reduce((any, value) => any.or(value)),
    );
    const dropping = local('dropping', field('dropThreshold').or(field('dropAll')));

    startRows(f, field, p, { max, sum, scaled, out, firstQuery, dK, outStride }, r);

    const from = local('from', position.minus(field('left')).max(0).and(-KEY_TILE));
    const to = local('to', position.plus(p.rows).plus(field('right')).min(numKeys));
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
    const valueRows = () => hasV.plus(keyRow.plus(tile).times(field('ldv'))).plus(kvHead.times(dV).shl(2));
    f.for(tile, from, to, KEY_TILE, () => {
      valid.set(to.minus(tile).min(KEY_TILE));
      count.set(roundUp(valid));
      stored.set(numKeys.minus(tile).min(KEY_TILE));
      const keyTile = keys.plus(tile.times(dK).shl(2));
      f.if(
        p.packed,
        () => {
          // Beyond one block of KC columns the panels of the second follow all those stored: then all are computed.
          const columns = dK.gt(KC).choose(roundUp(stored), count);
          f.call(
            'gemm_rows_packed',
            scaled,
            dK.shl(2),
            keyTile,
            0,
            scores,
            SCORE_STRIDE,
            0,
            p.rows,
            columns,
            dK,
            0,
            edge,
          );
        },
        () => {
          const k = field('k')
            .plus(keyRow.plus(tile).times(field('ldk')))
            .plus(kvHead.times(dK).shl(2));
          f.call('attention_scores_rows', scaled, k, field('ldk'), scores, p.rows, count, stored, dK);
        },
      );
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
      f.if(p.careful, () => f.copy(logits, scores, p.rows.times(SCORE_STRIDE)));
      f.call('attention_softmax_rows', scores, p.rows, count, max, sum, factors, shifts, out, outStride);
      f.if(dropping, () =>
        eachRow(() => {
          const unit = p.sequence.times(field('numHeads')).plus(p.head);
          f.call('attention_dropout', p.record, rowScores, count, tile, p.query.plus(r), unit);
        }),
      );
      f.if(p.careful, () =>
        eachRow(() => {
          const [rowLogits, outRow] = [logits.plus(r.times(SCORE_STRIDE)), out.plus(r.times(outStride))];
          f.call('attention_careful_step', rowScores, rowLogits, valid, valueRows(), field('ldv'), outRow, dV);
        }),
      );
      f.if(hasV.ne(0).and(p.careful.not()), () => {
        const oneByOne = () =>
          f.for(r, 0, p.rows, 1, () => {
            const outRow = out.plus(r.times(outStride));
            f.call(
              'attention_values_row',
              scores.plus(r.times(SCORE_STRIDE)),
              valueRows(),
              field('ldv'),
              outRow,
              dV,
              valid,
            );
          });
        const valueTile = values.plus(tile.times(outStride));
        f.if(
          p.packed,
          () =>
            f.call(
              'gemm_rows_packed',
              scores,
              SCORE_STRIDE,
              valueTile,
              stored,
              out,
              outStride,
              0,
              p.rows,
              roundUp(dV),
              valid,
              1,
              edge,
            ),
          () =>
            f.if(p.rows.lt(MR), oneByOne, () =>
              f.call(
                'gemm_rows_rows',
                scores,
                SCORE_STRIDE,
                valueRows(),
                field('ldv'),
                out,
                outStride,
                0,
                p.rows,
                dV,
                valid,
                1,
                edge,
              ),
            ),
        );
      });
    });
    finishRows(f, field, p, { max, sum, out, firstQuery, dV, outStride, hasV }, r);
  });
}

type TileParameters = Record<
  'record' | 'scratch' | 'sequence' | 'head' | 'query' | 'rows' | 'packed' | 'careful',
  IntVariable
>;

/** m = sink (or −∞), s = 1 (or 0), O = 0, and scale·Q, for every row. */
function startRows(
  f: FunctionBuilder,
  field: Field,
  p: TileParameters,
  at: Record<'max' | 'sum' | 'scaled' | 'out' | 'firstQuery' | 'dK' | 'outStride', IntVariable>,
  r: IntVariable,
): void {
  const sink = f.floatVariable('sink', Number.NEGATIVE_INFINITY);
  f.if(field('sinks'), () => sink.set(field('sinks').plus(p.head.shl(2)).float()));
  const source = f.intVariable('source');
  const c = f.intVariable('c');
  const target = f.intVariable('target');
  const scale = f.floatVariable('scale', field('scale').asFloat());
  f.fill(at.out, 0, p.rows.times(at.outStride));
  f.for(r, 0, p.rows, 1, () => {
    at.max.plus(r.shl(2)).store(sink);
    at.sum.plus(r.shl(2)).store(sink.eq(Number.NEGATIVE_INFINITY).chooseFloat(0, 1));
    source.set(
      field('q')
        .plus(at.firstQuery.plus(r).times(field('ldq')))
        .plus(p.head.times(at.dK).shl(2)),
    );
    target.set(at.scaled.plus(r.times(at.dK).shl(2)));
    f.for(c, 0, at.dK.and(-4).shl(2), 16, () => target.plus(c).store(source.plus(c).vector().times(scale.splat())));
    f.for(c, c, at.dK.shl(2), 4, () => target.plus(c).store(source.plus(c).float().times(scale)));
  });
}

/** Writes O / s (0 where s is 0), m and s of every row. A row that is not finite asks for the careful way, once. */
function finishRows(
  f: FunctionBuilder,
  field: Field,
  p: TileParameters,
  at: Record<'max' | 'sum' | 'out' | 'firstQuery' | 'dV' | 'outStride' | 'hasV', IntVariable>,
  r: IntVariable,
): void {
  const c = f.intVariable('outColumn');
  const from = f.intVariable('fromRow');
  const to = f.intVariable('toRow');
  f.if(at.hasV.ne(0).and(p.careful.not()), () => {
    const bad = f.vectorVariable('bad', f.floats(0));
    const v = f.vectorVariable('outVector');
    f.for(from, at.out, at.out.plus(p.rows.times(at.outStride)), 16, () => {
      v.set(from.vector());
      bad.set(bad.or(v.minus(v).ne(f.floats(0)))); // x − x is 0 for finite x, else NaN
    });
    f.if(bad.any(), () => {
      f.call('attention_query_tile', p.record, p.scratch, p.sequence, p.head, p.query, p.rows, p.packed, 1);
      f.return();
    });
  });
  const sum = f.floatVariable('rowSum');
  const factor = f.floatVariable('keepScale', field('keepScale').asFloat());
  f.for(r, 0, p.rows, 1, () => {
    sum.set(at.sum.plus(r.shl(2)).float());
    const statistic = at.firstQuery.plus(r).times(field('numHeads')).plus(p.head).shl(2);
    field('max')
      .plus(statistic)
      .store(at.max.plus(r.shl(2)).float());
    field('sum').plus(statistic).store(sum);
    f.if(at.hasV, () => {
      from.set(at.out.plus(r.times(at.outStride)));
      to.set(
        field('out')
          .plus(at.firstQuery.plus(r).times(field('ldo')))
          .plus(p.head.times(at.dV).shl(2)),
      );
      f.if(
        sum.eq(0),
        () => f.fill(to, 0, at.dV.shl(2)),
        () => {
          f.for(c, 0, at.dV.and(-4).shl(2), 16, () => {
            to.plus(c).store(from.plus(c).vector().times(factor.splat()).dividedBy(sum.splat()));
          });
          f.for(c, c, at.dV.shl(2), 4, () => {
            to.plus(c).store(from.plus(c).float().times(factor).dividedBy(sum));
          });
        },
      );
    });
  });
}

/**
 * Units [from, to) of an attention; unit = sequence · numKvHeads + kvHead: packs the keys and values of that head, tile
 * by tile, and runs every query head that reads them.
 */
function attention(m: Module): void {
  define(
    m,
    'attention',
    { record: 'int', from: 'int', to: 'int', scratch: 'int' },
    (f, p) => {
      const field = fieldsOf(p.record);
      const names = [
        'unit',
        'sequence',
        'kvHead',
        'head',
        'query',
        'tile',
        'keyRow',
        'numKeys',
        'numQueries',
        'count',
        'group',
        'packed',
      ];
      const [unit, sequence, kvHead, head, query, tile, keyRow, numKeys, numQueries, count, group, packed] = names.map(
        (n) => f.intVariable(n),
      );
      const dK = f.intVariable('dK', field('dK'));
      const dV = f.intVariable('dV', field('dV'));
      group.set(field('numHeads').dividedBy(field('numKvHeads')));
      f.for(unit, p.from, p.to, 1, () => {
        sequence.set(unit.dividedBy(field('numKvHeads')));
        kvHead.set(unit.modulo(field('numKvHeads')));
        keyRow.set(field('cuSeqlensK').plus(sequence.shl(2)).int());
        numKeys.set(field('cuSeqlensK').plus(sequence.shl(2)).int(4).minus(keyRow));
        numQueries.set(
          field('cuSeqlens')
            .plus(sequence.shl(2))
            .int(4)
            .minus(field('cuSeqlens').plus(sequence.shl(2)).int()),
        );
        packed.set(numQueries.times(group).gt(UNPACKED_ROWS));
        const pack = () =>
          f.for(tile, 0, numKeys, KEY_TILE, () => {
            count.set(numKeys.minus(tile).min(KEY_TILE));
            const k = field('k')
              .plus(keyRow.plus(tile).times(field('ldk')))
              .plus(kvHead.times(dK).shl(2));
            const keys = p.scratch.plus(field('atKeys')).plus(tile.times(dK).shl(2));
            f.call('pack_columns', k, field('ldk'), keys, count, dK, 0, count.plus(NR - 1).dividedBy(NR));
            f.if(field('v'), () => {
              const v = field('v')
                .plus(keyRow.plus(tile).times(field('ldv')))
                .plus(kvHead.times(dV).shl(2));
              const values = p.scratch.plus(field('atValues')).plus(tile.times(roundUp(dV)).shl(2));
              f.call('pack_rows', v, field('ldv'), values, dV, count, 0, dV.plus(NR - 1).dividedBy(NR));
            });
          });
        f.if(packed, pack);
        f.for(head, kvHead.times(group), kvHead.plus(1).times(group), 1, () => {
          f.for(query, 0, numQueries, field('queryTile'), () => {
            const rows = numQueries.minus(query).min(field('queryTile'));
            f.call('attention_query_tile', p.record, p.scratch, sequence, head, query, rows, packed, 0);
          });
        });
      });
    },
    true,
  );
}

export function emitAttention(m: Module): void {
  emitLogits(m, fieldsOf);
  emitScoresRows(m);
  emitValuesRow(m);
  emitDropout(m, fieldsOf);
  emitSoftmaxRows(m);
  carefulStep(m);
  queryTile(m);
  attention(m);
  emitStage(m, fieldsOf);
}
