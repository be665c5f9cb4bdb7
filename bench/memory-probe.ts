import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { Matrix, MultiHeadAttention, scaledDotProductAttention, setKernels, valueAndGrad } from 'qkv';
import type { MemoryProbe } from './cases/memory.js';
import { attentionRows } from './contenders/expected.js';
import { attentionQueryGradientRows } from './contenders/expected-gradients.js';
import { denseGradient } from './contenders/qkv.js';
import { problemOf, sampleOf, sampleRows } from './harness/verify.js';

/** A call, made ready: its arguments are there. */
interface Call {
  readonly run: () => readonly Matrix[];
  readonly problem: (results: readonly Float32Array[]) => string | undefined;
}

/**
 * The most memory one call adds to this process, in bytes: the first call of the library, so that kernel memory and
 * compiling are in it, the results too, but not the arguments, which are there before.
 */
export function probeMemory(spec: MemoryProbe): { extraBytes: number; ms: number } {
  setKernels(spec.kernels);
  const call = CALLS[spec.what](spec);
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  forgetPeak();
  const start = performance.now();
  const results = call.run();
  const ms = performance.now() - start;
  // What was held before stays reachable until here, or the garbage collector could hide the call behind it.
  const extraBytes = Math.max(0, peakBytes() - before);
  const problem = call.problem(results.map(({ data }) => data));
  if (problem !== undefined) throw new Error(`memory of ${spec.what}: ${problem}`);
  return { extraBytes, ms };
}

const CALLS: Record<MemoryProbe['what'], (spec: MemoryProbe) => Call> = {
  attention: attentionCall,
  layer: layerCall,
  gradients: gradientsCall,
  training: trainingCall,
};

const SAMPLED_ROWS = 4;

function input({ tokens, numHeads, dHead }: MemoryProbe, seed: number): Matrix {
  return Matrix.randomUniform(tokens, numHeads * dHead, { seed, low: -1, high: 1 });
}

function attentionCall(spec: MemoryProbe): Call {
  const { tokens, numHeads, dHead } = spec;
  const [q, k, v] = [1, 2, 3].map((seed) => input(spec, seed));
  const arrays = { q: q.data, k: k.data, v: v.data };
  const problem = { numHeads, dHead, queries: tokens, keys: tokens, causal: false, ...arrays };
  return {
    run: () => [scaledDotProductAttention(q, k, v, { numHeads })],
    problem: ([out]) => {
      const rows = sampleRows(tokens, SAMPLED_ROWS);
      const sample = sampleOf(rows, numHeads * dHead, (...sampled) => attentionRows(problem, ...sampled));
      return problemOf(out, tokens, sample);
    },
  };
}

function gradientsCall(spec: MemoryProbe): Call {
  const { tokens, numHeads, dHead } = spec;
  const [q, k, v, dOut] = [1, 2, 3, 4].map((seed) => input(spec, seed));
  const problem = { numHeads, dHead, queries: tokens, keys: tokens, q: q.data, k: k.data, v: v.data };
  return {
    run: () => gradientsOf(() => scaledDotProductAttention(q, k, v, { numHeads }).multiply(dOut), [q, k, v]),
    problem: ([dQ, ...others]) => {
      const rows = sampleRows(tokens, SAMPLED_ROWS);
      const sample = sampleOf(rows, numHeads * dHead, (...sampled) =>
        attentionQueryGradientRows(problem, dOut.data, ...sampled),
      );
      // A row of dK or dV takes all queries: minutes in float64. Smaller ones are checked where speed is measured.
      return problemOf(dQ, tokens, sample) ?? notFinite(others);
    },
  };
}

function layerCall(spec: MemoryProbe): Call {
  const { numHeads, dHead } = spec;
  const layer = new MultiHeadAttention({ dModel: numHeads * dHead, numHeads, seed: 4 });
  const x = input(spec, 1);
  // Its numbers are checked where its speed is measured; in float64 they would take minutes here.
  return { run: () => [layer.forward(x)], problem: notFinite };
}

function trainingCall(spec: MemoryProbe): Call {
  const { numHeads, dHead } = spec;
  const layer = new MultiHeadAttention({ dModel: numHeads * dHead, numHeads, seed: 4 });
  const [x, dOut] = [1, 2].map((seed) => input(spec, seed));
  const leaves = [x, layer.W_Q, layer.W_K, layer.W_V, layer.W_O];
  return { run: () => gradientsOf(() => layer.forward(x).multiply(dOut), leaves), problem: notFinite };
}

/** Of the sum of what `compute` gives. */
function gradientsOf(compute: () => Matrix, leaves: readonly Matrix[]): Matrix[] {
  const { gradients } = valueAndGrad(() => compute().sum());
  return leaves.map((leaf) => denseGradient(gradients, leaf));
}

function notFinite(results: readonly Float32Array[]): string | undefined {
  return results.every((result) => result.every(Number.isFinite)) ? undefined : 'a result is not finite';
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
