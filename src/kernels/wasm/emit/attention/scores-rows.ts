import type binaryen from 'binaryen';
import { KEY_TILE } from '../../module/attention-record.js';
import { KC } from '../../summation.js';
import { define, type FunctionBuilder, range, signature } from '../language/builder.js';
import { transposed } from '../language/transpose.js';
import type { Int } from '../language/values.js';
import type { IntVariable, VectorVariable } from '../language/variables.js';

// S = (scale·Q)·Kᵀ for a few rows of Q, K as it lies: c ascending in blocks of KC, one multiply and one add a term, as the
// packed product. Four rows of K at a time are transposed in registers, so that a lane is a key:
//
//            key j  j+1  j+2  j+3
//   q[c]   ×  │ k    k    k    k │   ──► four sums, a lane each, for every row of Q
//   q[c+1] ×  │ k    k    k    k │

/** Rows of Q that share one transposition. */
const ROWS = 4;

/** Groups of four keys a turn, by rows of Q: with fewer, a turn waits for its chains of additions. */
const GROUPS = [4, 2, 1, 1];

/**
 * Scores of query rows against `count` keys (multiple of 8): scores[r·KEY_TILE + j] = Σ_c q[r·keyWidth + c] · k[j·ldk + c].
 * Keys past `stored` repeat the last one.
 */
export const scoresRows = signature('attention_scores_rows', {
  q: 'int',
  k: 'int',
  ldk: 'int',
  scores: 'int',
  rows: 'int',
  count: 'int',
  stored: 'int',
  keyWidth: 'int',
});

/** The same for a fixed number of rows and a block of the columns. */
const scoresOf = (rows: number) =>
  signature(`attention_scores_rows${rows}`, {
    q: 'int',
    k: 'int',
    ldk: 'int',
    scores: 'int',
    count: 'int',
    stored: 'int',
    keyWidth: 'int',
    /** The columns of q and k that are summed here. */
    terms: 'int',
    accumulate: 'int',
  });

type Arguments = Record<keyof ReturnType<typeof scoresOf>['parameters'], IntVariable>;

export function emitScoresRows(m: binaryen.Module): void {
  for (let rows = 1; rows <= ROWS; rows++) emitScoresOf(m, rows);
  define(m, scoresRows, (f, p) => {
    const [first, r, left] = f.intVariables('first', 'r', 'left');
    const run = (rows: number) =>
      f.run(scoresOf(rows), {
        ...p,
        q: p.q.plus(r.times(p.keyWidth).plus(first).shl(2)),
        k: p.k.plus(first.shl(2)),
        scores: p.scores.plus(r.times(KEY_TILE * 4)),
        terms: p.keyWidth.minus(first).min(KC),
        accumulate: first,
      });
    f.for(first, 0, p.keyWidth, KC, () => {
      f.for(r, 0, p.rows, ROWS, () => {
        left.set(p.rows.minus(r));
        const from = (rows: number) => {
          if (rows === 1) run(1);
          else
            f.if(
              left.ge(rows),
              () => run(rows),
              () => from(rows - 1),
            );
        };
        from(ROWS);
      });
    });
  });
}

/** Locals of one function: the four rows of K of a group, as they lie and transposed, and the place in q. */
function registersOf(f: FunctionBuilder) {
  return {
    q: f.intVariable('qAt'),
    left: f.intVariable('left'),
    k: range(4).map((i) => f.vectorVariable(`k${i}`)),
    pairs: range(4).map((i) => f.vectorVariable(`pair${i}`)),
    qv: f.vectorVariable('qv'),
  };
}

/** Adds the products of the columns to the sums of four keys a group: sums[group][row]; key i of a group at key(base, i). */
function addTerms(
  f: FunctionBuilder,
  p: Arguments,
  { q, left, k, pairs, qv }: ReturnType<typeof registersOf>,
  bases: IntVariable[],
  key: (base: IntVariable, i: number) => Int,
  sums: VectorVariable[][],
): void {
  const alone = sums[0].length === 1; // with one row of Q it is its products that are transposed
  const qRow = (r: number): Int => (r === 0 ? q : q.plus(p.keyWidth.shl(2).times(r)));
  const term = (sum: VectorVariable, r: number, i: number) =>
    sum.set(
      sum.plus(
        alone
          ? k[i]
          : qRow(r)
              .splatAt(i * 4)
              .times(k[i]),
      ),
    );
  q.set(p.q);
  left.set(p.terms);
  f.while(
    () => left.ge(4),
    () => {
      if (alone) qv.set(q.vector());
      bases.forEach((base, g) => {
        k.forEach((row, i) => {
          const loaded = key(base, i).vector();
          row.set(alone ? loaded.times(qv) : loaded);
        });
        transposed(pairs, k).forEach((column, i) => k[i].set(column));
        sums[g].forEach((sum, r) => {
          for (let i = 0; i < 4; i++) term(sum, r, i);
        });
      });
      for (const base of bases) base.add(16);
      q.add(16);
      left.add(-4);
    },
  );
  f.while(
    () => left.gt(0),
    () => {
      bases.forEach((base, g) => {
        k[0].set(f.floats(0));
        for (let i = 0; i < 4; i++) k[0].set(k[0].withLane(i, key(base, i).float()));
        if (alone) k[0].set(k[0].times(q.splatAt()));
        sums[g].forEach((sum, r) => term(sum, r, 0));
        base.add(4);
      });
      q.add(4);
      left.add(-1);
    },
  );
}

/** 1 row against 64 keys of 64 columns in L1: 2 groups a turn 743 ns, 3 groups 511, 4 groups 478. */
function emitScoresOf(m: binaryen.Module, rows: number): void {
  define(m, scoresOf(rows), (f, p) => {
    const j = f.intVariable('j');
    const strides = range(4).map((i) => (i === 0 ? f.int(0) : f.intVariable(`ldk${i}`, p.ldk.times(i))));
    const registers = registersOf(f);
    const turn = (bases: IntVariable[], key: (base: IntVariable, i: number) => Int) => {
      const sums = bases.map((_, g) => range(rows).map((r) => f.vectorVariable(`sum${g}${r}`)));
      for (const sum of sums.flat()) sum.set(f.floats(0));
      addTerms(f, p, registers, bases, key, sums);
      const target = p.scores.plus(j.shl(2));
      const each = (change: (sum: VectorVariable, offset: number) => void) =>
        sums.forEach((row, g) => row.forEach((sum, r) => change(sum, r * KEY_TILE * 4 + g * 16)));
      f.if(p.accumulate, () => each((sum, offset) => sum.set(target.vector(offset).plus(sum))));
      each((sum, offset) => target.store(sum, offset));
    };

    const groups = GROUPS[rows - 1];
    const bases = range(groups).map((g) => f.intVariable(`base${g}`));
    j.set(0);
    if (groups > 1) {
      f.for(j, j, p.stored.minus(4 * groups - 1), 4 * groups, () => {
        bases.forEach((base, g) => base.set(p.k.plus(j.plus(4 * g).times(p.ldk))));
        turn(bases, (base, i) => base.plus(strides[i]));
      });
    }
    // Keys past the last repeat it.
    const keys = range(4).map((i) => f.intVariable(`key${i}`));
    f.for(j, j, p.count, 4, () => {
      keys.forEach((key, i) => key.set(j.plus(i).min(p.stored.minus(1)).times(p.ldk)));
      bases[0].set(p.k);
      turn([bases[0]], (base, i) => base.plus(keys[i]));
    });
  });
}
