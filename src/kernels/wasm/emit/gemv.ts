import type binaryen from 'binaryen';
import { define, type FunctionBuilder, type IntVariable, range, type VectorVariable } from './builder.js';

// One or two rows times B (k × n) as it lies: B is the only large operand, so it is read once, in the order of its
// addresses, several rows a pass, while the row of sums stays in L1. Every sum runs over k ascending, one multiply and
// one add a term: the bits of gemm.ts.

/**
 * The most rows these kernels take, and how many rows of B a pass reads for 1 and 2 of them. On 768×768: 1 row 49 µs
 * against 69 µs with the register tile of gemm.ts, 2 rows 63 against 87; 3 rows gain nothing.
 */
export const GEMV_ROWS = 2;
const PASS = [8, 4];

/** C[rows × n] = A[rows × k] · B[k × n] (+ C with accumulate); lda, ldb, ldc in bytes; n, k ≥ 0. */
function gemv(m: binaryen.Module, rows: number): void {
  const parameters = {
    a: 'int',
    lda: 'int',
    b: 'int',
    ldb: 'int',
    c: 'int',
    ldc: 'int',
    n: 'int',
    k: 'int',
    accumulate: 'int',
  } as const;
  const build = (f: FunctionBuilder, p: Record<keyof typeof parameters, IntVariable>) => {
    const [left, column] = ['left', 'column'].map((name) => f.intVariable(name));
    const cRows = range(rows).map((r) => f.intVariable(`c${r}`, p.c.plus(p.ldc.times(r))));
    const bytes = f.intVariable('bytes', p.n.shl(2));
    f.if(p.accumulate.not(), () => {
      for (const row of cRows) f.fill(row, 0, bytes);
    });
    const bRows = range(PASS[rows - 1]).map((q) => f.intVariable(`b${q}`));
    const factors = range(rows).map((r) => bRows.map((_, q) => f.vectorVariable(`a${r}${q}`)));
    const sum = f.vectorVariable('sum');
    const bv = bRows.map((_, q) => f.vectorVariable(`bv${q}`));
    left.set(p.k);
    for (const pass of new Set([PASS[rows - 1], 1])) {
      f.while(
        () => left.ge(pass),
        () => {
          bRows.slice(0, pass).forEach((row, q) => {
            row.set(q === 0 ? p.b : bRows[q - 1].plus(p.ldb));
          });
          factors.forEach((row, r) => {
            for (let q = 0; q < pass; q++) row[q].set(p.a.plus(p.lda.times(r)).splatAt(q * 4));
          });
          onePass(f, { cRows, bRows, factors, bv, sum, column, bytes, pass });
          p.a.add(pass * 4);
          p.b.set(bRows[pass - 1].plus(p.ldb));
          left.add(-pass);
        },
      );
    }
  };
  define(m, `gemv${rows}`, parameters, build, true);
}

interface Pass {
  cRows: IntVariable[];
  bRows: IntVariable[];
  factors: VectorVariable[][];
  bv: VectorVariable[];
  sum: VectorVariable;
  column: IntVariable;
  bytes: IntVariable;
  pass: number;
}

/** Adds `pass` terms to every sum: sum[r][j] += Σ_q factor[r][q] · b[q][j]. */
function onePass(f: FunctionBuilder, { cRows, bRows, factors, bv, sum, column, bytes, pass }: Pass): void {
  f.for(column, 0, bytes.minus(15), 16, () => {
    if (cRows.length > 1) for (let q = 0; q < pass; q++) bv[q].set(bRows[q].plus(column).vector());
    cRows.forEach((row, r) => {
      const at = row.plus(column);
      sum.set(at.vector());
      for (let q = 0; q < pass; q++) {
        sum.set(sum.plus(factors[r][q].times(cRows.length > 1 ? bv[q] : bRows[q].plus(column).vector())));
      }
      at.store(sum);
    });
  });
  f.for(column, column, bytes, 4, () => {
    cRows.forEach((row, r) => {
      const at = row.plus(column);
      for (let q = 0; q < pass; q++) {
        at.store(at.float().plus(factors[r][q].lane(0).times(bRows[q].plus(column).float())));
      }
    });
  });
}

export function emitGemv(m: binaryen.Module): void {
  for (let rows = 1; rows <= GEMV_ROWS; rows++) gemv(m, rows);
}
