import type { Floats } from '../../contract.js';
import type { Runtime } from '../module/launch.js';
import { softmaxRows } from '../module/softmax.generated.js';

/** Softmax of every row of x (rows × cols). */
export function softmax(runtime: Runtime, x: Floats, rows: number, cols: number): Float32Array {
  const { memory } = runtime;
  memory.enter();
  const out = memory.reserve(x.length * 4);
  softmaxRows(runtime, { x: memory.copyIn(x), out, cols }, rows);
  return memory.copyOut(out, x.length);
}
