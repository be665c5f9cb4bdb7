import type { Rotary } from '../../contract.js';
import type { Runtime } from '../module/launch.js';
import { rotaryRows } from '../module/rotary.generated.js';

/** Every pair of columns of every head turned by its angle. */
export function rotary(runtime: Runtime, problem: Rotary): Float32Array {
  const { memory } = runtime;
  const { x, rows, numHeads, headDim, dim } = problem;
  memory.enter();
  const out = memory.reserve(x.length * 4);
  const [cos, sin] = [memory.copyIn(problem.cos), memory.copyIn(problem.sin)];
  const interleaved = problem.interleaved ? 1 : 0;
  rotaryRows(runtime, { x: memory.copyIn(x), out, cos, sin, numHeads, headDim, dim, interleaved }, rows);
  return memory.copyOut(out, x.length);
}
