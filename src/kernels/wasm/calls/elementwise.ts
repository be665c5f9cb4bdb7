import type { BinaryOperation, Floats } from '../../contract.js';
import type { ElementaryOperation, UnaryEntry } from '../../unary.js';
import * as entries from '../module/elementwise.generated.js';
import type { Runtime } from '../module/launch.js';

/** A kernel that changes floats one by one. */
export type MapEntry = (runtime: Runtime, p: { x: number; out: number }, units: number) => void;

type ElementaryEntries = Record<UnaryEntry & ElementaryOperation, MapEntry>;

/** The elementary functions that have a kernel. */
export const ELEMENTARY: Partial<Record<ElementaryOperation, MapEntry>> & ElementaryEntries = {
  exp: entries.exp,
  sqrt: entries.sqrt,
  tanh: entries.tanh,
  abs: entries.abs,
};

const SAME_SHAPE = {
  add: entries.add,
  subtract: entries.subtract,
  multiply: entries.multiply,
  divide: entries.divide,
  maximum: entries.maximum,
};
const WITH_ROW = {
  add: entries.addRow,
  subtract: entries.subtractRow,
  multiply: entries.multiplyRow,
  divide: entries.divideRow,
  maximum: entries.maximumRow,
};

/** out_i = f(x_i). */
export function mapped(runtime: Runtime, entry: MapEntry, x: Floats): Float32Array {
  const { memory } = runtime;
  memory.enter();
  const out = memory.reserve(x.length * 4);
  entry(runtime, { x: memory.copyIn(x), out }, x.length);
  return memory.copyOut(out, x.length);
}

/** out_i = f(a_i, b_i); a b of one row is repeated for every row of a. */
export function binary(runtime: Runtime, operation: BinaryOperation, a: Floats, b: Floats): Float32Array {
  const { memory } = runtime;
  memory.enter();
  const out = memory.reserve(a.length * 4);
  const [first, second] = [memory.copyIn(a), memory.copyIn(b)];
  if (a.length === b.length) SAME_SHAPE[operation](runtime, { a: first, b: second, out }, a.length);
  else {
    const cols = b.length;
    WITH_ROW[operation](runtime, { a: first, b: second, out, cols }, cols === 0 ? 0 : a.length / cols);
  }
  return memory.copyOut(out, a.length);
}

/** out_i = factor · x_i. */
export function scale(runtime: Runtime, x: Floats, factor: number): Float32Array {
  const { memory } = runtime;
  memory.enter();
  const out = memory.reserve(x.length * 4);
  entries.scale(runtime, { x: memory.copyIn(x), out, factor }, x.length);
  return memory.copyOut(out, x.length);
}
