import type binaryen from 'binaryen';
import { type BackwardField, KEY_TILE } from '../../module/attention-record.js';
import { exp2Vector, exp2Vectors } from '../exp.js';
import { define, range } from '../language/builder.js';
import { addRow } from '../language/map.js';
import { sums } from '../language/rows.js';
import type { Int } from '../language/values.js';
import { toBase2 } from './softmax.js';

// What the backward of an attention does to rows and tiles between its products (backward.ts).

type Module = binaryen.Module;
type Field = (name: BackwardField) => Int;

/** Vectors a turn, which share the constants of the exponential; four were no faster than the two that count allows. */
const WIDTH = 2;

/**
 * Per row of a tile: m at atMax, 1 / s at atSum, D = dO·O − dℓ at atFactors; dSink −= e^{sink−m} / s · D. A row with
 * s = 0 attends to nothing: its three are 0, so that P = e^{−∞}·0.
 */
function statistics(m: Module, fieldsOf: (record: Int) => Field): void {
  const parameters = {
    record: 'int',
    scratch: 'int',
    sequence: 'int',
    head: 'int',
    firstQuery: 'int',
    rows: 'int',
  } as const;
  define(m, 'attention_backward_rows', parameters, (f, p) => {
    const field = fieldsOf(p.record);
    const [r, c, at, dO, o, bytes] = ['r', 'c', 'at', 'dO', 'o', 'bytes'].map((name) => f.intVariable(name));
    const [max, inverse, sum, D] = ['max', 'inverse', 'sum', 'D'].map((name) => f.floatVariable(name));
    const sinkPart = f.floatVariable('sinkPart');
    const power = f.vectorVariable('power');
    const dSink = f.intVariable('dSink', p.sequence.times(field('numHeads')).plus(p.head).shl(2));
    bytes.set(field('dV').shl(2));
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
        f.if(field('gradSinks'), () => {
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
    f.if(field('gradSinks'), () => {
      const target = field('gradSinks').plus(dSink);
      target.store(target.float().minus(sinkPart));
    });
  });
}

/** Logits Z (atScores) become P, dP (atGradients) dZ = P ∘ (dP − D), 0 where Z = −∞. Rows of `count`, multiple of 8. */
function gradientRows(m: Module, fieldsOf: (record: Int) => Field): void {
  const parameters = { scratch: 'int', record: 'int', rows: 'int', count: 'int' } as const;
  define(m, 'attention_gradient_rows', parameters, (f, p) => {
    const field = fieldsOf(p.record);
    const [r, at, end, shift] = ['r', 'at', 'end', 'shift'].map((name) => f.intVariable(name));
    const [max, inverse, D, g] = ['max', 'inverse', 'D', 'g'].map((name) => f.vectorVariable(name));
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
function keep(m: Module): void {
  define(m, 'attention_keep', { x: 'int', kept: 'int', bytes: 'int' }, (f, p) => {
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
function scaleRows(m: Module): void {
  const parameters = {
    x: 'int',
    ldx: 'int',
    out: 'int',
    ldo: 'int',
    rows: 'int',
    width: 'int',
    factor: 'float',
  } as const;
  define(m, 'scale_rows', parameters, (f, p) => {
    const [r, c] = [f.intVariable('r'), f.intVariable('c')];
    f.for(r, 0, p.rows, 1, () => {
      f.for(c, 0, p.width.and(-4).shl(2), 16, () => p.out.plus(c).store(p.x.plus(c).vector().times(p.factor.splat())));
      f.for(c, c, p.width.shl(2), 4, () => p.out.plus(c).store(p.x.plus(c).float().times(p.factor)));
      p.x.add(p.ldx);
      p.out.add(p.ldo);
    });
  });
}

/** to[i] += from[i]. */
function addRows(m: Module): void {
  define(m, 'attention_add_row', { from: 'int', to: 'int', count: 'int' }, (f, p) => {
    addRow(f, f.intVariable('c'), p.from, p.to, p.count.shl(2));
  });
}

/** Sets the flag to 1 if one of the floats (bytes: multiple of 16) is not finite: x − x is 0 for finite x, else NaN. */
function noteBad(m: Module): void {
  define(m, 'note_bad', { from: 'int', bytes: 'int', flag: 'int' }, (f, p) => {
    const at = f.intVariable('at');
    const [v, bad] = [f.vectorVariable('v'), f.vectorVariable('bad')];
    f.for(at, p.from, p.from.plus(p.bytes), 16, () => {
      v.set(at.vector());
      bad.set(bad.or(v.minus(v).ne(f.floats(0))));
    });
    f.if(bad.any(), () => p.flag.store(f.int(1)));
  });
}

export function emitBackwardRows(m: Module, fieldsOf: (record: Int) => Field): void {
  statistics(m, fieldsOf);
  gradientRows(m, fieldsOf);
  keep(m);
  scaleRows(m);
  addRows(m);
  noteBad(m);
}
