import type binaryen from 'binaryen';
import { KEY_TILE } from '../attention-record.js';
import { define, type FunctionBuilder, type Int, type IntVariable, range, type VectorVariable } from './builder.js';

/** Up to so many query rows a key/value head (all its query heads together) read K and V where they lie. */
export const UNPACKED_ROWS = 8;

/** Rows of Q that share one transposition of K in registers. */
const ROWS = 4;

/**
 * Scores of a few query rows against `count` keys (multiple of 8), c ascending, one multiply and one add a term, as the
 * packed product: scores[r·KEY_TILE + j] = Σ_c q[r·dK + c] · k[j·ldk + c]. Keys past `stored` repeat the last one.
 */
export function emitScoresRows(m: binaryen.Module): void {
  for (let rows = 1; rows <= ROWS; rows++) scoresOf(m, rows);
  const parameters = {
    q: 'int',
    k: 'int',
    ldk: 'int',
    scores: 'int',
    rows: 'int',
    count: 'int',
    stored: 'int',
    dK: 'int',
  } as const;
  define(m, 'attention_scores_rows', parameters, (f, p) => {
    const r = f.intVariable('r');
    const left = f.intVariable('left');
    const call = (rows: number) => {
      const [q, scores] = [p.q.plus(r.times(p.dK).shl(2)), p.scores.plus(r.times(KEY_TILE * 4))];
      f.call(`attention_scores_rows${rows}`, q, p.k, p.ldk, scores, p.count, p.stored, p.dK);
    };
    f.for(r, 0, p.rows, ROWS, () => {
      left.set(p.rows.minus(r));
      const from = (rows: number) => {
        if (rows === 1) call(1);
        else
          f.if(
            left.ge(rows),
            () => call(rows),
            () => from(rows - 1),
          );
      };
      from(ROWS);
    });
  });
}

/**
 * Four rows of K at a time are transposed in registers, so that a lane is a key. With few rows of Q a turn takes two
 * such groups: one alone waits for its chain of additions (1 row against 1024 keys of 12×64: NUMBERS).
 */
function scoresOf(m: binaryen.Module, rows: number): void {
  const parameters = { q: 'int', k: 'int', ldk: 'int', scores: 'int', count: 'int', stored: 'int', dK: 'int' } as const;
  define(m, `attention_scores_rows${rows}`, parameters, (f, p) => {
    const [j, c, q] = ['j', 'c', 'qAt'].map((name) => f.intVariable(name));
    const stride = f.intVariable('stride', p.dK.shl(2));
    const groups = range(rows <= 2 ? 2 : 1).map((g) => ({
      keys: range(4).map((i) => f.intVariable(`key${4 * g + i}`)),
      sums: range(rows).map((r) => f.vectorVariable(`sum${g}${r}`)),
    }));
    const v = range(4).map((i) => f.vectorVariable(`v${i}`));
    const t = range(4).map((i) => f.vectorVariable(`t${i}`));
    const qRow = (r: number): Int => (r === 0 ? q : q.plus(r === 1 ? stride : stride.times(r)));
    f.for(j, 0, p.count, 4 * groups.length, () => {
      groups.forEach(({ keys, sums }, g) => {
        keys.forEach((key, i) =>
          key.set(
            p.k.plus(
              j
                .plus(4 * g + i)
                .min(p.stored.minus(1))
                .times(p.ldk),
            ),
          ),
        );
        for (const sum of sums) sum.set(f.floats(0));
      });
      q.set(p.q);
      f.for(c, 4, p.dK.plus(1), 4, () => {
        for (const { keys, sums } of groups) {
          transposeInto(t, v, keys);
          sums.forEach((sum, r) => {
            for (let i = 0; i < 4; i++)
              sum.set(
                sum.plus(
                  qRow(r)
                    .splatAt(i * 4)
                    .times(t[i]),
                ),
              );
          });
          for (const key of keys) key.add(16);
        }
        q.add(16);
      });
      f.for(c, c.minus(4), p.dK, 1, () => {
        for (const { keys, sums } of groups) {
          gather(f, t[0], keys);
          sums.forEach((sum, r) => sum.set(sum.plus(qRow(r).splatAt().times(t[0]))));
          for (const key of keys) key.add(4);
        }
        q.add(4);
      });
      groups.forEach(({ sums }, g) => {
        sums.forEach((sum, r) => p.scores.plus(j.shl(2)).store(sum, r * KEY_TILE * 4 + g * 16));
      });
    });
  });
}

/** Columns of V whose sums one turn keeps in registers: 8 chains of additions hide each other. */
const VALUE_COLUMNS = 32;

/** One row: out[c] += Σ_j weights[j] · v[j·ldv + c], j ascending, as the product of more rows. */
export function emitValuesRow(m: binaryen.Module): void {
  const parameters = { weights: 'int', v: 'int', ldv: 'int', out: 'int', dV: 'int', count: 'int' } as const;
  define(m, 'attention_values_row', parameters, (f, p) => {
    const [c, at, weight, end] = ['c', 'at', 'weight', 'end'].map((name) => f.intVariable(name));
    const sums = range(VALUE_COLUMNS / 4).map((i) => f.vectorVariable(`sum${i}`));
    const w = f.vectorVariable('w');
    const strip = (vectors: number) => {
      const used = sums.slice(0, vectors);
      used.forEach((sum, i) => sum.set(p.out.plus(c).vector(i * 16)));
      at.set(p.v.plus(c));
      f.for(weight, p.weights, end, 4, () => {
        w.set(weight.splatAt());
        used.forEach((sum, i) => sum.set(sum.plus(w.times(at.vector(i * 16)))));
        at.add(p.ldv);
      });
      used.forEach((sum, i) => p.out.plus(c).store(sum, i * 16));
    };
    end.set(p.weights.plus(p.count.shl(2)));
    const bytes = f.intVariable('bytes', p.dV.shl(2));
    c.set(0);
    for (const columns of [VALUE_COLUMNS, 4]) {
      f.while(
        () => bytes.minus(c).ge(columns * 4),
        () => {
          strip(columns / 4);
          c.add(columns * 4);
        },
      );
    }
    f.for(c, c, bytes, 4, () => {
      at.set(p.v.plus(c));
      f.for(weight, p.weights, end, 4, () => {
        p.out.plus(c).store(p.out.plus(c).float().plus(weight.float().times(at.float())));
        at.add(p.ldv);
      });
    });
  });
}

/** t[i] = column i of the next four columns of the four rows. */
function transposeInto(t: VectorVariable[], v: VectorVariable[], rows: IntVariable[]): void {
  rows.forEach((row, i) => v[i].set(row.vector()));
  const low = [v[0].shuffle(v[1], [0, 4, 1, 5]), v[2].shuffle(v[3], [0, 4, 1, 5])];
  t[0].set(low[0]);
  t[1].set(low[1]);
  t[2].set(v[0].shuffle(v[1], [2, 6, 3, 7]));
  t[3].set(v[2].shuffle(v[3], [2, 6, 3, 7]));
  v[0].set(t[0].shuffle(t[1], [0, 1, 4, 5]));
  v[1].set(t[0].shuffle(t[1], [2, 3, 6, 7]));
  v[2].set(t[2].shuffle(t[3], [0, 1, 4, 5]));
  v[3].set(t[2].shuffle(t[3], [2, 3, 6, 7]));
  t.forEach((vector, i) => vector.set(v[i]));
}

/** One float of each of the four rows. */
function gather(f: FunctionBuilder, into: VectorVariable, rows: IntVariable[]): void {
  into.set(f.floats(0));
  rows.forEach((row, i) => into.set(into.withLane(i, row.float())));
}
