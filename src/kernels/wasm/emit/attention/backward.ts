import type binaryen from 'binaryen';
import { BACKWARD_FIELDS, type BackwardField, KEY_TILE } from '../../module/attention-record.js';
import { KC } from '../../summation.js';
import { gemmRowsPacked, gemmTransposedPacked } from '../gemm.js';
import { define, entry } from '../language/builder.js';
import type { Int } from '../language/values.js';
import { packColumns, packRows, panelsOf } from '../packing.js';
import { emitBackwardRows } from './backward-rows.js';
import { dropsAny, groupOf, keysInReach, outStrideOf, roundUp, sequenceOf } from './fields.js';
import { callLogits, changesScores, type ScoreRow } from './logits.js';

// Fused attention, backward. For a tile of query rows, over tiles of keys in reach, from m and s of the forward:
//   Z from S = (scale·Q)·Kᵀ as in the forward;  P = e^{Z−m} / s;  A = P ∘ keep / (1 − p)
//   dP = (dO·Vᵀ) ∘ keep / (1 − p);  dZ = P ∘ (dP − D), D = dO·O − dℓ;  dBias += dZ;  dS = dZ ∘ (1 − (cap/c)²)
//   dV += Aᵀ·dO;  dQ += scale·dS·K;  dK += dSᵀ·(scale·Q)
// Five products a pair of tiles, all by the packed GEMM; nothing of size Lq × Lk exists. dK and dV of a head grow in the
// scratch, a tile of its query rows after the other, head after head of its group: a tile is a block of these sums.
// The last three multiply without looking whether a factor is 0. If that put 0·NaN or 0·∞ anywhere into dQ, dK or dV of
// a unit, all of it is done again, `careful`: only with the pairs that may be attended. Finite data never pays for it.
// dBias and dSinks look at every pair or row and are right the first time.

type Module = binaryen.Module;
type Field = (name: BackwardField) => Int;

const SCORE_STRIDE = KEY_TILE * 4;

const fieldsOf =
  (record: Int): Field =>
  (name) =>
    record.int(BACKWARD_FIELDS.indexOf(name) * 4);

/** Every key tile of query rows [query, query + rows) of one head: dQ of these rows, and their part of all else. */
function gradientTile(m: Module): void {
  const parameters = {
    record: 'int',
    scratch: 'int',
    sequence: 'int',
    head: 'int',
    query: 'int',
    rows: 'int',
    careful: 'int',
  } as const;
  define(m, 'attention_gradient_tile', parameters, (f, p) => {
    const field = fieldsOf(p.record);
    const local = (name: string, value: Int) => f.intVariable(name, value);
    const place = (name: BackwardField) => local(name, p.scratch.plus(field(name)));
    const [edge, bad, scaled, dQ] = (['atEdge', 'atBad', 'atQuery', 'atOut'] as const).map(place);
    const [scores, gradients, caps] = (['atScores', 'atGradients', 'atCaps'] as const).map(place);
    const [allowed, kept] = (['atAllowed', 'atKept'] as const).map(place);
    const [queryPanels, outPanels] = (['atQueryPanels', 'atOutPanels'] as const).map(place);
    const [dK, dV, ldq, ldo] = (['dK', 'dV', 'ldq', 'ldo'] as const).map((name) => local(name, field(name)));
    const keyStride = local('keyStride', roundUp(dK).shl(2));
    const valueStride = local('valueStride', outStrideOf(field));
    const { queryRow: sequenceRow, keyRow, numKeys, offset } = sequenceOf(f, field, p.sequence);
    const firstQuery = local('firstQuery', sequenceRow.plus(p.query));
    const position = local('position', offset.plus(p.query));
    const kvHead = local('kvHead', p.head.dividedBy(groupOf(field)));
    const changing = local('changing', changesScores(field));
    const dropping = local('dropping', dropsAny(field));
    const [r, tile, c] = ['r', 'tile', 'c'].map((name) => f.intVariable(name));
    const atHead = (base: BackwardField, stride: Int, width: Int) =>
      field(base).plus(firstQuery.times(stride)).plus(p.head.times(width).shl(2));
    const dOut = local('dOut', atHead('dOut', ldo, dV));
    const tileBytes = local('tileBytes', p.rows.times(SCORE_STRIDE));

    f.call('attention_backward_rows', p.record, p.scratch, p.sequence, p.head, firstQuery, p.rows);
    f.call('scale_rows', atHead('q', ldq, dK), ldq, scaled, dK.shl(2), p.rows, dK, field('scale').asFloat());
    const pack = (b: Int, ldb: Int, out: Int, n: Int, k: Int) =>
      f.run(packRows, { b, ldb, out, n, k, from: 0, to: panelsOf(n), scratch: 0 });
    pack(scaled, dK.shl(2), queryPanels, dK, p.rows);
    pack(dOut, ldo, outPanels, dV, p.rows);
    f.fill(dQ, 0, p.rows.times(keyStride));

    const { from, to } = keysInReach(f, field, { position, rows: p.rows, numKeys });
    const names = ['valid', 'count', 'stored', 'rowScores', 'queryRow', 'rowPosition'];
    const [valid, count, stored, rowScores, queryRow, rowPosition] = names.map((name) => f.intVariable(name));
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
    const eachRow = (body: () => void) =>
      f.for(r, 0, p.rows, 1, () => {
        rowScores.set(scores.plus(r.times(SCORE_STRIDE)));
        queryRow.set(firstQuery.plus(r));
        rowPosition.set(position.plus(r));
        body();
      });
    /** Over the whole tile of scores, also where it holds nothing. */
    const eachVector = (body: () => void) => f.for(c, 0, tileBytes, 16, body);
    /** Row r of a tile. */
    const ofRow = (tile: Int) => tile.plus(r.times(SCORE_STRIDE));

    f.for(tile, from, to, KEY_TILE, () => {
      valid.set(to.minus(tile).min(KEY_TILE));
      count.set(roundUp(valid));
      stored.set(numKeys.minus(tile).min(KEY_TILE));
      const product = (a: Int, lda: Int, panels: BackwardField, width: Int, out: Int) => {
        // Beyond one block of KC columns the panels of the second follow all those stored: then all are computed.
        const columns = width.gt(KC).choose(roundUp(stored), count);
        const b = p.scratch.plus(field(panels)).plus(tile.times(width).shl(2));
        const strides = { lda, ldb: 0, ldc: SCORE_STRIDE };
        const sizes = { n: columns, k: width, accumulate: 0, from: 0, to: p.rows };
        f.run(gemmRowsPacked, { a, b, c: out, ...strides, ...sizes, scratch: edge });
      };
      product(scaled, dK.shl(2), 'atKeys', dK, scores);
      product(dOut, ldo, 'atValues', dV, gradients);
      f.if(field('softcap'), () => {
        f.copy(caps, scores, tileBytes);
        f.call('attention_softcap', p.record, caps, tileBytes.shr(2));
      });
      // Nothing changes the scores of a tile that lies inside the band of its first and last row.
      const first = position.plus(p.rows.minus(1)).minus(field('left'));
      const last = position.plus(field('right')).min(numKeys.minus(1));
      const atEdge = tile.lt(first).or(tile.plus(count).minus(1).gt(last));
      f.if(changing.or(atEdge), () => eachRow(() => callLogits(f, p.record, row)));
      f.if(dropping.or(p.careful), () => {
        eachVector(() => kept.plus(c).store(field('keepScale').asFloat().splat()));
        f.if(dropping, () =>
          eachRow(() => {
            const unit = p.sequence.times(field('numHeads')).plus(p.head);
            f.call('attention_dropout', p.record, ofRow(kept), count, tile, p.query.plus(r), unit);
          }),
        );
      });
      f.if(p.careful, () => {
        const may = f.vectorVariable('may');
        eachVector(() => {
          may.set(scores.plus(c).vector().ne(f.floats(Number.NEGATIVE_INFINITY)));
          allowed.plus(c).store(may);
          kept.plus(c).store(kept.plus(c).vector().and(may));
        });
      });
      f.if(dropping, () => f.call('attention_keep', gradients, kept, tileBytes));
      f.call('attention_gradient_rows', p.scratch, p.record, p.rows, count);
      f.if(dropping, () => f.call('attention_keep', scores, kept, tileBytes));
      f.if(field('gradBias').ne(0).and(p.careful.not()), () =>
        eachRow(() => {
          const entry = queryRow.times(field('columns')).plus(tile).shl(2);
          const target = field('gradBias')
            .plus(p.head.times(field('biasHeadStride')))
            .plus(entry);
          f.call('attention_add_row', ofRow(gradients), target, valid);
        }),
      );
      f.if(field('softcap'), () => {
        const ratio = f.vectorVariable('ratio');
        eachVector(() => {
          ratio.set(caps.plus(c).vector().dividedBy(field('softcap').asFloat().splat()));
          const at = gradients.plus(c);
          at.store(at.vector().times(f.floats(1).minus(ratio.times(ratio))));
        });
      });
      const dKeys = p.scratch.plus(field('atKeySums')).plus(tile.times(keyStride));
      const dValues = p.scratch.plus(field('atValueSums')).plus(tile.times(valueStride));
      f.if(
        p.careful,
        () => {
          const keys = field('k')
            .plus(keyRow.plus(tile).times(field('ldk')))
            .plus(kvHead.times(dK).shl(2));
          const product = (a: Int, flags: Int, ...rest: (Int | number)[]) =>
            f.call('attention_careful_product', a, flags, ...rest);
          const [row, column] = [
            [SCORE_STRIDE, 4],
            [4, SCORE_STRIDE],
          ];
          product(scores, kept, ...column, dOut, ldo, dValues, valueStride, valid, dV, p.rows);
          product(gradients, allowed, ...column, scaled, dK.shl(2), dKeys, keyStride, valid, dK, p.rows);
          product(gradients, allowed, ...row, keys, field('ldk'), dQ, keyStride, p.rows, dK, valid);
        },
        () => {
          const transposed = (a: Int, panels: Int, out: Int, stride: Int) => {
            const columns = stride.shr(2);
            const strides = { lda: SCORE_STRIDE, ldb: 0, ldc: stride };
            const sizes = { n: columns, k: p.rows, accumulate: 1, from: 0, to: valid };
            f.run(gemmTransposedPacked, { a, b: panels, c: out, ...strides, ...sizes, scratch: edge });
          };
          transposed(scores, outPanels, dValues, valueStride);
          transposed(gradients, queryPanels, dKeys, keyStride);
          const keys = p.scratch.plus(field('atKeyPanels')).plus(tile.times(keyStride));
          const width = keyStride.shr(2);
          const strides = { lda: SCORE_STRIDE, ldb: stored, ldc: keyStride };
          const sizes = { n: width, k: valid, accumulate: 1, from: 0, to: p.rows };
          f.run(gemmRowsPacked, { a: gradients, b: keys, c: dQ, ...strides, ...sizes, scratch: edge });
        },
      );
    });
    f.call('note_bad', dQ, p.rows.times(keyStride), bad);
    const gradQ = atHead('gradQ', ldq, dK);
    f.call('scale_rows', dQ, keyStride, gradQ, ldq, p.rows, dK, field('scale').asFloat());
  });
}

/**
 * Units [from, to) of a backward; unit = sequence · numKvHeads + kvHead. Ranges may be cut anywhere and, where each head
 * has its own rows of dBias or dBias is not wanted, run at the same time. A dBias that heads share is summed head after
 * head: then the ranges of one sequence must run one after another, ascending.
 */
function attentionBackward(m: Module): void {
  entry(m, 'attention_backward', { record: 'int' }, (f, p) => {
    const field = fieldsOf(p.record);
    const names = ['unit', 'sequence', 'kvHead', 'head', 'query', 'tile', 'count', 'group', 'careful'];
    const [unit, sequence, kvHead, head, query, tile, count, group, careful] = names.map((n) => f.intVariable(n));
    const [dK, dV, ldk, ldv] = (['dK', 'dV', 'ldk', 'ldv'] as const).map((name) => f.intVariable(name, field(name)));
    const [keySums, valueSums, bad] = (['atKeySums', 'atValueSums', 'atBad'] as const).map((name) =>
      f.intVariable(name, p.scratch.plus(field(name))),
    );
    const keyStride = f.intVariable('keyStride', roundUp(dK).shl(2));
    const valueStride = f.intVariable('valueStride', outStrideOf(field));
    group.set(groupOf(field));
    f.for(unit, p.from, p.to, 1, () => {
      sequence.set(unit.dividedBy(field('numKvHeads')));
      kvHead.set(unit.modulo(field('numKvHeads')));
      const { queryRow, numQueries, keyRow, numKeys } = sequenceOf(f, field, sequence);
      const atHead = (base: BackwardField, stride: Int, width: Int, row: Int = keyRow) =>
        field(base).plus(row.times(stride)).plus(kvHead.times(width).shl(2));
      const keyBytes = numKeys.times(keyStride);
      const valueBytes = numKeys.times(valueStride);

      f.for(tile, 0, numKeys, KEY_TILE, () => {
        count.set(numKeys.minus(tile).min(KEY_TILE));
        const at = (name: BackwardField, stride: Int) => p.scratch.plus(field(name)).plus(tile.times(stride));
        const k = atHead('k', ldk, dK, keyRow.plus(tile));
        const v = atHead('v', ldv, dV, keyRow.plus(tile));
        const columns = { n: count, from: 0, to: panelsOf(count), scratch: 0 };
        f.run(packColumns, { b: k, ldb: ldk, out: at('atKeys', dK.shl(2)), k: dK, ...columns });
        f.run(packColumns, { b: v, ldb: ldv, out: at('atValues', dV.shl(2)), k: dV, ...columns });
        const rows = { n: dK, k: count, from: 0, to: panelsOf(dK), scratch: 0 };
        f.run(packRows, { b: k, ldb: ldk, out: at('atKeyPanels', keyStride), ...rows });
      });
      const everyHead = (body: () => void) => f.for(head, kvHead.times(group), kvHead.plus(1).times(group), 1, body);
      f.if(field('gradBias'), () =>
        everyHead(() => {
          const start = head.times(field('biasHeadStride'));
          const target = field('gradBias')
            .plus(start)
            .plus(queryRow.times(field('columns')).shl(2));
          // The first head of those that share it clears it.
          f.if(start.or(head.not()), () => f.fill(target, 0, numQueries.times(field('columns')).shl(2)));
        }),
      );

      careful.set(0);
      bad.store(f.int(0));
      f.doWhile(
        () => {
          f.fill(keySums, 0, keyBytes);
          f.fill(valueSums, 0, valueBytes);
          everyHead(() => {
            const sink = sequence.times(field('numHeads')).plus(head).shl(2);
            f.if(field('gradSinks'), () => field('gradSinks').plus(sink).store(f.float(0)));
            f.for(query, 0, numQueries, field('queryTile'), () => {
              const rows = numQueries.minus(query).min(field('queryTile'));
              f.call('attention_gradient_tile', p.record, p.scratch, sequence, head, query, rows, careful);
            });
          });
          f.call('note_bad', keySums, keyBytes, bad);
          f.call('note_bad', valueSums, valueBytes, bad);
          careful.add(1);
        },
        () => bad.int().and(careful.eq(1)),
      );
      const one = f.float(1);
      f.call('scale_rows', keySums, keyStride, atHead('gradK', ldk, dK), ldk, numKeys, dK, one);
      f.call('scale_rows', valueSums, valueStride, atHead('gradV', ldv, dV), ldv, numKeys, dV, one);
    });
  });
}

export function emitAttentionBackward(m: Module): void {
  emitBackwardRows(m, fieldsOf);
  gradientTile(m);
  attentionBackward(m);
}
