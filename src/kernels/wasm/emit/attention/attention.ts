// kernels/wasm/emit/attention: fused attention, forward and backward, from its parts: logits, softmax, tiles, rows. Only
// these files know the record of an attention.

import type binaryen from 'binaryen';
import { FEW_ROWS, KEY_TILE, ROWS_AT_ONCE } from '../../module/attention-record.js';
import { define, entry } from '../language/builder.js';
import { packColumns, packRows, panelsOf } from '../packing.js';
import { emitFewRows } from './few-rows.js';
import { fieldsOf, groupOf, outStrideOf, sequenceOf } from './fields.js';
import { emitLogits } from './logits.js';
import { emitQueryTile } from './query-tile.js';
import { emitRowEnds } from './row-ends.js';
import { emitScoresRows, emitValuesRows } from './rows.js';
import { emitSoftmaxRows } from './softmax.js';
import { emitStage } from './stage.js';

// Fused attention, forward. For rows of queries, over tiles of keys from the first in reach to the last:
//   S = (scale·Q)·Kᵀ → logits (logits.ts) → m' = max(m, max S), P = e^{S−m'}, s = s·e^{m−m'} + Σ P,
//   O = O·e^{m−m'} + P·V; at the end O / s. Nothing of size Lq × Lk exists.
// V is multiplied without looking whether a weight is 0. If that put 0·NaN or 0·∞ into a row, its tile of rows is done
// again, `careful`: only with the keys that may be attended. Finite data never pays for it.
// K and V of a head are packed into panels and read by tiles of its query rows (query-tile.ts), unless so few
// rows read them that packing would cost more (few-rows.ts); the sums are the same to the bit.

type Module = binaryen.Module;

/** Packs the keys and values of one key/value head, tile by tile, and runs every query head that reads them. */
function packedHead(m: Module): void {
  const parameters = { record: 'int', scratch: 'int', sequence: 'int', kvHead: 'int' } as const;
  define(m, 'attention_packed_head', parameters, (f, p) => {
    const field = fieldsOf(p.record);
    const { numQueries, keyRow, numKeys } = sequenceOf(f, field, p.sequence);
    const [head, query, tile, count] = ['head', 'query', 'tile', 'count'].map((name) => f.intVariable(name));
    const dK = f.intVariable('dK', field('dK'));
    const dV = f.intVariable('dV', field('dV'));
    const group = f.intVariable('group', groupOf(field));
    f.for(tile, 0, numKeys, KEY_TILE, () => {
      count.set(numKeys.minus(tile).min(KEY_TILE));
      const k = field('k')
        .plus(keyRow.plus(tile).times(field('ldk')))
        .plus(p.kvHead.times(dK).shl(2));
      const keys = p.scratch.plus(field('atKeys')).plus(tile.times(dK).shl(2));
      f.run(packColumns, {
        b: k,
        ldb: field('ldk'),
        out: keys,
        n: count,
        k: dK,
        from: 0,
        to: panelsOf(count),
        scratch: 0,
      });
      f.if(field('v'), () => {
        const v = field('v')
          .plus(keyRow.plus(tile).times(field('ldv')))
          .plus(p.kvHead.times(dV).shl(2));
        const values = p.scratch.plus(field('atValues')).plus(tile.times(outStrideOf(field)));
        f.run(packRows, {
          b: v,
          ldb: field('ldv'),
          out: values,
          n: dV,
          k: count,
          from: 0,
          to: panelsOf(dV),
          scratch: 0,
        });
      });
    });
    f.for(head, p.kvHead.times(group), p.kvHead.plus(1).times(group), 1, () => {
      f.for(query, 0, numQueries, field('queryTile'), () => {
        const rows = numQueries.minus(query).min(field('queryTile'));
        f.call('attention_query_tile', p.record, p.scratch, p.sequence, head, query, rows, 0);
      });
    });
  });
}

/**
 * Units [from, to) of an attention; unit = sequence · numKvHeads + kvHead. Heads of a sequence with few query rows go
 * together, as many as have room in the scratch; no result depends on which go together.
 */
function attention(m: Module): void {
  entry(m, 'attention', { record: 'int' }, (f, p) => {
    const field = fieldsOf(p.record);
    const [unit, sequence, kvHead, rows, end] = ['unit', 'sequence', 'kvHead', 'rows', 'end'].map((name) =>
      f.intVariable(name),
    );
    const numKvHeads = f.intVariable('numKvHeads', field('numKvHeads'));
    unit.set(p.from);
    f.while(
      () => unit.lt(p.to),
      () => {
        sequence.set(unit.dividedBy(numKvHeads));
        kvHead.set(unit.modulo(numKvHeads));
        const { numQueries } = sequenceOf(f, field, sequence);
        rows.set(numQueries.times(groupOf(field)));
        f.if(
          rows.gt(FEW_ROWS),
          () => {
            f.call('attention_packed_head', p.record, p.scratch, sequence, kvHead);
            unit.add(1);
          },
          () => {
            end.set(kvHead.plus(p.to.minus(unit)).min(numKvHeads));
            end.set(end.min(kvHead.plus(f.int(ROWS_AT_ONCE).dividedBy(rows.max(1)))));
            f.call('attention_few_rows', p.record, p.scratch, sequence, kvHead, end);
            unit.add(end.minus(kvHead));
          },
        );
      },
    );
  });
}

export function emitAttention(m: Module): void {
  emitLogits(m);
  emitScoresRows(m);
  emitValuesRows(m);
  emitSoftmaxRows(m);
  emitRowEnds(m);
  emitQueryTile(m);
  packedHead(m);
  emitFewRows(m);
  attention(m);
  emitStage(m);
}
