import type binaryen from 'binaryen';
import { KEY_TILE } from '../../module/attention-record.js';
import { KC } from '../../summation.js';
import { define, range } from '../language/builder.js';
import { addRow } from '../language/map.js';
import type { Int } from '../language/values.js';
import type { IntVariable, VectorVariable } from '../language/variables.js';

/** Rows of Q that share one transposition of K in registers. */
const ROWS = 4;

/**
 * Scores of a few query rows against `count` keys (multiple of 8), c ascending in blocks of KC, one multiply and one add
 * a term, as the packed product: scores[r·KEY_TILE + j] = Σ_c q[r·dK + c] · k[j·ldk + c]. Keys past `stored` repeat the
 * last one.
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
    const [first, r, left] = ['first', 'r', 'left'].map((name) => f.intVariable(name));
    const call = (rows: number) => {
      const [q, scores] = [p.q.plus(r.times(p.dK).plus(first).shl(2)), p.scores.plus(r.times(KEY_TILE * 4))];
      const terms = p.dK.minus(first).min(KC);
      const k = p.k.plus(first.shl(2));
      f.call(`attention_scores_rows${rows}`, q, k, p.ldk, scores, p.count, p.stored, p.dK, terms, first);
    };
    f.for(first, 0, p.dK, KC, () => {
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
  });
}

/** Groups of four keys a turn, by rows of Q: with fewer, a turn waits for its chains of additions. */
const GROUPS = [4, 2, 1, 1];

/**
 * Four rows of K at a time are transposed in registers, so that a lane is a key; with one row of Q its products are.
 * 1 row against 64 keys of 64 columns in L1: 2 groups a turn 743 ns, 3 groups 511, 4 groups 478.
 */
function scoresOf(m: binaryen.Module, rows: number): void {
  const parameters = {
    q: 'int',
    k: 'int',
    ldk: 'int',
    scores: 'int',
    count: 'int',
    stored: 'int',
    dK: 'int',
    /** The columns of q and k that are summed here. */
    terms: 'int',
    accumulate: 'int',
  } as const;
  define(m, `attention_scores_rows${rows}`, parameters, (f, p) => {
    const [j, left, q] = ['j', 'left', 'qAt'].map((name) => f.intVariable(name));
    const strides = range(4).map((i) => (i === 0 ? f.int(0) : f.intVariable(`ldk${i}`, p.ldk.times(i))));
    const [v, t] = ['v', 't'].map((name) => range(4).map((i) => f.vectorVariable(`${name}${i}`)));
    const qv = f.vectorVariable('qv');
    const qRow = (r: number): Int => (r === 0 ? q : q.plus(p.dK.shl(2).times(r)));

    /** Scores of four keys a group; key i of a group lies at keys(i) from its base. */
    const turn = (bases: IntVariable[], key: (base: IntVariable, i: number) => Int) => {
      const sums = bases.map((_, g) => range(rows).map((r) => f.vectorVariable(`sum${g}${r}`)));
      q.set(p.q);
      const term = (sum: VectorVariable, r: number, i: number) =>
        sum.set(
          sum.plus(
            rows === 1
              ? t[i]
              : qRow(r)
                  .splatAt(i * 4)
                  .times(t[i]),
          ),
        );
      for (const sum of sums.flat()) sum.set(f.floats(0));
      left.set(p.terms);
      f.while(
        () => left.ge(4),
        () => {
          if (rows === 1) qv.set(q.vector());
          bases.forEach((base, g) => {
            v.forEach((x, i) => {
              const loaded = key(base, i).vector();
              x.set(rows === 1 ? loaded.times(qv) : loaded);
            });
            transpose(t, v);
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
            t[0].set(f.floats(0));
            for (let i = 0; i < 4; i++) t[0].set(t[0].withLane(i, key(base, i).float()));
            if (rows === 1) t[0].set(t[0].times(q.splatAt()));
            sums[g].forEach((sum, r) => term(sum, r, 0));
            base.add(4);
          });
          q.add(4);
          left.add(-1);
        },
      );
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

/** Rows of V a pass over a row of sums; 6 and 8 gain nothing. */
const PASS = 4;
/** Vectors of a row of sums a step; with 4 the whole step against 1024 keys (12 heads of 64) takes 5 % more. */
const WIDTH = 2;

/**
 * out[r][c] += Σ_j weights[r·KEY_TILE + j] · v[j·ldv + h·dV + c] for `rows` rows of outStride bytes; rowsAHead of them
 * read the same head h of V. j ascending from 0, then added, as the packed product; V is read in the order of its
 * addresses while the sums, as many rows as out, stay in `block`.
 */
export function emitValuesRows(m: binaryen.Module): void {
  const parameters = {
    weights: 'int',
    v: 'int',
    ldv: 'int',
    out: 'int',
    outStride: 'int',
    block: 'int',
    dV: 'int',
    rowsAHead: 'int',
    rows: 'int',
    count: 'int',
  } as const;
  define(m, 'attention_values_rows', parameters, (f, p) => {
    const names = ['left', 'column', 'at', 'weight', 'sumRow', 'r', 'inHead'];
    const [left, column, at, weight, sumRow, r, inHead] = names.map((name) => f.intVariable(name));
    const bytes = f.intVariable('bytes', p.dV.shl(2));
    const vRows = range(PASS).map((q) => f.intVariable(`v${q}`));
    const factors = range(PASS).map((q) => f.vectorVariable(`factor${q}`));
    const sums = range(WIDTH).map((i) => f.vectorVariable(`sum${i}`));
    const blockBytes = f.intVariable('blockBytes', p.rows.times(p.outStride));
    f.fill(p.block, 0, blockBytes);
    left.set(p.count);
    for (const pass of [PASS, 1]) {
      const used = vRows.slice(0, pass);
      f.while(
        () => left.ge(pass),
        () => {
          used.forEach((row, q) => row.set(q === 0 ? p.v : used[q - 1].plus(p.ldv)));
          weight.set(p.weights);
          sumRow.set(p.block);
          inHead.set(p.rowsAHead);
          f.for(r, 0, p.rows, 1, () => {
            for (let q = 0; q < pass; q++) factors[q].set(weight.splatAt(q * 4));
            column.set(0);
            for (const width of [WIDTH, 1]) {
              f.for(column, column, bytes.minus(16 * width - 1), 16 * width, () => {
                const own = sums.slice(0, width);
                own.forEach((sum, i) => sum.set(sumRow.plus(column).vector(16 * i)));
                used.forEach((row, q) => {
                  at.set(row.plus(column));
                  own.forEach((sum, i) => sum.set(sum.plus(factors[q].times(at.vector(16 * i)))));
                });
                own.forEach((sum, i) => sumRow.plus(column).store(sum, 16 * i));
              });
            }
            f.for(column, column, bytes, 4, () => {
              const sum = sumRow.plus(column);
              used.forEach((row, q) => sum.store(sum.float().plus(factors[q].lane(0).times(row.plus(column).float()))));
            });
            weight.add(KEY_TILE * 4);
            sumRow.add(p.outStride);
            f.if(inHead.decrement().not(), () => {
              inHead.set(p.rowsAHead);
              for (const row of used) row.add(bytes);
            });
          });
          p.weights.add(pass * 4);
          p.v.add(p.ldv.times(pass));
          left.add(-pass);
        },
      );
    }
    addRow(f, at, p.block, p.out, blockBytes);
  });
}

/** t[i] = column i of the rows v, which it overwrites. */
function transpose(t: VectorVariable[], v: VectorVariable[]): void {
  t[0].set(v[0].shuffle(v[1], [0, 4, 1, 5]));
  t[1].set(v[2].shuffle(v[3], [0, 4, 1, 5]));
  t[2].set(v[0].shuffle(v[1], [2, 6, 3, 7]));
  t[3].set(v[2].shuffle(v[3], [2, 6, 3, 7]));
  v[0].set(t[0].shuffle(t[1], [0, 1, 4, 5]));
  v[1].set(t[0].shuffle(t[1], [2, 3, 6, 7]));
  v[2].set(t[2].shuffle(t[3], [0, 1, 4, 5]));
  v[3].set(t[2].shuffle(t[3], [2, 3, 6, 7]));
  t.forEach((vector, i) => vector.set(v[i]));
}
