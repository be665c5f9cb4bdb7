import { expect, it } from 'vitest';
import { define, range, signature } from '../../../../../src/kernels/wasm/emit/language/builder.js';
import { transposed } from '../../../../../src/kernels/wasm/emit/language/transpose.js';
import { Arena, entriesOf } from '../support.js';

it('gives the columns of four rows', () => {
  const { transpose } = entriesOf((m) =>
    define(
      m,
      signature('transpose', { x: 'int', out: 'int' }),
      (f, { x, out }) => {
        const rows = range(4).map((i) => f.vectorVariable(`row${i}`, x.vector(i * 16)));
        const pairs = range(4).map((i) => f.vectorVariable(`pair${i}`));
        transposed(pairs, rows).forEach((column, i) => out.store(column, i * 16));
      },
      true,
    ),
  );
  const arena = new Arena();
  const x = arena.input(range(16));
  const out = arena.output(16);
  transpose(x, out);
  expect([...arena.read(out)]).toEqual([0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]);
});
