import type binaryen from 'binaryen';
import { define, type FunctionBuilder, signature } from '../language/builder.js';
import type { IntVariable } from '../language/variables.js';
import { dropWeights } from './dropout.js';
import { dropsAny, fieldsOf, groupOf, localsOf, sequenceOf, valueStrideOf } from './fields.js';
import { changesScores, logits } from './logits.js';
import { packedHead } from './packed-head.js';
import { finishRows, ifNotFinite, startRows } from './row-ends.js';
import { scoresRows } from './scores-rows.js';
import { softmaxRows } from './softmax.js';
import { forKeyTiles, isCut, type KeyTile, keysInReach, SCORE_STRIDE } from './tiles.js';
import { valuesRows } from './values-rows.js';

// A step of decoding: a few query rows of many heads, O and S as in attention.ts. K and V are read once, where they lie.
// A tile of scores holds the rows of several heads, each against its own columns of the same keys:
//
//                           first key … KEY_TILE keys
//   headFrom      query 0 │ · · · · · · · · · · · · · │ ┐
//                 query 1 │ · · · · · · · · · · · · · │ │ rowsPerKvHead, group·numQueries rows: they read the
//   headFrom + 1  query 0 │ · · · · · · · · · · · · · │ │ same columns of K and V
//                 query 1 │ · · · · · · · · · · · · · │ ┘
//   …

/**
 * Keys whose scores are taken for all heads before those of the next keys. One head after the other reads
 * K in pieces as short as a head is wide; so they are read nearly in the order of their addresses.
 * 12 heads of 64, 1 row, 1024 keys: scores alone 114 µs, in whole tiles of 64 keys 148; all of it 313 µs, with 32 keys 362.
 */
const KEY_BLOCK = 16;

/**
 * All query rows of key/value heads [kvFrom, kvTo) of a sequence that has at most FEW_ROWS per key/value head, at most
 * ROWS_AT_ONCE together. Row (head − first head)·numQueries + query of the scratch is that of a query.
 */
export const fewRows = signature('attention_few_rows', {
  record: 'int',
  scratch: 'int',
  sequence: 'int',
  kvFrom: 'int',
  kvTo: 'int',
});

type Arguments = Record<keyof typeof fewRows.parameters, IntVariable>;

function contextOf(f: FunctionBuilder, p: Arguments) {
  const field = fieldsOf(p.record);
  const { place, value } = localsOf(f, field, p.scratch);
  const sequence = sequenceOf(f, field, p.sequence);
  const group = f.intVariable('group', groupOf(field));
  const rowsPerKvHead = f.intVariable('rowsPerKvHead', sequence.numQueries.times(group));
  return {
    f,
    p,
    field,
    ...sequence,
    scaled: place('atQuery'),
    scores: place('atScores'),
    out: place('atOut'),
    part: place('atPart'),
    statistics: { max: place('atMax'), sum: place('atSum'), factors: place('atFactors'), shifts: place('atShifts') },
    keyWidth: value('keyWidth'),
    valueWidth: value('valueWidth'),
    ldk: value('ldk'),
    ldv: value('ldv'),
    outStride: f.intVariable('outStride', valueStrideOf(field)),
    group,
    rowsPerKvHead,
    rows: f.intVariable('rows', p.kvTo.minus(p.kvFrom).times(rowsPerKvHead)),
    headFrom: f.intVariable('headFrom', p.kvFrom.times(group)),
    headTo: f.intVariable('headTo', p.kvTo.times(group)),
    changing: f.intVariable('changing', changesScores(field)),
    dropping: f.intVariable('dropping', dropsAny(field)),
    kvHead: f.intVariable('kvHead'),
    head: f.intVariable('head'),
    query: f.intVariable('query'),
    at: f.intVariable('at'),
  };
}

type Context = ReturnType<typeof contextOf>;

/** Runs `body` for every head, `first` being the row of the scratch that is its first. */
function eachHead({ f, head, headFrom, headTo, numQueries }: Context, first: IntVariable, body: () => void): void {
  first.set(0);
  f.for(head, headFrom, headTo, 1, () => {
    body();
    first.add(numQueries);
  });
}

/** Runs `body` for every row of a tile of scores, `at` being its address. */
function eachRow({ f, head, headFrom, headTo, query, numQueries, at, scores }: Context, body: () => void): void {
  at.set(scores);
  f.for(head, headFrom, headTo, 1, () => {
    f.for(query, 0, numQueries, 1, () => {
      body();
      at.add(SCORE_STRIDE);
    });
  });
}

/** S = (scale·Q)·Kᵀ of one tile, KEY_BLOCK keys after the other. */
function multiplyKeys(t: Context, tile: KeyTile): void {
  const { f, p, field, keyRow, ldk, keyWidth, scaled, scores, at, kvHead, rowsPerKvHead } = t;
  const [block, k, q] = f.intVariables('block', 'k', 'q');
  f.for(block, 0, tile.count, KEY_BLOCK, () => {
    k.set(field('k').plus(keyRow.plus(tile.first).plus(block).times(ldk)).plus(p.kvFrom.times(keyWidth).shl(2)));
    q.set(scaled);
    at.set(scores.plus(block.shl(2)));
    f.for(kvHead, p.kvFrom, p.kvTo, 1, () => {
      const [count, stored] = [tile.count.minus(block).min(KEY_BLOCK), tile.stored.minus(block).min(KEY_BLOCK)];
      f.run(scoresRows, { q, k, ldk, scores: at, rows: rowsPerKvHead, count, stored, keyWidth });
      k.add(keyWidth.shl(2));
      q.add(rowsPerKvHead.times(keyWidth).shl(2));
      at.add(rowsPerKvHead.times(SCORE_STRIDE));
    });
  });
}

/** Scores become logits, where anything changes them. */
function toLogits(t: Context, tile: KeyTile): void {
  const { f, p, field, queryRow, numQueries, keyRow, numKeys, offset, head, query, changing } = t;
  f.if(changing.or(isCut(field, tile, { position: offset, rows: numQueries, numKeys })), () =>
    eachRow(t, () =>
      f.run(logits, {
        record: p.record,
        scores: t.at,
        count: tile.count,
        firstKey: tile.first,
        numKeys,
        keyRow,
        queryRow: queryRow.plus(query),
        position: offset.plus(query),
        head,
      }),
    ),
  );
}

/** O += P·V for the keys of one tile. */
function multiplyValues(t: Context, tile: KeyTile): void {
  const { f, p, field, keyRow, ldv, valueWidth, scores, out, outStride, rowsPerKvHead, rows } = t;
  f.if(field('v'), () =>
    f.run(valuesRows, {
      weights: scores,
      v: field('v').plus(keyRow.plus(tile.first).times(ldv)).plus(p.kvFrom.times(valueWidth).shl(2)),
      ldv,
      out,
      outStride,
      block: t.part,
      valueWidth,
      rowsAHead: rowsPerKvHead,
      rows,
      count: tile.valid,
    }),
  );
}

export function emitFewRows(m: binaryen.Module): void {
  define(m, fewRows, (f, p) => {
    const t = contextOf(f, p);
    const { field, queryRow, numQueries, numKeys, offset, scores, out, outStride, rows, head, kvHead } = t;
    const first = f.intVariable('first');
    const rowsOfHead = { ...p, queryRow, head, rows: numQueries, first };
    eachHead(t, first, () => f.run(startRows, rowsOfHead));
    const reach = keysInReach(f, field, { position: offset, rows: numQueries, numKeys });
    forKeyTiles(f, { ...reach, numKeys }, (tile) => {
      multiplyKeys(t, tile);
      toLogits(t, tile);
      f.run(softmaxRows, { scores, rows, count: tile.count, ...t.statistics, out, outStride });
      f.if(t.dropping, () =>
        eachRow(t, () => {
          const unit = p.sequence.times(field('numHeads')).plus(head);
          const { first: firstKey, count } = tile;
          f.run(dropWeights, { record: p.record, weights: t.at, count, firstKey, query: t.query, unit });
        }),
      );
      multiplyValues(t, tile);
    });
    eachHead(t, first, () => f.run(finishRows, rowsOfHead));

    // Where 0·NaN or 0·∞ came in, the head is done again, with packed K and V, in the rows of the scratch that are free now.
    f.if(field('v'), () =>
      f.for(kvHead, p.kvFrom, p.kvTo, 1, () =>
        ifNotFinite(
          f,
          { record: p.record, queryRow, head: kvHead.times(t.group), rows: numQueries, heads: t.group },
          () => f.run(packedHead, { ...p, kvHead, queryFrom: 0, queryTo: numQueries }),
        ),
      ),
    );
  });
}
