import type binaryen from 'binaryen';
import { KC } from '../summation.js';
import { entry, type FunctionBuilder, range } from './language/builder.js';
import { addRow } from './language/map.js';
import type { IntVariable, VectorVariable } from './language/variables.js';

// One or two rows times B (k × n) as it lies: B is the only large operand, so it is read once, in the order of its
// addresses, several rows a pass, while the row of sums stays in L1. The first block of KC terms is summed in C, each
// other one in a row beside it, which is then added to C: the bits of gemm.ts.

/**
 * The most rows these kernels take. On 768×768: 1 row 41 µs against 78 with the register tile of gemm.ts, 2 rows 64
 * against 90; 3 rows gain nothing.
 */
export const GEMV_ROWS = 2;
/** Rows of B a pass. With 1 row 3 read 53 GB/s, 4 to 6 read 55 to 58, 8 read 52 (on 3072×768 54 against 42). */
const PASS = 4;
/** Vectors of a row a step, for 1 and 2 rows: two share an address (1 row: 55 GB/s against 51), 2 rows would spill. */
const WIDTH = [2, 1];

/** Columns [from, to) of C[rows × n] = A[rows × k] · B[k × n]; strides in bytes; k ≥ 0. Scratch: rows · (to − from) floats. */
function gemv(m: binaryen.Module, rows: number): void {
  const parameters = {
    a: 'int',
    lda: 'int',
    b: 'int',
    ldb: 'int',
    c: 'int',
    ldc: 'int',
    k: 'int',
  } as const;
  entry(m, `gemv${rows}`, parameters, (f, p) => {
    const [p0, left, column, at] = f.intVariables('p0', 'left', 'column', 'at');
    const bytes = f.intVariable('bytes', p.to.minus(p.from).shl(2));
    for (const start of [p.b, p.c]) start.add(p.from.shl(2));
    const sumRows = range(rows).map((r) => f.intVariable(`c${r}`));
    const bRows = range(PASS).map((q) => f.intVariable(`b${q}`));
    const factors = range(rows).map((r) => bRows.map((_, q) => f.vectorVariable(`a${r}${q}`)));
    const sums = range(WIDTH[rows - 1]).map((v) => f.vectorVariable(`sum${v}`));
    const bv = bRows.map((_, q) => f.vectorVariable(`bv${q}`));
    f.for(p0, 0, p.k.max(1), KC, () => {
      sumRows.forEach((row, r) => {
        row.set(p0.choose(p.scratch.plus(bytes.times(r)), p.c.plus(p.ldc.times(r))));
        f.fill(row, 0, bytes);
      });
      left.set(p.k.minus(p0).min(KC));
      for (const pass of [PASS, 1]) {
        f.while(
          () => left.ge(pass),
          () => {
            bRows.slice(0, pass).forEach((row, q) => {
              row.set(q === 0 ? p.b : bRows[q - 1].plus(p.ldb));
            });
            factors.forEach((row, r) => {
              for (let q = 0; q < pass; q++) row[q].set(p.a.plus(p.lda.times(r)).splatAt(q * 4));
            });
            onePass(f, { sumRows, bRows: bRows.slice(0, pass), factors, bv, sums, at, column, bytes });
            p.a.add(pass * 4);
            p.b.set(bRows[pass - 1].plus(p.ldb));
            left.add(-pass);
          },
        );
      }
      f.if(p0, () => sumRows.forEach((row, r) => addRow(f, column, row, p.c.plus(p.ldc.times(r)), bytes)));
    });
  });
}

interface Pass {
  sumRows: IntVariable[];
  bRows: IntVariable[];
  factors: VectorVariable[][];
  bv: VectorVariable[];
  sums: VectorVariable[];
  at: IntVariable;
  column: IntVariable;
  bytes: IntVariable;
}

/** Adds a term a row of B to every sum: sum[r][j] += Σ_q factor[r][q] · b[q][j]. */
function onePass(f: FunctionBuilder, { sumRows, bRows, factors, bv, sums, at, column, bytes }: Pass): void {
  const several = sumRows.length > 1;
  column.set(0);
  for (const width of new Set([sums.length, 1])) {
    f.for(column, column, bytes.minus(16 * width - 1), 16 * width, () => {
      if (several) for (const [q, bRow] of bRows.entries()) bv[q].set(bRow.plus(column).vector());
      sumRows.forEach((row, r) => {
        const own = sums.slice(0, width);
        const c = row.plus(column);
        own.forEach((sum, v) => sum.set(c.vector(16 * v)));
        bRows.forEach((bRow, q) => {
          if (!several) at.set(bRow.plus(column));
          own.forEach((sum, v) => sum.set(sum.plus(factors[r][q].times(several ? bv[q] : at.vector(16 * v)))));
        });
        own.forEach((sum, v) => c.store(sum, 16 * v));
      });
    });
  }
  f.for(column, column, bytes, 4, () => {
    sumRows.forEach((row, r) => {
      const c = row.plus(column);
      bRows.forEach((bRow, q) => c.store(c.float().plus(factors[r][q].lane(0).times(bRow.plus(column).float()))));
    });
  });
}

export function emitGemv(m: binaryen.Module): void {
  for (let rows = 1; rows <= GEMV_ROWS; rows++) gemv(m, rows);
}
