import type binaryen from 'binaryen';
import { define, signature } from '../language/builder.js';

// C (m × n) += A · B without the terms whose flag is 0: C[i, c] += Σ_p A[i, p]·B[p, c], taken from 0, p ascending, as the
// packed product. Where the data are finite the terms left out are 0, and the bits are the same.
//
//             B, rows of ldb bytes
//   A ∘ flags │ b b b │            a row-major tile of scores: stepI = SCORE_STRIDE, stepP = 4
//   │ a · a a │ b b b │ ──► C      its transpose:              stepI = 4, stepP = SCORE_STRIDE

/** Entry (i, p) of A lies at a + i·stepI + p·stepP bytes, its flag at flags + i·stepI + p·stepP. */
export const carefulProduct = signature('attention_careful_product', {
  a: 'int',
  flags: 'int',
  stepI: 'int',
  stepP: 'int',
  b: 'int',
  ldb: 'int',
  c: 'int',
  ldc: 'int',
  m: 'int',
  n: 'int',
  k: 'int',
});

export function emitCarefulProduct(m: binaryen.Module): void {
  define(m, carefulProduct, (f, x) => {
    const [i, column, p, at] = f.intVariables('i', 'column', 'p', 'at');
    const sum = f.floatVariable('sum');
    const toFlags = f.intVariable('toFlags', x.flags.minus(x.a));
    f.for(i, 0, x.m, 1, () => {
      f.for(column, 0, x.n.shl(2), 4, () => {
        sum.set(0);
        at.set(x.a.plus(i.times(x.stepI)));
        f.for(p, 0, x.k, 1, () => {
          const entry = x.b.plus(p.times(x.ldb)).plus(column);
          f.if(at.plus(toFlags).int(), () => sum.set(sum.plus(at.float().times(entry.float()))));
          at.add(x.stepP);
        });
        const target = x.c.plus(i.times(x.ldc)).plus(column);
        target.store(target.float().plus(sum));
      });
    });
  });
}
