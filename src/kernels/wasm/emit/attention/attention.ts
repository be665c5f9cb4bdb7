// kernels/wasm/emit/attention: fused attention, forward and backward, from its parts: logits, softmax, tiles, rows. Only
// these files know the record of an attention.

import type binaryen from 'binaryen';
import { FEW_ROWS, ROWS_AT_ONCE } from '../../module/attention-record.js';
import { entry } from '../language/builder.js';
import { emitCarefulProduct } from './careful-product.js';
import { emitFewRows, fewRows } from './few-rows.js';
import { fieldsOf, groupOf, sequenceOf } from './fields.js';
import { emitLogits } from './logits.js';
import { emitPackedHead, packedHead } from './packed-head.js';
import { emitQueryTile } from './query-tile.js';
import { emitRowEnds } from './row-ends.js';
import { emitScoresRows } from './scores-rows.js';
import { emitSoftmaxRows } from './softmax.js';
import { emitStage } from './stage.js';
import { blockOf } from './units.js';
import { emitValuesRows } from './values-rows.js';

// Fused attention, forward. For rows of queries, over tiles of keys from the first in reach to the last:
//   S = (scale·Q)·Kᵀ → logits (logits.ts) → m' = max(m, max S), P = e^{S−m'}, s = s·e^{m−m'} + Σ P,
//   O = O·e^{m−m'} + P·V; at the end O / s. Nothing of size Lq × Lk exists.
//
//   Q, K, V, O   queries, keys, values, outputs; rows of all sequences, a head is a block of keyWidth or valueWidth columns
//   S            scores, then logits, of a tile (tiles.ts)
//   m, s         of every query row and head: maximum of its logits and sink, Σ e^{S−m} (+ e^{sink−m})
//   P            e^{S−m}, the weights before they are divided by s
//   group        query heads that read one key/value head
//
//                      Lk keys
//              ┌──────┬──────┬──────┐
//   query tile │ S₀ ──► S₁ ──► S₂   │ ──► m, s, O of its rows        one head of one sequence
//              ├──────┼──────┼──────┤
//   query tile │ S₀ ──► S₁ ──► S₂   │ ──► …
//              └──────┴──────┴──────┘
//
// V is multiplied without looking whether a weight is 0. If that put 0·NaN or 0·∞ into a row, its tile of rows is done
// again, `careful`: only with the keys that may be attended. Finite data never pays for it.
// K and V of a head are packed into panels and read by tiles of its query rows (query-tile.ts), unless so few
// rows read them that packing would cost more (few-rows.ts); the sums are the same to the bit.

type Module = binaryen.Module;

/**
 * Units [from, to) of an attention, in any order; unit = (sequence · numKvHeads + kvHead) · parts + part, where part is a
 * block of query rows in whole tiles (units.ts). It writes O, m and s of its rows in the heads that read the key/value
 * head. A thread needs the scratch that calls/attention.ts lays out: about 4·keys·(keyWidth + valueWidth) bytes for the
 * keys of the longest sequence, whatever `parts` is; n threads n times as much.
 * Parts of one head in a range go together, so that K and V are packed once; so do heads of a sequence with few query
 * rows, which is not cut: part 0 does it, as many heads as have room in the scratch. No result depends on which go together.
 */
function attention(m: Module): void {
  entry(m, 'attention', { record: 'int' }, (f, p) => {
    const field = fieldsOf(p.record);
    const [unit, pair, part, sequence, kvHead] = f.intVariables('unit', 'pair', 'part', 'sequence', 'kvHead');
    const [rows, end] = f.intVariables('rows', 'end');
    const numKvHeads = f.intVariable('numKvHeads', field('numKvHeads'));
    const parts = f.intVariable('parts', field('parts'));
    unit.set(p.from);
    f.while(
      () => unit.lt(p.to),
      () => {
        pair.set(unit.dividedBy(parts));
        part.set(unit.modulo(parts));
        sequence.set(pair.dividedBy(numKvHeads));
        kvHead.set(pair.modulo(numKvHeads));
        const { numQueries } = sequenceOf(f, field, sequence);
        rows.set(numQueries.times(groupOf(field)));
        f.if(
          rows.gt(FEW_ROWS),
          () => {
            end.set(part.plus(p.to.minus(unit)).min(parts));
            const blocks = { rows: numQueries, tileRows: field('queryTile'), parts, part, end };
            const { from, to } = blockOf(f, blocks);
            f.if(from.lt(to), () => f.run(packedHead, { ...p, sequence, kvHead, queryFrom: from, queryTo: to }));
            unit.add(end.minus(part));
          },
          () => {
            // Up to the last head whose part 0 is in the range.
            end.set(kvHead.plus(p.to.minus(unit).plus(parts.minus(1)).dividedBy(parts)).min(numKvHeads));
            end.set(end.min(kvHead.plus(f.int(ROWS_AT_ONCE).dividedBy(rows.max(1)))));
            f.if(
              part,
              () => unit.add(parts.minus(part)),
              () => {
                f.run(fewRows, { ...p, sequence, kvFrom: kvHead, kvTo: end });
                unit.add(end.minus(kvHead).times(parts));
              },
            );
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
  emitCarefulProduct(m);
  emitQueryTile(m);
  emitPackedHead(m);
  emitFewRows(m);
  attention(m);
  emitStage(m);
}
