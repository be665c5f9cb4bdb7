import type binaryen from 'binaryen';
import { NR } from '../module/product-tile.js';
import { KC } from '../summation.js';
import { panelRowBytes } from './gemm.js';
import { entry, entrySignature, type FunctionBuilder, range } from './language/builder.js';
import { transposed } from './language/transpose.js';
import type { Int } from './language/values.js';
import type { IntVariable, VectorVariable } from './language/variables.js';

// B in panels, as the register tile of gemm.ts reads it: one address after another.

type Module = binaryen.Module;

/** Of B (k × n) or Bᵀ (n × k), rows of ldb bytes. */
const PACK = { b: 'int', ldb: 'int', out: 'int', n: 'int', k: 'int' } as const;

export const packRows = entrySignature('pack_rows', PACK);
export const packColumns = entrySignature('pack_columns', PACK);

/** How many panels n columns fill. */
export const panelsOf = (n: Int): Int => n.plus(NR - 1).dividedBy(NR);

/**
 * Panels [from, to) of B (k × n, rows of ldb bytes): for every block of KC rows, panels of NR columns, k-major, columns
 * past n filled with 0. Needs k · ⌈n/NR⌉·NR floats at `out`.
 */
function emitPackRows(m: Module): void {
  entry(m, packRows.name, PACK, (f, p) => {
    const [p0, kc, panel, source, target] = f.intVariables('p0', 'kc', 'panel', 'source', 'target');
    const [count, cols] = f.intVariables('count', 'cols');
    const panels = f.intVariable('panels', panelRowBytes(p.n));
    f.for(p0, 0, p.k, KC, () => {
      kc.set(p.k.minus(p0).min(KC));
      f.for(panel, p.from, p.to, 1, () => {
        source.set(p.b.plus(p0.times(p.ldb)).plus(panel.times(NR * 4)));
        target.set(p.out.plus(p0.times(panels)).plus(panel.times(kc).times(NR * 4)));
        cols.set(p.n.minus(panel.times(NR)));
        count.set(kc);
        f.doWhile(
          () => {
            f.if(
              cols.ge(NR),
              () => {
                for (let v = 0; v < NR; v += 4) target.store(source.vector(v * 4), v * 4);
              },
              () => zeroPadded(f, source, target, cols),
            );
            source.add(p.ldb);
            target.add(NR * 4);
          },
          () => count.decrement(),
        );
      });
    });
  });
}

/** NR floats of which only the first `cols` exist. */
function zeroPadded(f: FunctionBuilder, source: Int, target: Int, cols: Int): void {
  for (let v = 0; v < NR; v++) {
    f.if(
      cols.gt(v),
      () => target.store(source.float(v * 4), v * 4),
      () => target.store(f.float(0), v * 4),
    );
  }
}

/** The same panels from Bᵀ (n × k, rows of ldb bytes). */
function emitPackColumns(m: Module): void {
  entry(m, packColumns.name, PACK, (f, p) => {
    const [p0, kc, panel, target, q, cols] = f.intVariables('p0', 'kc', 'panel', 'target', 'q', 'cols');
    const rows = range(NR).map((i) => f.intVariable(`row${i}`));
    const v = range(4).map((i) => f.vectorVariable(`v${i}`));
    const w = range(4).map((i) => f.vectorVariable(`w${i}`));
    const panels = f.intVariable('panels', panelRowBytes(p.n));
    f.for(p0, 0, p.k, KC, () => {
      kc.set(p.k.minus(p0).min(KC));
      f.for(panel, p.from, p.to, 1, () => {
        rows.forEach((row, i) =>
          row.set(i === 0 ? p.b.plus(panel.times(NR).times(p.ldb)).plus(p0.shl(2)) : rows[i - 1].plus(p.ldb)),
        );
        target.set(p.out.plus(p0.times(panels)).plus(panel.times(kc).times(NR * 4)));
        cols.set(p.n.minus(panel.times(NR)));
        q.set(kc);
        f.if(cols.ge(NR), () =>
          f.while(
            () => q.ge(4),
            () => {
              for (let h = 0; h < NR; h += 4) transpose4(v, w, rows.slice(h, h + 4), target, h * 4);
              for (const row of rows) row.add(16);
              target.add(4 * NR * 4);
              q.add(-4);
            },
          ),
        );
        f.while(
          () => q.gt(0),
          () => {
            rows.forEach((row, i) => {
              f.if(
                cols.gt(i),
                () => target.store(row.float(), i * 4),
                () => target.store(f.float(0), i * 4),
              );
            });
            for (const row of rows) row.add(4);
            target.add(NR * 4);
            q.add(-1);
          },
        );
      });
    });
  });
}

/** Four floats of four rows, written as four rows of the panel. */
function transpose4(v: VectorVariable[], w: VectorVariable[], rows: IntVariable[], target: Int, offset: number): void {
  v.forEach((vector, i) => vector.set(rows[i].vector()));
  transposed(w, v).forEach((column, i) => target.store(column, offset + i * NR * 4));
}

export function emitPacking(m: Module): void {
  emitPackRows(m);
  emitPackColumns(m);
}
