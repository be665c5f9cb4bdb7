import type binaryen from 'binaryen';
import { MR, NR } from '../module/product-tile.js';
import { KC } from '../summation.js';
import { define, entry, entrySignature, type FunctionBuilder, range, signature } from './language/builder.js';
import type { Int } from './language/values.js';

// C (m × n) = A · B (+ C), every element summed over k in ascending order, one multiply and one add a term: the same
// bits for every tile, edge and row count. A block of KC terms is summed in registers, from 0, and then added to C
// (summation.ts). B comes in panels (packing.ts) or as it lies; KC·NR floats, a panel of a block, are 8 KB and stay in L1.

const UNROLL = 8;
/** Rows of A a block: MC·KC floats are 64 KB, in L2. */
const MC = 64;

type Module = binaryen.Module;

/** How A lies: rows of lda bytes, or transposed: (k × m), k-steps of lda bytes. */
type LayoutA = 'rows' | 'transposed';
/** How B lies: panels of NR columns, or (k × n) rows of ldb bytes as the user has it. */
type LayoutB = 'packed' | 'rows';

/** Of one row of all panels of n columns. */
export const panelRowBytes = (n: Int): Int =>
  n
    .plus(NR - 1)
    .and(-NR)
    .shl(2);

const micro = (rows: number, a: LayoutA, b: LayoutB) =>
  signature(`micro${rows}_${a}_${b}`, {
    a: 'int',
    lda: 'int',
    b: 'int',
    ldb: 'int',
    c: 'int',
    ldc: 'int',
    k: 'int',
    accumulate: 'int',
  });
type MicroArguments = Record<keyof ReturnType<typeof micro>['parameters'], IntOrNumber>;

/**
 * C[rows × NR] = (accumulate ? C : 0) + A[rows × k] · B[k × NR], k ≥ 1.
 * k goes by UNROLL with an exit after every step: the shape of loop that V8 keeps in registers (unrolled without those
 * exits it spills: half the rate). 256³, Zen 3, peak 54.6 GFLOP/s: not unrolled 37.4, by two 41.0, by four 43.4; the
 * loops of fewer rows gain less than their bytes cost.
 */
function microKernel(m: Module, rows: number, layoutA: LayoutA, layoutB: LayoutB): void {
  define(m, micro(rows, layoutA, layoutB), (f, { a, lda, b, ldb, c, ldc, k, accumulate }) => {
    const aRows = range(rows).map((i) => (i === 0 || layoutA === 'transposed' ? a : f.intVariable(`a${i}`)));
    const cRows = range(rows).map((i) => (i === 0 ? c : f.intVariable(`c${i}`)));
    const sums = range(rows).map((i) => range(NR / 4).map((j) => f.vectorVariable(`sum${i}${j}`)));
    const bs = range(NR / 4).map((j) => f.vectorVariable(`b${j}`));
    const av = f.vectorVariable('av');
    for (let i = 1; i < rows; i++) {
      if (layoutA === 'rows') aRows[i].set(aRows[i - 1].plus(lda));
      cRows[i].set(cRows[i - 1].plus(ldc));
    }
    const step = (q: number) => {
      bs.forEach((bv, j) => bv.set(b.vector(j * 16 + (layoutB === 'packed' ? q * NR * 4 : 0))));
      sums.forEach((row, i) => {
        av.set(layoutA === 'rows' ? aRows[i].splatAt(q * 4) : a.splatAt(i * 4));
        row.forEach((sum, j) => sum.set(sum.plus(av.times(bs[j]))));
      });
      if (layoutA === 'transposed') a.add(lda);
      if (layoutB === 'rows') b.add(ldb);
    };
    const unroll = rows === MR ? UNROLL : 2;
    f.block((leave) => {
      f.doWhile(
        () => {
          step(0);
          for (let q = 1; q < unroll; q++) {
            leave(k.decrement().not());
            step(q);
          }
          if (layoutA === 'rows') for (const row of aRows) row.add(unroll * 4);
          if (layoutB === 'packed') b.add(unroll * NR * 4);
        },
        () => k.decrement(),
      );
    });
    f.if(accumulate, () => {
      sums.forEach((row, i) => row.forEach((sum, j) => sum.set(cRows[i].vector(j * 16).plus(sum))));
    });
    sums.forEach((row, i) => row.forEach((sum, j) => cRows[i].store(sum, j * 16)));
  });
}

/** Runs the micro-kernel for `rows` (1 … MR) rows. */
function callMicro(f: FunctionBuilder, rows: Int, a: LayoutA, b: LayoutB, values: MicroArguments): void {
  const from = (r: number) => {
    if (r === 1) f.run(micro(1, a, b), values);
    else
      f.if(
        rows.eq(r),
        () => f.run(micro(r, a, b), values),
        () => from(r - 1),
      );
  };
  f.if(
    rows.ge(MR),
    () => f.run(micro(MR, a, b), values),
    () => from(MR - 1),
  );
}

/** Copies rows × cols floats one by one; strides in bytes. */
function copyTile(
  f: FunctionBuilder,
  from: Int,
  fromStride: IntOrNumber,
  to: Int,
  toStride: IntOrNumber,
  rows: Int,
  cols: Int,
): void {
  const r = f.intVariable('r');
  const c = f.intVariable('c');
  f.for(r, 0, rows, 1, () => {
    f.for(c, 0, cols, 1, () => {
      to.plus(r.times(toStride))
        .plus(c.shl(2))
        .store(from.plus(r.times(fromStride)).plus(c.shl(2)).float());
    });
  });
}
type IntOrNumber = Int | number;

/** Strides in bytes; accumulate: C is added to. */
const GEMM = {
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

/** A by rows, B in panels. */
export const gemmRowsPacked = entrySignature('gemm_rows_packed', GEMM);
/** Aᵀ by rows, B in panels. */
export const gemmTransposedPacked = entrySignature('gemm_transposed_packed', GEMM);

/**
 * Rows [from, to) of C (m × n) = A · B, or += with accumulate; k ≥ 1. lda, ldb, ldc in bytes; scratch: EDGE_BYTES.
 * Packed: b is what pack_rows or pack_columns wrote, ldb how many rows they packed (≥ k; 0 = k). Rows: b is (k × n) itself.
 */
function gemm(m: Module, layoutA: LayoutA, layoutB: LayoutB): void {
  entry(m, `gemm_${layoutA}_${layoutB}`, GEMM, (f, p) => {
    const [p0, kc, i0, iEnd, j, i] = f.intVariables('p0', 'kc', 'i0', 'iEnd', 'j', 'i');
    const [bPanel, aTile, cTile, rows, cols, add] = f.intVariables('bPanel', 'aTile', 'cTile', 'rows', 'cols', 'add');
    const panels = f.intVariable('panels', panelRowBytes(p.n));
    const packed = f.intVariable('packed', p.ldb.choose(p.ldb, p.k)); // rows of B that were packed
    f.for(p0, 0, p.k, KC, () => {
      kc.set(p.k.minus(p0).min(KC));
      add.set(p.accumulate.or(p0));
      f.for(i0, p.from, p.to, MC, () => {
        iEnd.set(i0.plus(MC).min(p.to));
        f.for(j, 0, p.n, NR, () => {
          cols.set(p.n.minus(j));
          bPanel.set(
            layoutB === 'packed'
              ? p.b.plus(p0.times(panels)).plus(j.times(packed.minus(p0).min(KC)).shl(2))
              : p.b.plus(p0.times(p.ldb)).plus(j.shl(2)),
          );
          f.for(i, i0, iEnd, MR, () => {
            rows.set(iEnd.minus(i).min(MR));
            aTile.set(
              layoutA === 'rows' ? p.a.plus(i.times(p.lda)).plus(p0.shl(2)) : p.a.plus(p0.times(p.lda)).plus(i.shl(2)),
            );
            cTile.set(p.c.plus(i.times(p.ldc)).plus(j.shl(2)));
            const tile = { a: aTile, lda: p.lda, b: bPanel, ldb: p.ldb, k: kc, accumulate: add };
            const product = (c: Int, ldc: IntOrNumber) => callMicro(f, rows, layoutA, layoutB, { ...tile, c, ldc });
            f.if(
              cols.ge(NR),
              () => product(cTile, p.ldc),
              () => {
                f.if(add, () => copyTile(f, cTile, p.ldc, p.scratch, NR * 4, rows, cols));
                product(p.scratch, NR * 4);
                copyTile(f, p.scratch, NR * 4, cTile, p.ldc, rows, cols);
              },
            );
          });
        });
      });
    });
  });
}

/** Aᵀ with B as it lies is left out: it packs B. */
const LAYOUTS: readonly [LayoutA, LayoutB][] = [
  ['rows', 'packed'],
  ['rows', 'rows'],
  ['transposed', 'packed'],
];

export function emitGemm(m: Module): void {
  for (const [a, b] of LAYOUTS) {
    for (let rows = 1; rows <= MR; rows++) microKernel(m, rows, a, b);
    gemm(m, a, b);
  }
}
