import type binaryen from 'binaryen';
import { entry, type FunctionBuilder } from './language/builder.js';
import type { Int, Vector } from './language/values.js';
import type { VectorVariable } from './language/variables.js';

/**
 * Rows [from, to): (x₁, x₂) → (x₁·cos − x₂·sin, x₁·sin + x₂·cos) for pair p of every head, x₁ and x₂ at columns p and
 * p + dim/2, interleaved at 2p and 2p + 1. x and out (rows × numHeads·headDim), cos and sin (rows × dim/2); columns from
 * dim on are copied. One rounding an operation: error at most 2^−23·(|x₁| + |x₂|).
 */
function rotaryRows(m: binaryen.Module): void {
  const parameters = {
    x: 'int',
    out: 'int',
    cos: 'int',
    sin: 'int',
    numHeads: 'int',
    headDim: 'int',
    dim: 'int',
    interleaved: 'int',
  } as const;
  entry(m, 'rotary_rows', parameters, (f, p) => {
    const [r, h, at, shift, angle, left] = f.intVariables('r', 'h', 'at', 'shift', 'angle', 'left');
    const rowBytes = f.intVariable('rowBytes', p.numHeads.times(p.headDim).shl(2));
    const half = f.intVariable('half', p.dim.shr(1));
    const toSin = f.intVariable('toSin', p.sin.minus(p.cos));
    const pairs: Pairs = { f, at, shift, angle, toSin, x1: f.vectorVariable('x1'), x2: f.vectorVariable('x2') };
    shift.set(p.out.minus(p.x));
    f.if(p.dim.lt(p.headDim), () => {
      const start = p.x.plus(p.from.times(rowBytes));
      f.copy(start.plus(shift), start, p.to.minus(p.from).times(rowBytes));
    });
    const eachPair = (four: () => void, one: () => void, bytes: number) => {
      left.set(half);
      f.while(
        () => left.ge(4),
        () => {
          four();
          at.add(bytes * 4);
          angle.add(16);
          left.add(-4);
        },
      );
      f.while(
        () => left.gt(0),
        () => {
          one();
          at.add(bytes);
          angle.add(4);
          left.add(-1);
        },
      );
    };
    f.for(r, p.from, p.to, 1, () => {
      f.for(h, 0, p.numHeads, 1, () => {
        at.set(p.x.plus(r.times(rowBytes)).plus(h.times(p.headDim).shl(2)));
        angle.set(p.cos.plus(r.times(half).shl(2)));
        f.if(
          p.interleaved,
          () =>
            eachPair(
              () => fourInterleaved(pairs),
              () => onePair(pairs, f.int(4)),
              8,
            ),
          () =>
            eachPair(
              () => fourApart(pairs, half.shl(2)),
              () => onePair(pairs, half.shl(2)),
              4,
            ),
        );
      });
    });
  });
}

/** Where the pair is read (written at + shift), and its cosine (its sine at + toSin). */
interface Pairs {
  f: FunctionBuilder;
  at: Int;
  shift: Int;
  angle: Int;
  toSin: Int;
  x1: VectorVariable;
  x2: VectorVariable;
}

function rotated({ x1, x2 }: Pairs, cos: Vector, sin: Vector): [Vector, Vector] {
  return [x1.times(cos).minus(x2.times(sin)), x1.times(sin).plus(x2.times(cos))];
}

function fourApart(pairs: Pairs, partner: Int): void {
  const { at, shift, angle, toSin, x1, x2 } = pairs;
  x1.set(at.vector());
  x2.set(at.plus(partner).vector());
  const [y1, y2] = rotated(pairs, angle.vector(), angle.plus(toSin).vector());
  at.plus(shift).store(y1);
  at.plus(shift).plus(partner).store(y2);
}

function fourInterleaved(pairs: Pairs): void {
  const { f, at, shift, angle, toSin, x1, x2 } = pairs;
  x1.set(at.vector().shuffle(at.vector(16), [0, 2, 4, 6]));
  x2.set(at.vector().shuffle(at.vector(16), [1, 3, 5, 7]));
  const [y1, y2] = rotated(pairs, angle.vector(), angle.plus(toSin).vector()).map((y) => f.vectorVariable('y', y));
  at.plus(shift).store(y1.shuffle(y2, [0, 4, 1, 5]));
  at.plus(shift).store(y1.shuffle(y2, [2, 6, 3, 7]), 16);
}

function onePair(pairs: Pairs, partner: Int): void {
  const { at, shift, angle, toSin, x1, x2 } = pairs;
  x1.set(at.splatAt());
  x2.set(at.plus(partner).splatAt());
  const [y1, y2] = rotated(pairs, angle.splatAt(), angle.plus(toSin).splatAt());
  at.plus(shift).store(y1.lane(0));
  at.plus(shift).plus(partner).store(y2.lane(0));
}

export function emitRotary(m: binaryen.Module): void {
  rotaryRows(m);
}
