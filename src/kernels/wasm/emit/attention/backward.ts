import type binaryen from 'binaryen';
import { type BackwardField, KEY_TILE } from '../../module/attention-record.js';
import { define, entry, type FunctionBuilder, signature } from '../language/builder.js';
import type { Int } from '../language/values.js';
import type { IntVariable } from '../language/variables.js';
import { packColumns, packRows, panelsOf } from '../packing.js';
import { emitBackwardRows, noteBad, scaleRows } from './backward-rows.js';
import { backwardFieldsOf, groupOf, keyStrideOf, localsOf, sequenceOf, valueStrideOf } from './fields.js';
import { emitGradientTile, gradientTile, KEY_GRADIENTS, QUERY_GRADIENTS, SINK_GRADIENTS } from './gradient-tile.js';
import { keysInReach } from './tiles.js';
import { blockOf } from './units.js';

// Fused attention, backward. For a tile of query rows, over tiles of keys in reach, from m and s of the forward:
//   Z from S = (scale·Q)·Kᵀ as in the forward;  P = e^{Z−m} / s;  A = P ∘ keep / (1 − p)
//   dP = (dO·Vᵀ) ∘ keep / (1 − p);  dZ = P ∘ (dP − D), D = dO·O − dℓ;  dBias += dZ;  dS = dZ ∘ (1 − (cap/c)²)
//   dV += Aᵀ·dO;  dQ += scale·dS·K;  dK += dSᵀ·(scale·Q);  dSink −= e^{sink−m}/s·D
//
//   Q, K, V, O, S, m, s   as in attention.ts; dX is the gradient of the loss by X; ℓ = m + log s
//   Z                     logits;  cap, c: softcapped scores and the softcap
//   P, A                  weights before and after dropout, keep is 0 or 1, p the rate
//   D                     one number per row: what the softmax takes off dP
//
// Five products per pair of tiles, all by the packed GEMM; nothing of size Lq × Lk exists. dK and dV of a head grow in the
// scratch, a tile of its query rows after the other, head after head of its group: a tile is a block of these sums.
// The last three multiply without looking whether a factor is 0. If that put 0·NaN or 0·∞ anywhere into dQ, dK or dV of
// a unit, it does them again, `careful`: only with the pairs that may be attended. Finite data never pays for it, and no
// sum that was finite changes by it. dBias and dSinks look at every pair or row and are right the first time.
//
// attention_backward has units of whole sequences, and every call uses it today. For threads, where such units are too few,
// two other entries have smaller ones; each of the two computes Z and dP itself: 7 products per pair of tiles, not 5.

type Module = binaryen.Module;

/**
 * Gradients of query rows [queryFrom, queryTo), of keys [keyFrom, keyTo), or both, as far as these rows and keys are those
 * of one key/value head and the query heads that read it; each the first of a tile. What is wanted of the rows takes all
 * keys, what is wanted of the keys takes all rows.
 */
const headGradients = signature('attention_head_gradients', {
  record: 'int',
  scratch: 'int',
  sequence: 'int',
  kvHead: 'int',
  queryFrom: 'int',
  queryTo: 'int',
  keyFrom: 'int',
  keyTo: 'int',
  wanted: 'int',
});

type Arguments = Record<keyof typeof headGradients.parameters, IntVariable>;

function contextOf(f: FunctionBuilder, p: Arguments) {
  const field = backwardFieldsOf(p.record);
  const { value } = localsOf(f, field, p.scratch);
  const sequence = sequenceOf(f, field, p.sequence);
  return {
    f,
    p,
    field,
    ...sequence,
    keyWidth: value('keyWidth'),
    valueWidth: value('valueWidth'),
    ldk: value('ldk'),
    ldv: value('ldv'),
    keyStride: f.intVariable('keyStride', keyStrideOf(field)),
    valueStride: f.intVariable('valueStride', valueStrideOf(field)),
    group: f.intVariable('group', groupOf(field)),
    head: f.intVariable('head'),
    /** Row `row` of the packed matrix, in the columns of the head. */
    atHead: (base: BackwardField, stride: Int, width: Int, row: Int) =>
      field(base).plus(row.times(stride)).plus(p.kvHead.times(width).shl(2)),
  };
}

type Context = ReturnType<typeof contextOf>;

function everyHead({ f, p, head, group }: Context, body: () => void): void {
  f.for(head, p.kvHead.times(group), p.kvHead.plus(1).times(group), 1, body);
}

/** Panels of Kᵀ and Vᵀ for S and dP, of K for dQ, of the keys that the rows reach. */
function packKeys(t: Context): void {
  const { f, p, field, keyRow, numKeys, offset, keyWidth, valueWidth, ldk, ldv, keyStride } = t;
  const [tile, count] = f.intVariables('tile', 'count');
  const band = { position: offset.plus(p.queryFrom), rows: p.queryTo.minus(p.queryFrom), numKeys };
  const { from, to } = keysInReach(f, field, band);
  f.for(tile, from.max(p.keyFrom), to.min(p.keyTo), KEY_TILE, () => {
    count.set(numKeys.minus(tile).min(KEY_TILE));
    const at = (name: BackwardField, stride: Int) =>
      p.scratch.plus(field(name)).plus(tile.minus(p.keyFrom).times(stride));
    const k = t.atHead('k', ldk, keyWidth, keyRow.plus(tile));
    const v = t.atHead('v', ldv, valueWidth, keyRow.plus(tile));
    const columns = { n: count, from: 0, to: panelsOf(count), scratch: 0 };
    f.run(packColumns, { b: k, ldb: ldk, out: at('atKeys', keyWidth.shl(2)), k: keyWidth, ...columns });
    f.run(packColumns, { b: v, ldb: ldv, out: at('atValues', valueWidth.shl(2)), k: valueWidth, ...columns });
    f.if(p.wanted.and(QUERY_GRADIENTS), () => {
      const rows = { n: keyWidth, k: count, from: 0, to: panelsOf(keyWidth), scratch: 0 };
      f.run(packRows, { b: k, ldb: ldk, out: at('atKeyPanels', keyStride), ...rows });
    });
  });
}

/** dBias = 0. Where every head has rows of its own, each clears its rows; where heads share rows, the first head clears them. */
function clearBias(t: Context): void {
  const { f, p, field, queryRow, head } = t;
  const rowBytes = field('columns').shl(2);
  f.if(field('gradBias').choose(p.wanted.and(QUERY_GRADIENTS), 0), () =>
    everyHead(t, () => {
      const start = f.intVariable('ofHead', head.times(field('biasHeadStride')));
      const target = field('gradBias').plus(start).plus(queryRow.plus(p.queryFrom).times(rowBytes));
      f.if(start.or(head.not()), () => f.fill(target, 0, p.queryTo.minus(p.queryFrom).times(rowBytes)));
    }),
  );
}

/** Every query tile of every head, ascending, from sums of 0. */
function addTiles(t: Context, { keyBytes, valueBytes, careful }: Record<string, Int>): void {
  const { f, p, field, head } = t;
  const query = f.intVariable('query');
  f.if(p.wanted.and(KEY_GRADIENTS), () => {
    f.fill(p.scratch.plus(field('atKeySums')), 0, keyBytes);
    f.fill(p.scratch.plus(field('atValueSums')), 0, valueBytes);
  });
  everyHead(t, () => {
    const sink = p.sequence.times(field('numHeads')).plus(head).shl(2);
    f.if(field('gradSinks').choose(p.wanted.and(SINK_GRADIENTS), 0), () =>
      field('gradSinks').plus(sink).store(f.float(0)),
    );
    f.for(query, p.queryFrom, p.queryTo, field('queryTile'), () => {
      const rows = p.queryTo.minus(query).min(field('queryTile'));
      f.run(gradientTile, { ...p, head, query, rows, careful });
    });
  });
}

function emitHeadGradients(m: Module): void {
  define(m, headGradients, (f, p) => {
    const t = contextOf(f, p);
    const { field, keyRow, keyWidth, valueWidth, keyStride, valueStride } = t;
    const keys = f.intVariable('keys', p.keyTo.minus(p.keyFrom));
    const [keyBytes, valueBytes] = [keys.times(keyStride), keys.times(valueStride)];
    const place = (name: BackwardField) => f.intVariable(name, p.scratch.plus(field(name)));
    const [keySums, valueSums, bad] = [place('atKeySums'), place('atValueSums'), place('atBad')];
    const careful = f.intVariable('careful', 0);
    packKeys(t);
    clearBias(t);
    bad.store(f.int(0));
    f.doWhile(
      () => {
        addTiles(t, { keyBytes, valueBytes, careful });
        f.if(p.wanted.and(KEY_GRADIENTS), () => {
          f.run(noteBad, { from: keySums, bytes: keyBytes, flag: bad });
          f.run(noteBad, { from: valueSums, bytes: valueBytes, flag: bad });
        });
        careful.add(1);
      },
      () => bad.int().and(careful.eq(1)),
    );
    f.if(p.wanted.and(KEY_GRADIENTS), () => {
      const copied = { rows: keys, factor: f.float(1) };
      const row = keyRow.plus(p.keyFrom);
      const write = (x: Int, ldx: Int, out: BackwardField, ldo: Int, width: Int) =>
        f.run(scaleRows, { x, ldx, out: t.atHead(out, ldo, width, row), ldo, width, ...copied });
      write(keySums, keyStride, 'gradK', t.ldk, keyWidth);
      write(valueSums, valueStride, 'gradV', t.ldv, valueWidth);
    });
  });
}

/** The key/value heads of one unit: one, or all of them where they add to the same rows of dBias. */
function headsOf(f: FunctionBuilder, record: Int, unit: Int) {
  const field = backwardFieldsOf(record);
  const count = f.intVariable('kvHeadsPerUnit', field('kvHeadsPerUnit'));
  const first = f.intVariable('first', unit.times(count));
  const sequence = f.intVariable('sequence', first.dividedBy(field('numKvHeads')));
  const kvFrom = f.intVariable('kvFrom', first.modulo(field('numKvHeads')));
  return { sequence, kvFrom, kvTo: kvFrom.plus(count) };
}

/**
 * Units [from, to) of a backward, in any order; unit = (sequence · numKvHeads + kvHead) / kvHeadsPerUnit. It writes dQ,
 * dK, dV, dBias and dSinks of its heads. kvHeadsPerUnit is 1, or numKvHeads where heads share a dBias: they add to it one
 * after another, ascending.
 * A thread needs the scratch that calls/attention-backward.ts lays out: about 4·keys·(3·keyWidth + 2·valueWidth) bytes for
 * the keys of the longest sequence, and n threads n times as much.
 */
function emitWhole(m: Module): void {
  entry(m, 'attention_backward', { record: 'int' }, (f, p) => {
    const [unit, kvHead] = f.intVariables('unit', 'kvHead');
    f.for(unit, p.from, p.to, 1, () => {
      const { sequence, kvFrom, kvTo } = headsOf(f, p.record, unit);
      const { numQueries, numKeys } = sequenceOf(f, backwardFieldsOf(p.record), sequence);
      const wanted = QUERY_GRADIENTS | KEY_GRADIENTS | SINK_GRADIENTS;
      const whole = { queryFrom: 0, queryTo: numQueries, keyFrom: 0, keyTo: numKeys, wanted };
      f.for(kvHead, kvFrom, kvTo, 1, () => f.run(headGradients, { ...p, sequence, kvHead, ...whole }));
    });
  });
}

/**
 * Units [from, to) of dK, dV and dSinks, in any order; unit = (sequence · numKvHeads + kvHead) · parts + part, where part
 * is a block of keys in whole tiles (units.ts). It goes through all query rows and writes dK and dV of its keys; part 0
 * writes dSinks, too. Needs 4·keys·(keyWidth + valueWidth) bytes of scratch for its Kᵀ and Vᵀ and as much for its sums,
 * keys being those of a block.
 */
function emitKeyGradients(m: Module): void {
  entry(m, 'attention_key_gradients', { record: 'int' }, (f, p) => {
    const field = backwardFieldsOf(p.record);
    const [unit, pair, part, sequence] = f.intVariables('unit', 'pair', 'part', 'sequence');
    const parts = f.intVariable('parts', field('parts'));
    f.for(unit, p.from, p.to, 1, () => {
      pair.set(unit.dividedBy(parts));
      part.set(unit.modulo(parts));
      sequence.set(pair.dividedBy(field('numKvHeads')));
      const { numQueries, numKeys } = sequenceOf(f, field, sequence);
      const { from, to } = blockOf(f, { rows: numKeys, tileRows: KEY_TILE, parts, part, end: part.plus(1) });
      const wanted = part.choose(KEY_GRADIENTS, KEY_GRADIENTS | SINK_GRADIENTS);
      const block = { queryFrom: 0, queryTo: numQueries, keyFrom: from, keyTo: to, wanted };
      f.if(from.lt(to).or(part.not()), () =>
        f.run(headGradients, { ...p, sequence, kvHead: pair.modulo(field('numKvHeads')), ...block }),
      );
    });
  });
}

/**
 * Units [from, to) of dQ and dBias, in any order; unit = (sequence · numKvHeads + kvHead) / kvHeadsPerUnit · parts + part,
 * where part is a block of query rows in whole tiles. It goes through all keys in their reach and writes dQ and dBias of
 * its rows; heads that share a dBias are in one unit, ascending, as in attention_backward.
 * Needs 4·keys·(2·keyWidth + valueWidth) bytes of scratch for K and V of a whole sequence.
 */
function emitQueryGradients(m: Module): void {
  entry(m, 'attention_query_gradients', { record: 'int' }, (f, p) => {
    const field = backwardFieldsOf(p.record);
    const [unit, part, kvHead] = f.intVariables('unit', 'part', 'kvHead');
    const parts = f.intVariable('parts', field('parts'));
    f.for(unit, p.from, p.to, 1, () => {
      part.set(unit.modulo(parts));
      const { sequence, kvFrom, kvTo } = headsOf(f, p.record, unit.dividedBy(parts));
      const { numQueries, numKeys } = sequenceOf(f, field, sequence);
      const rows = { rows: numQueries, tileRows: field('queryTile'), parts, part, end: part.plus(1) };
      const { from, to } = blockOf(f, rows);
      const block = { queryFrom: from, queryTo: to, keyFrom: 0, keyTo: numKeys, wanted: QUERY_GRADIENTS };
      f.if(from.lt(to), () =>
        f.for(kvHead, kvFrom, kvTo, 1, () => f.run(headGradients, { ...p, sequence, kvHead, ...block })),
      );
    });
  });
}

export function emitAttentionBackward(m: Module): void {
  emitBackwardRows(m);
  emitGradientTile(m);
  emitHeadGradients(m);
  emitWhole(m);
  emitKeyGradients(m);
  emitQueryGradients(m);
}
