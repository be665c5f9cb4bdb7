import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { Matrix, MultiHeadAttention, scaledDotProductAttention, setKernels } from 'qkv';
import type { MemoryProbe } from './cases/memory.js';
import { attentionRows } from './contenders/expected.js';
import { problemOf, sampleOf, sampleRows } from './harness/verify.js';

/**
 * The most memory one call adds to this process, in bytes: the first call of the library, so that kernel memory and
 * compiling are in it, the result too, but not the arguments, which are there before.
 */
export function probeMemory(spec: MemoryProbe): { extraBytes: number; ms: number } {
  const { kernels, what, tokens, numHeads, dHead } = spec;
  const dModel = numHeads * dHead;
  setKernels(kernels);
  const input = (seed: number) => Matrix.randomUniform(tokens, dModel, { seed, low: -1, high: 1 });
  const call = what === 'attention' ? attentionCall() : layerCall();
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  forgetPeak();
  const start = performance.now();
  const result = call.run();
  const ms = performance.now() - start;
  // What was held before stays reachable until here, or the garbage collector could hide the call behind it.
  const extraBytes = Math.max(0, peakBytes() - before);
  const problem = call.problem(result.data);
  if (problem !== undefined) throw new Error(`memory of ${what}: ${problem}`);
  return { extraBytes, ms };

  function attentionCall() {
    const [q, k, v] = [input(1), input(2), input(3)];
    const heads = { numHeads, dHead, queries: tokens, keys: tokens, causal: false };
    const arrays = { q: q.data, k: k.data, v: v.data };
    return {
      run: () => scaledDotProductAttention(q, k, v, { numHeads }),
      problem: (data: Float32Array) => {
        const evaluated = sampleOf(sampleRows(tokens, 4), dModel, (...sampled) =>
          attentionRows({ ...heads, ...arrays }, ...sampled),
        );
        return problemOf(data, tokens, evaluated);
      },
    };
  }

  function layerCall() {
    const layer = new MultiHeadAttention({ dModel, numHeads, seed: 4 });
    const x = input(1);
    return {
      run: () => layer.forward(x),
      // Its numbers are checked where its speed is measured; in float64 they would take minutes here.
      problem: (data: Float32Array) => (data.every(Number.isFinite) ? undefined : 'the result is not finite'),
    };
  }
}

/** Linux keeps the peak since the last reset; elsewhere it is that of the whole life of the process, never too small. */
function forgetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Not Linux, or not allowed: see above.
  }
}

function peakBytes(): number {
  try {
    const [, kilobytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
