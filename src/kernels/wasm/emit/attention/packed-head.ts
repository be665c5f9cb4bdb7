import type binaryen from 'binaryen';
import { KEY_TILE } from '../../module/attention-record.js';
import { define, type FunctionBuilder, signature } from '../language/builder.js';
import type { Int } from '../language/values.js';
import { packColumns, packRows, panelsOf } from '../packing.js';
import { type Field, fieldsOf, groupOf, sequenceOf, valueStrideOf } from './fields.js';
import { queryTile } from './query-tile.js';
import { keysInReach } from './tiles.js';

// K and V of one key/value head in panels, made once for all the query tiles that read them. Panels are those of
// packing.ts, those of one key tile behind one another, at the place of the tile:
//
//   atKeys    │ Kᵀ of tile 0 │ Kᵀ of tile 1 │ …     keyWidth floats per key
//   atValues  │ V of tile 0  │ V of tile 1  │ …     valueWidth, rounded up to a panel, floats per key

/**
 * Query rows [queryFrom, queryTo) of every query head that reads one key/value head: packs the keys and values in their
 * reach, tile by tile, and goes through the query tiles. queryFrom is the first of a tile.
 */
export const packedHead = signature('attention_packed_head', {
  record: 'int',
  scratch: 'int',
  sequence: 'int',
  kvHead: 'int',
  queryFrom: 'int',
  queryTo: 'int',
});

/** Panels of the keys, and where there are values, of the values, of one tile that begins at `row` of the packed matrix. */
function packTile(
  f: FunctionBuilder,
  field: Field,
  { scratch, kvHead, tile, row, count }: Record<'scratch' | 'kvHead' | 'tile' | 'row' | 'count', Int>,
): void {
  const [keyWidth, valueWidth] = [field('keyWidth'), field('valueWidth')];
  f.run(packColumns, {
    b: field('k')
      .plus(row.times(field('ldk')))
      .plus(kvHead.times(keyWidth).shl(2)),
    ldb: field('ldk'),
    out: scratch.plus(field('atKeys')).plus(tile.times(keyWidth).shl(2)),
    n: count,
    k: keyWidth,
    from: 0,
    to: panelsOf(count),
    scratch: 0,
  });
  f.if(field('v'), () =>
    f.run(packRows, {
      b: field('v')
        .plus(row.times(field('ldv')))
        .plus(kvHead.times(valueWidth).shl(2)),
      ldb: field('ldv'),
      out: scratch.plus(field('atValues')).plus(tile.times(valueStrideOf(field))),
      n: valueWidth,
      k: count,
      from: 0,
      to: panelsOf(valueWidth),
      scratch: 0,
    }),
  );
}

export function emitPackedHead(m: binaryen.Module): void {
  define(m, packedHead, (f, p) => {
    const field = fieldsOf(p.record);
    const { keyRow, numKeys, offset } = sequenceOf(f, field, p.sequence);
    const [head, query, tile, count] = f.intVariables('head', 'query', 'tile', 'count');
    const group = f.intVariable('group', groupOf(field));
    const band = { position: offset.plus(p.queryFrom), rows: p.queryTo.minus(p.queryFrom), numKeys };
    const { from, to } = keysInReach(f, field, band);
    f.for(tile, from, to, KEY_TILE, () => {
      count.set(numKeys.minus(tile).min(KEY_TILE));
      packTile(f, field, { ...p, tile, row: keyRow.plus(tile), count });
    });
    f.for(head, p.kvHead.times(group), p.kvHead.plus(1).times(group), 1, () => {
      f.for(query, p.queryFrom, p.queryTo, field('queryTile'), () => {
        const rows = p.queryTo.minus(query).min(field('queryTile'));
        f.run(queryTile, { ...p, head, query, rows, careful: 0 });
      });
    });
  });
}
