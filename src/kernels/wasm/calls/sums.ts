import type { ElementwiseKernels, Floats } from '../../contract.js';
import { blockSums } from '../module/elementwise.generated.js';
import type { Runtime } from '../module/launch.js';
import { SUM_BLOCK } from '../summation.js';

/** Fewer entries than these are done as soon in JavaScript (Node 20: 256 in 0.4 µs by either, 64 in 0.1 and 0.3). */
export const FEW = 256;

/** A kernel that adds up blocks of SUM_BLOCK entries, each in float64. */
type BlockSums = typeof blockSums;

/** `before` and all blocks of x, ascending, in float64. */
export function sumOfBlocks(runtime: Runtime, entry: BlockSums, x: Floats, before = 0): number {
  const { memory } = runtime;
  memory.enter();
  const blocks = Math.ceil(x.length / SUM_BLOCK);
  const out = memory.reserve(blocks * 8);
  entry(runtime, { x: memory.copyIn(x), out, length: x.length }, blocks);
  return memory.doublesAt(out, blocks).reduce((total, block) => total + block, before);
}

/** The sum of all entries, as an array of one. */
export function sum(runtime: Runtime, x: Floats, others: ElementwiseKernels): Floats {
  const isLeft = x.length < FEW || x instanceof Float64Array;
  return isLeft ? others.sum(x) : Float32Array.of(sumOfBlocks(runtime, blockSums, x));
}
