import type binaryen from 'binaryen';
import { entry, type FunctionBuilder } from './builder.js';
import type { Int, Vector } from './values.js';
import type { IntVariable } from './variables.js';

/**
 * Floats [from, end), addresses: `vectors(offset, i)` for vector i of `count` at a time, then one at a time with i = 0,
 * then the last up to three floats by `single`. Nothing outside is touched.
 */
export function forFloats(
  f: FunctionBuilder,
  at: IntVariable,
  from: Int,
  end: Int,
  count: number,
  vectors: (offset: number, i: number) => void,
  single: () => void,
): void {
  const bytes = count * 16;
  f.for(at, from, end.minus(bytes - 1), bytes, () => {
    for (let i = 0; i < count; i++) vectors(i * 16, i);
  });
  if (count > 1) f.for(at, at, end.minus(15), 16, () => vectors(0, 0));
  f.for(at, at, end, 4, single);
}

/** to[i] += from[i] for `bytes` bytes of floats; `at` is a local to count with. */
export function addRow(f: FunctionBuilder, at: IntVariable, from: Int, to: Int, bytes: Int): void {
  const [source, target] = [from.plus(at), to.plus(at)];
  const vector = (offset: number) => target.store(target.vector(offset).plus(source.vector(offset)), offset);
  forFloats(f, at, f.int(0), bytes, 1, vector, () => target.store(target.float().plus(source.float())));
}

/**
 * Defines the entry `name`: out[i] = change(x[i]) for floats [from, to). `change` appends what it needs and gives the
 * result. The last floats are copied to all lanes one by one: the same bits.
 */
export function defineMap(m: binaryen.Module, name: string, change: (f: FunctionBuilder, x: Vector) => Vector): void {
  const parameters = { x: 'int', out: 'int' } as const;
  entry(m, name, parameters, (f, { x, out, from, to }) => {
    const at = f.intVariable('at');
    const shift = f.intVariable('shift', out.minus(x));
    const vector = (offset: number) => at.plus(shift).store(change(f, at.vector(offset)), offset);
    forFloats(f, at, x.plus(from.shl(2)), x.plus(to.shl(2)), 1, vector, () => {
      at.plus(shift).store(change(f, at.splatAt()).lane(0));
    });
  });
}
