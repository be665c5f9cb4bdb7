import { describe, expect, test } from 'vitest';
import { updateAdam, updateSGD } from '../../../../src/kernels/reference/updates.js';
import { fc } from '../../../support/property.js';
import { Arena, entries } from './support.js';

const anyFloat = fc.float({ noDefaultInfinity: false });
const anyDouble = fc.double({ min: -2, max: 2, noNaN: true });

/** A matrix, some of its rows or none, and a gradient of them: all it takes to move. */
const moves = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(11), fc.boolean()).chain(([rows, cols, isDense]) => {
  const of = (length: number) => fc.array(anyFloat, { minLength: length, maxLength: length });
  const all = Array.from({ length: rows }, (_, i) => i);
  return fc.subarray(all).chain((ids) =>
    fc.record({
      cols: fc.constant(cols),
      rows: fc.constant(isDense ? undefined : Int32Array.from(ids)),
      p: of(rows * cols),
      m: of(rows * cols),
      v: of(rows * cols).map((values) => values.map(Math.abs)),
      gradient: of((isDense ? rows : ids.length) * cols),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      rule: fc.array(anyDouble, { minLength: 7, maxLength: 7 }),
      zeros: fc.tuple(fc.boolean(), fc.boolean()),
    }),
  );
});

type Move = typeof moves extends fc.Arbitrary<infer T> ? T : never;

type At = Record<'p' | 'm' | 'v' | 'gradient' | 'rows', number>;

/** What units [0, cut) and the others, which go first, make of p, m and v. */
function run({ cols: _, ...move }: Move, call: (at: At, from: number, to: number) => void): Float32Array[] {
  const arena = new Arena();
  const at = {
    gradient: arena.input(move.gradient),
    rows: move.rows === undefined ? 0 : arena.inputInts(move.rows),
    p: arena.inPlace(move.p),
    m: arena.inPlace(move.m),
    v: arena.inPlace(move.v),
  };
  const units = move.rows?.length ?? move.gradient.length;
  const cut = Math.floor(move.share * units);
  arena.guard(() => {
    call(at, cut, units);
    call(at, 0, cut);
  });
  return [at.p, at.m, at.v].map((address) => arena.read(address));
}

const arraysOf = ({ p, m, v, gradient }: Move) => ({
  p: Float32Array.from(p),
  m: Float32Array.from(m),
  v: Float32Array.from(v),
  gradient: Float32Array.from(gradient),
});

describe('any numbers, rules, rows and ranges give the bits of the reference:', () => {
  test('update_sgd', () => {
    fc.assert(
      fc.property(moves, fc.boolean(), (move, nesterov) => {
        const { rows, cols, zeros } = move;
        const [learningRate, b, c] = move.rule;
        const [momentum, weightDecay] = [zeros[0] ? 0 : b, zeros[1] ? 0 : c];
        const got = run(move, ({ p, gradient, rows, m }, from, to) => {
          const buffer = momentum === 0 ? 0 : m;
          entries.update_sgd(
            p,
            gradient,
            rows,
            cols,
            buffer,
            learningRate,
            momentum,
            +nesterov,
            weightDecay,
            from,
            to,
            0,
          );
        });
        const { p, m, v, gradient } = arraysOf(move);
        const buffer = momentum === 0 ? undefined : m;
        updateSGD({ p, buffer, gradient, rows, cols, learningRate, momentum, nesterov, weightDecay });
        expect(got).toEqual([p, m, v]);
      }),
    );
  });

  test('update_adam', () => {
    fc.assert(
      fc.property(moves, (move) => {
        const { rows, cols, zeros } = move;
        const [beta1, beta2, rate, rootCorrection, epsilon, a, b] = move.rule;
        const [added, kept] = [zeros[0] ? 0 : a, zeros[1] ? 1 : b];
        const rule = [beta1, beta2, rate, rootCorrection, epsilon, added, kept];
        const got = run(move, ({ p, gradient, rows, m, v }, from, to) => {
          entries.update_adam(p, gradient, rows, cols, m, v, ...rule, from, to, 0);
        });
        const { p, m, v, gradient } = arraysOf(move);
        updateAdam({ p, m, v, gradient, rows, cols, beta1, beta2, rate, rootCorrection, epsilon, added, kept });
        expect(got).toEqual([p, m, v]);
      }),
    );
  });
});
