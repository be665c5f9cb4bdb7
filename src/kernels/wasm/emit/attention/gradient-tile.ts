import type binaryen from 'binaryen';
import type { BackwardField } from '../../module/attention-record.js';
import { KC } from '../../summation.js';
import { gemmRowsPacked, gemmTransposedPacked } from '../gemm.js';
import { define, type FunctionBuilder, signature } from '../language/builder.js';
import type { Int } from '../language/values.js';
import { packRows, panelsOf } from '../packing.js';
import { addRowTo, gradientRows, keepRows, noteBad, scaleRows, statisticsOfRows } from './backward-rows.js';
import { carefulProduct } from './careful-product.js';
import { backwardFieldsOf, keyStrideOf, localsOf, roundUp, TILE_ARGUMENTS, valueStrideOf } from './fields.js';
import { softcap } from './logits.js';
import { forKeyTiles, type KeyTile, keysInReach, rowsOfHead, SCORE_STRIDE } from './tiles.js';

// Up to queryTile query rows of one head against keys [keyFrom, keyTo), one key tile after the other (backward.ts):
//
//                     K tile, V tile
//              ┌──────────────────────┐
//   Q, dO, D   │ S → Z → P, A         │ ──► dQ += scale·dS·K      of these rows
//   of rows    │ dP → dZ → dS         │ ──► dBias += dZ           of these rows and keys
//              └──────────────────────┘
//                dK += dSᵀ·(scale·Q), dV += Aᵀ·dO of these keys: one block of the sums over queries
//
// In the scratch, scores hold S, then Z, P and A; gradients hold dP, then dZ and dS; caps hold the capped S for the slope
// of the softcap; kept holds keep / (1 − p) for dropout. Where kept or allowed is 0, the careful products skip the pair.

/** What a tile adds to: any of these together. */
export const QUERY_GRADIENTS = 1; // dQ, dBias
export const KEY_GRADIENTS = 2; // dK, dV
export const SINK_GRADIENTS = 4;

export const gradientTile = signature('attention_gradient_tile', {
  ...TILE_ARGUMENTS,
  /** The keys that the scratch holds: the first of a tile, and behind the last. */
  keyFrom: 'int',
  keyTo: 'int',
  wanted: 'int',
  /** Not 0: only pairs that may be attended are multiplied, and dBias, which is right already, is left alone. */
  careful: 'int',
});

type Arguments = Record<keyof typeof gradientTile.parameters, Int>;

function contextOf(f: FunctionBuilder, p: Arguments) {
  const field = backwardFieldsOf(p.record);
  const local = (name: string, value: Int) => f.intVariable(name, value);
  const { place, value } = localsOf(f, field, p.scratch);
  const rows = rowsOfHead(f, field, p);
  const [keyWidth, valueWidth] = [value('keyWidth'), value('valueWidth')];
  const [ldq, ldo] = [value('ldq'), value('ldo')];
  /** The first row of the tile in an array of query rows. */
  const atHead = (base: BackwardField, stride: Int, width: Int) =>
    field(base).plus(rows.queryRow.times(stride)).plus(p.head.times(width).shl(2));
  return {
    f,
    p,
    field,
    rows,
    keyWidth,
    valueWidth,
    ldq,
    ldo,
    atHead,
    keyStride: local('keyStride', keyStrideOf(field)),
    valueStride: local('valueStride', valueStrideOf(field)),
    dOut: local('dOut', atHead('dOut', ldo, valueWidth)),
    edge: place('atEdge'),
    scaled: place('atQuery'),
    dQ: place('atOut'),
    scores: place('atScores'),
    gradients: place('atGradients'),
    caps: place('atCaps'),
    allowed: place('atAllowed'),
    kept: place('atKept'),
    queryPanels: place('atQueryPanels'),
    outPanels: place('atOutPanels'),
    /** Of all its rows, also where they hold nothing. */
    tileBytes: local('tileBytes', p.rows.times(SCORE_STRIDE)),
    c: f.intVariable('c'),
    wantsQueries: local('wantsQueries', p.wanted.and(QUERY_GRADIENTS)),
    wantsKeys: local('wantsKeys', p.wanted.and(KEY_GRADIENTS)),
  };
}

type Context = ReturnType<typeof contextOf>;

/** scale·Q, as it lies and in panels, dO in panels, dQ = 0. */
function startTile(t: Context): void {
  const { f, p, field, keyWidth, valueWidth, ldq, ldo, scaled, dOut } = t;
  const [x, out] = [t.atHead('q', ldq, keyWidth), scaled];
  const factor = field('scale').asFloat();
  f.run(scaleRows, { x, ldx: ldq, out, ldo: keyWidth.shl(2), rows: p.rows, width: keyWidth, factor });
  const pack = (b: Int, ldb: Int, panels: Int, n: Int) =>
    f.run(packRows, { b, ldb, out: panels, n, k: p.rows, from: 0, to: panelsOf(n), scratch: 0 });
  f.if(t.wantsKeys, () => {
    pack(scaled, keyWidth.shl(2), t.queryPanels, keyWidth);
    pack(dOut, ldo, t.outPanels, valueWidth);
  });
  f.if(t.wantsQueries, () => f.fill(t.dQ, 0, p.rows.times(t.keyStride)));
}

/** Runs `body` for every vector of the tile, c being its distance in bytes from the first. */
const eachVector = ({ f, c, tileBytes }: Context, body: () => void) => f.for(c, 0, tileBytes, 16, body);

/** S = (scale·Q)·Kᵀ and dP = dO·Vᵀ, before dropout; caps = softcapped S. */
function multiplyPanels(t: Context, tile: KeyTile): void {
  const { f, p, field, keyWidth, valueWidth, scores, gradients, caps, tileBytes } = t;
  const product = (a: Int, lda: Int, panels: BackwardField, width: Int, out: Int) =>
    f.run(gemmRowsPacked, {
      a,
      lda,
      b: p.scratch.plus(field(panels)).plus(tile.first.minus(p.keyFrom).times(width).shl(2)),
      ldb: 0,
      c: out,
      ldc: SCORE_STRIDE,
      // Beyond one block of KC columns the panels of the second follow all those stored: then all are computed.
      n: width.gt(KC).choose(roundUp(tile.stored), tile.count),
      k: width,
      accumulate: 0,
      from: 0,
      to: p.rows,
      scratch: t.edge,
    });
  product(t.scaled, keyWidth.shl(2), 'atKeys', keyWidth, scores);
  product(t.dOut, t.ldo, 'atValues', valueWidth, gradients);
  f.if(field('softcap'), () => {
    f.copy(caps, scores, tileBytes);
    f.run(softcap, { record: p.record, scores: caps, count: tileBytes.shr(2) });
  });
}

/** keep / (1 − p) of every pair, and for the careful products which pairs may be attended. */
function markPairs(t: Context, tile: KeyTile): void {
  const { f, p, field, rows, scores, allowed, kept, c } = t;
  f.if(rows.dropping.or(p.careful), () => {
    eachVector(t, () => kept.plus(c).store(field('keepScale').asFloat().splat()));
    f.if(rows.dropping, () => rows.drop(kept, tile));
  });
  f.if(p.careful, () => {
    const may = f.vectorVariable('may');
    eachVector(t, () => {
      may.set(scores.plus(c).vector().ne(f.floats(Number.NEGATIVE_INFINITY)));
      allowed.plus(c).store(may);
      kept.plus(c).store(kept.plus(c).vector().and(may));
    });
  });
}

/** Logits and dP become A and dS; dZ on its way is added to dBias. */
function toGradients(t: Context, tile: KeyTile): void {
  const { f, p, field, rows, scores, gradients, kept, caps, c, tileBytes: bytes } = t;
  f.if(rows.dropping, () => f.run(keepRows, { x: gradients, kept, bytes }));
  f.run(gradientRows, { ...p, count: tile.count });
  f.if(rows.dropping, () => f.run(keepRows, { x: scores, kept, bytes }));
  f.if(field('gradBias').ne(0).and(t.wantsQueries).and(p.careful.not()), () =>
    rows.eachRow(gradients, (row) => {
      const to = field('gradBias')
        .plus(p.head.times(field('biasHeadStride')))
        .plus(row.queryRow.times(field('columns')).plus(tile.first).shl(2));
      f.run(addRowTo, { from: row.scores, to, count: tile.valid });
    }),
  );
  f.if(field('softcap'), () => {
    const ratio = f.vectorVariable('ratio');
    eachVector(t, () => {
      ratio.set(caps.plus(c).vector().dividedBy(field('softcap').asFloat().splat()));
      const at = gradients.plus(c);
      at.store(at.vector().times(f.floats(1).minus(ratio.times(ratio))));
    });
  });
}

/** Where the sums of a tile of keys are. */
function sumsOf({ p, field, keyStride, valueStride }: Context, tile: KeyTile) {
  const at = (name: BackwardField, stride: Int) =>
    p.scratch.plus(field(name)).plus(tile.first.minus(p.keyFrom).times(stride));
  return { dK: at('atKeySums', keyStride), dV: at('atValueSums', valueStride), panels: at('atKeyPanels', keyStride) };
}

/** dV += Aᵀ·dO, dK += dSᵀ·(scale·Q), dQ += dS·K. */
function addProducts(t: Context, tile: KeyTile): void {
  const { f, p, scores, gradients, keyStride, valueStride, edge } = t;
  const { dK, dV, panels } = sumsOf(t, tile);
  const transposed = (a: Int, b: Int, c: Int, ldc: Int) =>
    f.run(gemmTransposedPacked, {
      a,
      lda: SCORE_STRIDE,
      b,
      ldb: 0,
      c,
      ldc,
      n: ldc.shr(2),
      k: p.rows,
      accumulate: 1,
      from: 0,
      to: tile.valid,
      scratch: edge,
    });
  f.if(t.wantsKeys, () => {
    transposed(scores, t.outPanels, dV, valueStride);
    transposed(gradients, t.queryPanels, dK, keyStride);
  });
  f.if(t.wantsQueries, () =>
    f.run(gemmRowsPacked, {
      a: gradients,
      lda: SCORE_STRIDE,
      b: panels,
      ldb: tile.stored,
      c: t.dQ,
      ldc: keyStride,
      n: keyStride.shr(2),
      k: tile.valid,
      accumulate: 1,
      from: 0,
      to: p.rows,
      scratch: edge,
    }),
  );
}

/** The same without the pairs that may not be attended. */
function addCarefulProducts(t: Context, tile: KeyTile): void {
  const { f, p, field, rows, scores, gradients, kept, allowed, keyWidth, valueWidth, keyStride, valueStride } = t;
  const { dK, dV } = sumsOf(t, tile);
  const overQueries = { stepI: 4, stepP: SCORE_STRIDE, m: tile.valid, k: p.rows };
  const overKeys = { stepI: SCORE_STRIDE, stepP: 4, m: p.rows, k: tile.valid };
  f.if(t.wantsKeys, () => {
    const [ofValues, ofKeys] = [
      { a: scores, flags: kept, b: t.dOut, ldb: t.ldo, c: dV, ldc: valueStride, n: valueWidth },
      { a: gradients, flags: allowed, b: t.scaled, ldb: keyWidth.shl(2), c: dK, ldc: keyStride, n: keyWidth },
    ];
    f.run(carefulProduct, { ...overQueries, ...ofValues });
    f.run(carefulProduct, { ...overQueries, ...ofKeys });
  });
  f.if(t.wantsQueries, () => {
    const b = field('k')
      .plus(rows.keyRow.plus(tile.first).times(field('ldk')))
      .plus(rows.kvHead.times(keyWidth).shl(2));
    const factors = { a: gradients, flags: allowed, b, ldb: field('ldk') };
    f.run(carefulProduct, { ...overKeys, ...factors, c: t.dQ, ldc: keyStride, n: keyWidth });
  });
}

export function emitGradientTile(m: binaryen.Module): void {
  define(m, gradientTile, (f, p) => {
    const t = contextOf(f, p);
    const { field, rows, keyWidth, keyStride, ldq, dQ } = t;
    const reach = keysInReach(f, field, rows.band);
    const [from, to] = [reach.from, reach.to];
    from.set(from.max(p.keyFrom));
    to.set(to.min(p.keyTo));
    f.if(from.ge(to).and(p.wanted.eq(KEY_GRADIENTS)), () => f.return());

    const gradSinks = p.wanted.and(SINK_GRADIENTS).choose(field('gradSinks'), 0);
    f.run(statisticsOfRows, { ...p, firstQuery: rows.queryRow, gradSinks });
    startTile(t);
    forKeyTiles(f, { from, to, numKeys: rows.numKeys }, (tile) => {
      multiplyPanels(t, tile);
      rows.toLogits(t.scores, tile);
      markPairs(t, tile);
      toGradients(t, tile);
      f.if(
        p.careful,
        () => addCarefulProducts(t, tile),
        () => addProducts(t, tile),
      );
    });
    f.if(t.wantsQueries, () => {
      f.run(noteBad, { from: dQ, bytes: p.rows.times(keyStride), flag: p.scratch.plus(field('atBad')) });
      const [out, factor] = [t.atHead('gradQ', ldq, keyWidth), field('scale').asFloat()];
      f.run(scaleRows, { x: dQ, ldx: keyStride, out, ldo: ldq, rows: p.rows, width: keyWidth, factor });
    });
  });
}
