import type binaryen from 'binaryen';
import { KC } from '../../summation.js';
import { gemmRowsPacked } from '../gemm.js';
import { define, type FunctionBuilder, signature } from '../language/builder.js';
import type { Int } from '../language/values.js';
import { carefulProduct } from './careful-product.js';
import { fieldsOf, localsOf, roundUp, TILE_ARGUMENTS, valueStrideOf } from './fields.js';
import { finishRows, ifNotFinite, startRows } from './row-ends.js';
import { softmaxRows } from './softmax.js';
import { forKeyTiles, type KeyTile, keysInReach, rowsOfHead, SCORE_STRIDE } from './tiles.js';

// Up to queryTile query rows of one head against all their keys, K and V of the head being packed (packed-head.ts):
//
//                 K₀ᵀ  K₁ᵀ  K₂ᵀ …                  V₀ V₁ V₂ …
//   scale·Q │ ──► S₀ ► S₁ ► S₂ …  ── softmax ──► Σ P·V │ O
//
// one key tile after another: S, P by logits.ts and softmax.ts, O = O·e^{m−m'} + P·V.

/** Every key tile of query rows [query, query + rows) of one head. */
export const queryTile = signature('attention_query_tile', {
  ...TILE_ARGUMENTS,
  /** Not 0: only the keys that may be attended are multiplied (see attention.ts). */
  careful: 'int',
});

type Arguments = Record<keyof typeof queryTile.parameters, Int>;

function contextOf(f: FunctionBuilder, p: Arguments) {
  const field = fieldsOf(p.record);
  const { place, value } = localsOf(f, field, p.scratch);
  return {
    f,
    p,
    field,
    scaled: place('atQuery'),
    scores: place('atScores'),
    allowed: place('atAllowed'),
    out: place('atOut'),
    keys: place('atKeys'),
    values: place('atValues'),
    edge: place('atEdge'),
    statistics: { max: place('atMax'), sum: place('atSum'), factors: place('atFactors'), shifts: place('atShifts') },
    keyWidth: value('keyWidth'),
    valueWidth: value('valueWidth'),
    outStride: f.intVariable('outStride', valueStrideOf(field)),
    v: value('v'),
    rows: rowsOfHead(f, field, p),
  };
}

type Context = ReturnType<typeof contextOf>;

/** S = (scale·Q)·Kᵀ for the columns of one tile. */
function multiplyKeys({ f, p, scaled, keys, keyWidth, scores, edge }: Context, tile: KeyTile): void {
  f.run(gemmRowsPacked, {
    a: scaled,
    lda: keyWidth.shl(2),
    b: keys.plus(tile.first.times(keyWidth).shl(2)),
    ldb: 0,
    c: scores,
    ldc: SCORE_STRIDE,
    // Beyond one block of KC columns the panels of the second follow all those stored: then all are computed.
    n: keyWidth.gt(KC).choose(roundUp(tile.stored), tile.count),
    k: keyWidth,
    accumulate: 0,
    from: 0,
    to: p.rows,
    scratch: edge,
  });
}

/** O += P·V for the keys of one tile. */
function multiplyValues(t: Context, tile: KeyTile): void {
  const { f, p, field, scores, allowed, values, valueWidth, out, outStride, v, rows, edge } = t;
  f.if(
    p.careful,
    () =>
      f.run(carefulProduct, {
        a: scores,
        flags: allowed,
        stepI: SCORE_STRIDE,
        stepP: 4,
        b: v.plus(rows.keyRow.plus(tile.first).times(field('ldv'))).plus(rows.kvHead.times(valueWidth).shl(2)),
        ldb: field('ldv'),
        c: out,
        ldc: outStride,
        m: p.rows,
        n: valueWidth,
        k: tile.valid,
      }),
    () =>
      f.if(v, () =>
        f.run(gemmRowsPacked, {
          a: scores,
          lda: SCORE_STRIDE,
          b: values.plus(tile.first.times(outStride)),
          ldb: tile.stored,
          c: out,
          ldc: outStride,
          n: roundUp(valueWidth),
          k: tile.valid,
          accumulate: 1,
          from: 0,
          to: p.rows,
          scratch: edge,
        }),
      ),
  );
}

export function emitQueryTile(m: binaryen.Module): void {
  define(m, queryTile, (f, p) => {
    const t = contextOf(f, p);
    const { scores, allowed, statistics, out, outStride, rows } = t;
    const tileRows = { ...p, queryRow: rows.queryRow, first: f.int(0) };
    const c = f.intVariable('c');
    f.run(startRows, tileRows);
    forKeyTiles(f, { ...keysInReach(f, t.field, rows.band), numKeys: rows.numKeys }, (tile) => {
      multiplyKeys(t, tile);
      rows.toLogits(scores, tile);
      f.if(p.careful, () =>
        f.for(c, 0, p.rows.times(SCORE_STRIDE), 16, () =>
          allowed.plus(c).store(scores.plus(c).vector().ne(f.floats(Number.NEGATIVE_INFINITY))),
        ),
      );
      f.run(softmaxRows, { scores, rows: p.rows, count: tile.count, ...statistics, out, outStride });
      f.if(rows.dropping, () => rows.drop(scores, tile));
      multiplyValues(t, tile);
    });
    f.run(finishRows, tileRows);
    f.if(t.v.ne(0).and(p.careful.not()), () =>
      ifNotFinite(f, { ...tileRows, heads: 1 }, () => f.run(queryTile, { ...p, careful: 1 })),
    );
  });
}
