import { KEY_TILE } from '../../module/attention-record.js';
import type { FunctionBuilder } from '../language/builder.js';
import type { Int } from '../language/values.js';
import type { IntVariable } from '../language/variables.js';
import { dropWeights } from './dropout.js';
import { dropsAny, type Field, groupOf, roundUp, sequenceOf } from './fields.js';
import { changesScores, logits } from './logits.js';

// Rows of queries meet the keys of their sequence tile by tile, ascending. A tile of scores, KEY_TILE floats a row:
//
//                   first        first + valid   first + count
//                     ├───────────────┼───────────────┤
//   query             │ · · · · · · · │ −∞ · · · · −∞ │   band of one row: position − left ≤ key ≤ position + right
//   query + 1         │ · · · · · · · │ −∞ · · · · −∞ │
//     …               │               │               │
//   query + rows − 1  │ · · · · · · · │ −∞ · · · · −∞ │
//                     └───────────────┴───────────────┘
//
// position   place of a query among the keys: offset + query
// valid      keys of the tile that a query of the tile may reach
// count      valid, rounded up to whole vectors and panels
// stored     keys of the tile that exist; all of them are packed

/** Bytes from a row of scores to the next. */
export const SCORE_STRIDE = KEY_TILE * 4;

export interface KeyTile {
  first: IntVariable;
  valid: IntVariable;
  count: IntVariable;
  stored: IntVariable;
}

/** Query rows at positions [position, position + rows), and the keys of their sequence. */
type Band = Record<'position' | 'rows' | 'numKeys', Int>;

/** The keys in reach of a band: from the first of a tile to behind the last. */
export function keysInReach(f: FunctionBuilder, field: Field, { position, rows, numKeys }: Band) {
  const from = f.intVariable('from', position.minus(field('left')).max(0).and(-KEY_TILE));
  const to = f.intVariable('to', position.plus(rows).plus(field('right')).min(numKeys));
  return { from, to };
}

/** Runs `body` for the tiles of keys [from, to), one after another. */
export function forKeyTiles(
  f: FunctionBuilder,
  { from, to, numKeys }: Record<'from' | 'to' | 'numKeys', Int>,
  body: (tile: KeyTile) => void,
): void {
  const [first, valid, count, stored] = f.intVariables('tile', 'valid', 'count', 'stored');
  f.for(first, from, to, KEY_TILE, () => {
    valid.set(to.minus(first).min(KEY_TILE));
    count.set(roundUp(valid));
    stored.set(numKeys.minus(first).min(KEY_TILE));
    body({ first, valid, count, stored });
  });
}

/** Whether some key of the tile is out of reach of some row of the band. */
export function isCut(field: Field, { first, count }: KeyTile, { position, rows, numKeys }: Band): Int {
  const from = position.plus(rows.minus(1)).minus(field('left'));
  const last = position.plus(field('right')).min(numKeys.minus(1));
  return first.lt(from).or(first.plus(count).minus(1).gt(last));
}

/** A row of a tile: where its scores begin, which row of the packed queries it is, its place among the keys. */
type TileRow = Record<'r' | 'scores' | 'queryRow' | 'position', IntVariable>;

/** Query rows [query, query + rows) of one head: what their tiles share. */
export function rowsOfHead(
  f: FunctionBuilder,
  field: Field,
  p: Record<'record' | 'sequence' | 'head' | 'query' | 'rows', Int>,
) {
  const { queryRow, keyRow, numKeys, offset: position } = sequenceOf(f, field, p.sequence);
  queryRow.add(p.query);
  position.add(p.query);
  const kvHead = f.intVariable('kvHead', p.head.dividedBy(groupOf(field)));
  const changing = f.intVariable('changing', changesScores(field));
  const dropping = f.intVariable('dropping', dropsAny(field));
  const band: Band = { position, rows: p.rows, numKeys };
  const [r, scores, rowOfQuery, rowPosition] = f.intVariables('r', 'rowScores', 'rowOfQuery', 'rowPosition');

  const eachRow = (tile: Int, body: (row: TileRow) => void) =>
    f.for(r, 0, p.rows, 1, () => {
      scores.set(tile.plus(r.times(SCORE_STRIDE)));
      rowOfQuery.set(queryRow.plus(r));
      rowPosition.set(position.plus(r));
      body({ r, scores, queryRow: rowOfQuery, position: rowPosition });
    });
  /** Scores become logits, where anything changes them. */
  const toLogits = (scoresOfTile: Int, tile: KeyTile) =>
    f.if(changing.or(isCut(field, tile, band)), () =>
      eachRow(scoresOfTile, (row) => {
        const { first: firstKey, count } = tile;
        f.run(logits, { record: p.record, head: p.head, firstKey, count, numKeys, keyRow, ...row });
      }),
    );
  /** Weights that dropout drops become 0; where `dropping`. */
  const drop = (weights: Int, { first: firstKey, count }: KeyTile) => {
    const unit = p.sequence.times(field('numHeads')).plus(p.head);
    eachRow(weights, (row) => {
      f.run(dropWeights, { record: p.record, weights: row.scores, count, firstKey, query: p.query.plus(r), unit });
    });
  };
  return { queryRow, position, keyRow, numKeys, kvHead, band, dropping, eachRow, toLogits, drop };
}
