import { KC } from '../../summation.js';
import { horizontalSum } from '../exp.js';
import { type FunctionBuilder, range } from './builder.js';
import { forFloats } from './map.js';
import type { Int, Vector } from './values.js';
import type { FloatVariable, IntVariable } from './variables.js';

/** A row of floats [start, end) by address, and the variable that walks over it. */
export interface Row {
  at: IntVariable;
  start: Int;
  end: Int;
}

/** Four floats of a row, or one of them in all lanes. Another matrix of the same shape is reached by its distance in bytes. */
export interface Turn {
  /** Which of the vectors of a loop's turn it is. */
  index: number;
  load(distance?: Int): Vector;
  store(value: Vector, distance: Int): void;
  /** The lanes that count in a sum. */
  counted(term: Vector): Vector;
}

/** Runs `body` for the whole row, `count` vectors a turn of the loop, then one at a time, then single floats. */
export function forTurns(f: FunctionBuilder, row: Row, count: number, body: (turn: Turn) => void): void {
  const { at, start, end } = row;
  const place = (distance?: Int) => (distance ? at.plus(distance) : at);
  forFloats(
    f,
    at,
    start,
    end,
    count,
    (offset, index) =>
      body({
        index,
        load: (distance) => place(distance).vector(offset),
        store: (value, distance) => place(distance).store(value, offset),
        counted: (term) => term,
      }),
    () =>
      body({
        index: 0,
        load: (distance) => place(distance).splatAt(),
        store: (value, distance) => place(distance).store(value.lane(0)),
        counted: (term) => term.and(f.lanes(-1, 0, 0, 0)),
      }),
  );
}

/** Runs `body` for the row in pieces of KC turns of `count` vectors, the last one shorter; a row of no floats has none. */
export function forBlocks(f: FunctionBuilder, row: Row, count: number, body: (piece: Row) => void): void {
  const start = f.intVariable('blockStart', row.start);
  const end = f.intVariable('blockEnd');
  const bytes = KC * count * 16;
  f.while(
    () => start.lt(row.end),
    () => {
      end.set(start.plus(bytes).min(row.end));
      body({ at: row.at, start, end });
      start.set(end);
    },
  );
}

/**
 * Every sum over the row of what `terms` gives; `parts` vectors of four partial sums each, in blocks (summation.ts): an
 * order that depends on cols alone.
 */
export function sums(
  f: FunctionBuilder,
  row: Row,
  parts: number,
  count: number,
  terms: (turn: Turn) => readonly Vector[],
): FloatVariable[] {
  const totals = range(count).map(() => f.vectorVariable('total', f.constant(0)));
  const partial = range(count).map(() => range(parts).map(() => f.vectorVariable('part')));
  forBlocks(f, row, parts, (block) => {
    for (const part of partial.flat()) part.set(f.constant(0));
    forTurns(f, block, parts, (turn) => {
      terms(turn).forEach((term, t) => {
        const part = partial[t][turn.index];
        part.set(part.plus(turn.counted(term)));
      });
    });
    totals.forEach((total, t) => {
      const [first, ...others] = partial[t];
      total.set(total.plus(others.reduce<Vector>((a, b) => a.plus(b), first)));
    });
  });
  return totals.map((total) => f.floatVariable('sum', horizontalSum(f, total)));
}

/** Runs `body` for rows [from, to) of x, with the row's bounds set. */
export function forRows(
  f: FunctionBuilder,
  p: Record<'x' | 'cols' | 'from' | 'to', IntVariable>,
  body: (row: Row, r: IntVariable) => void,
): void {
  const [r, at, start, end] = f.intVariables('r', 'at', 'start', 'end');
  const stride = f.intVariable('stride', p.cols.shl(2));
  f.for(r, p.from, p.to, 1, () => {
    start.set(p.x.plus(r.times(stride)));
    end.set(start.plus(stride));
    body({ at, start, end }, r);
  });
}
