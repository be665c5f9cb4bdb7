import type binaryen from 'binaryen';
import { type BackwardField, KEY_TILE } from '../../module/attention-record.js';
import { exp2Vector, exp2Vectors } from '../exp.js';
import { define, range, signature } from '../language/builder.js';
import { addRow } from '../language/map.js';
import { sums } from '../language/rows.js';
import { backwardFieldsOf } from './fields.js';
import { toBase2 } from './softmax.js';

// What the backward of an attention does to rows and tiles between its products, symbols as in backward.ts:
//   D = dO·O − dℓ and dSink −= e^{sink−m} / s·D per row;  P = e^{Z−m} / s, dZ = P ∘ (dP − D) per pair
//
//             a row's three numbers       its rows in two tiles of the scratch
//   row r     │ m │ 1/s │ D │             │ Z → P … │   │ dP → dZ … │

type Module = binaryen.Module;

/** Vectors a turn, which share the constants of the exponential; four were no faster than the two that count allows. */
const WIDTH = 2;

/**
 * Per row of a tile: m at atMax, 1 / s at atSum, D = dO·O − dℓ at atFactors; dSink −= e^{sink−m} / s · D. A row with
 * s = 0 attends to nothing: its three are 0, so that P = e^{−∞}·0.
 */
export const statisticsOfRows = signature('attention_backward_rows', {
  record: 'int',
  scratch: 'int',
  sequence: 'int',
  head: 'int',
  /** In the packed matrix. */
  firstQuery: 'int',
  rows: 'int',
  /** Where dSinks of the sequences are; 0: not wanted. */
  gradSinks: 'int',
});

function emitStatistics(m: Module): void {
  define(m, statisticsOfRows, (f, p) => {
    const field = backwardFieldsOf(p.record);
    const [r, c, at, dO, o, bytes] = f.intVariables('r', 'c', 'at', 'dO', 'o', 'bytes');
    const [max, inverse, sum, D] = f.floatVariables('max', 'inverse', 'sum', 'D');
    const sinkPart = f.floatVariable('sinkPart');
    const power = f.vectorVariable('power');
    const dSink = f.intVariable('dSink', p.sequence.times(field('numHeads')).plus(p.head).shl(2));
    bytes.set(field('valueWidth').shl(2));
    f.for(r, 0, p.rows, 1, () => {
      at.set(p.firstQuery.plus(r).times(field('numHeads')).plus(p.head).shl(2));
      sum.set(field('sum').plus(at).float());
      for (const variable of [max, inverse, D]) variable.set(0);
      f.if(sum.ne(0), () => {
        max.set(field('max').plus(at).float());
        inverse.set(f.float(1).dividedBy(sum));
        const start = p.firstQuery.plus(r).times(field('ldo')).plus(p.head.times(bytes));
        dO.set(field('dOut').plus(start));
        o.set(field('out').plus(start));
        const toO = f.intVariable('toO', o.minus(dO));
        const [dot] = sums(f, { at: c, start: dO, end: dO.plus(bytes) }, 1, 1, ({ load }) => [load().times(load(toO))]);
        D.set(dot);
        f.if(field('dLogSumExp'), () => D.set(D.minus(field('dLogSumExp').plus(at).float())));
        f.if(p.gradSinks, () => {
          const sink = field('sinks').plus(p.head.shl(2)).float();
          exp2Vector(f, power, toBase2(f, sink.minus(max).splat()));
          sinkPart.set(sinkPart.plus(power.lane(0).times(inverse).times(D)));
        });
      });
      const store = (name: BackwardField, value: typeof max) => p.scratch.plus(field(name)).plus(r.shl(2)).store(value);
      store('atMax', max);
      store('atSum', inverse);
      store('atFactors', D);
    });
    f.if(p.gradSinks, () => {
      const target = p.gradSinks.plus(dSink);
      target.store(target.float().minus(sinkPart));
    });
  });
}

/** Logits Z (atScores) become P, dP (atGradients) dZ = P ∘ (dP − D), 0 where Z = −∞. Rows of `count`, multiple of 8. */
export const gradientRows = signature('attention_gradient_rows', {
  scratch: 'int',
  record: 'int',
  rows: 'int',
  count: 'int',
});

function emitGradientRows(m: Module): void {
  define(m, gradientRows, (f, p) => {
    const field = backwardFieldsOf(p.record);
    const [r, at, end, shift] = f.intVariables('r', 'at', 'end', 'shift');
    const [max, inverse, D, g] = f.vectorVariables('max', 'inverse', 'D', 'g');
    const weights = range(WIDTH).map((i) => f.vectorVariable(`weight${i}`));
    shift.set(field('atGradients').minus(field('atScores')));
    f.for(r, 0, p.rows, 1, () => {
      const statistic = (name: BackwardField) => p.scratch.plus(field(name)).plus(r.shl(2)).splatAt();
      max.set(statistic('atMax'));
      inverse.set(statistic('atSum'));
      D.set(statistic('atFactors'));
      at.set(p.scratch.plus(field('atScores')).plus(r.times(KEY_TILE * 4)));
      end.set(at.plus(p.count.shl(2)));
      f.for(at, at, end, WIDTH * 16, () => {
        exp2Vectors(
          f,
          weights,
          weights.map((_, i) => toBase2(f, at.vector(i * 16).minus(max))),
        );
        weights.forEach((v, i) => {
          const forbidden = at.vector(i * 16).eq(f.constant(Number.NEGATIVE_INFINITY));
          v.set(v.times(inverse));
          g.set(
            at
              .plus(shift)
              .vector(i * 16)
              .minus(D),
          );
          at.plus(shift).store(g.times(v).andNot(forbidden), i * 16);
          at.store(v, i * 16);
        });
      });
    });
  });
}

/** x = x ∘ kept, 0 where kept is, whatever x holds. */
export const keepRows = signature('attention_keep', { x: 'int', kept: 'int', bytes: 'int' });

function emitKeep(m: Module): void {
  define(m, keepRows, (f, p) => {
    const c = f.intVariable('c');
    const v = f.vectorVariable('v');
    f.for(c, 0, p.bytes, 16, () => {
      v.set(p.kept.plus(c).vector());
      const at = p.x.plus(c);
      at.store(
        at
          .vector()
          .times(v)
          .and(v.ne(f.floats(0))),
      );
    });
  });
}

/** out = factor · x, rows × width; strides in bytes. */
export const scaleRows = signature('scale_rows', {
  x: 'int',
  ldx: 'int',
  out: 'int',
  ldo: 'int',
  rows: 'int',
  width: 'int',
  factor: 'float',
});

function emitScaleRows(m: Module): void {
  define(m, scaleRows, (f, p) => {
    const [r, c] = f.intVariables('r', 'c');
    f.for(r, 0, p.rows, 1, () => {
      f.for(c, 0, p.width.and(-4).shl(2), 16, () => p.out.plus(c).store(p.x.plus(c).vector().times(p.factor.splat())));
      f.for(c, c, p.width.shl(2), 4, () => p.out.plus(c).store(p.x.plus(c).float().times(p.factor)));
      p.x.add(p.ldx);
      p.out.add(p.ldo);
    });
  });
}

/** to[i] += from[i]. */
export const addRowTo = signature('attention_add_row', { from: 'int', to: 'int', count: 'int' });

function emitAddRow(m: Module): void {
  define(m, addRowTo, (f, p) => {
    addRow(f, f.intVariable('c'), p.from, p.to, p.count.shl(2));
  });
}

/** Sets the flag to 1 if one of the floats (bytes: multiple of 16) is not finite: x − x is 0 for finite x, else NaN. */
export const noteBad = signature('note_bad', { from: 'int', bytes: 'int', flag: 'int' });

function emitNoteBad(m: Module): void {
  define(m, noteBad, (f, p) => {
    const at = f.intVariable('at');
    const [v, bad] = f.vectorVariables('v', 'bad');
    f.for(at, p.from, p.from.plus(p.bytes), 16, () => {
      v.set(at.vector());
      bad.set(bad.or(v.minus(v).ne(f.floats(0))));
    });
    f.if(bad.any(), () => p.flag.store(f.int(1)));
  });
}

export function emitBackwardRows(m: Module): void {
  emitStatistics(m);
  emitGradientRows(m);
  emitKeep(m);
  emitScaleRows(m);
  emitAddRow(m);
  emitNoteBad(m);
}
