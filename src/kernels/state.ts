import { requireChoice, shapeError } from '../core/errors.js';
import { Random, requireSeed } from '../core/random.js';
import type { BackwardKernels, Floats, ForwardKernels, Kernels } from './contract.js';
import { gemm } from './javascript/gemm.js';
import { float64, reference } from './reference/kernels.js';
import { wasmKernels } from './wasm/kernels.js';
import { KernelMemory, type Owner } from './wasm/memory/memory.js';
import { ResidentArray } from './wasm/memory/resident-array.js';
import { loadKernels, type Runtime, whyNoWasm } from './wasm/module/loader.js';

// The only mutable module state of the library: the chosen kernels, their memory, and the stream of seeds.
// Nothing is compiled or reserved before the first use.

export type KernelChoice = 'auto' | 'wasm-simd' | 'javascript' | 'reference' | 'float64';

const CHOICES: readonly KernelChoice[] = ['auto', 'wasm-simd', 'javascript', 'reference', 'float64'];

let choice: KernelChoice = 'auto';
let active: Kernels | undefined;
let wasm: ForwardKernels | undefined;
let runtime: Runtime | undefined;
let backward: BackwardSource | undefined;
let memory: KernelMemory | undefined;
/** Why there are no WASM kernels, once that is known. */
let refusal: string | undefined;
let seeds = /* @__PURE__ */ new Random(0);

/** Makes the backward that belongs to a choice of kernels. */
export type BackwardSource = (forward: ForwardKernels, runtime: Runtime | undefined) => BackwardKernels;

/**
 * From now on the kernels have their backward. Given by valueAndGrad, without which nobody asks for it: what never
 * differentiates is bundled without.
 */
export function provideBackward(source: BackwardSource): void {
  if (backward === source) return;
  backward = source;
  active = undefined;
}

/** The kernels every operation uses now. */
export function kernels(): Kernels {
  active ??= complete(choose(choice));
  return active;
}

/** Whether the oracle is chosen, whose results are 64-bit; asking compiles nothing. */
export function isFloat64(): boolean {
  return choice === 'float64';
}

/** A copy in an array as the kernels of now make them: 32-bit of 64-bit numbers that the oracle left, and the reverse. */
export function copied(x: Floats): Floats {
  const out = isFloat64() ? new Float64Array(x.length) : new Float32Array(x.length);
  out.set(x);
  return out;
}

function complete(forward: ForwardKernels): Kernels {
  const own = backward?.(forward, forward === wasm ? runtime : undefined);
  return { ...forward, ...own } as Kernels; // before provideBackward there is no tape that could miss it
}

function choose(wanted: KernelChoice): ForwardKernels {
  if (wanted === 'float64') return float64;
  if (wanted === 'reference') return reference;
  if (wanted === 'javascript') return javascript();
  return tryWasm() ?? javascript();
}

function javascript(): ForwardKernels {
  return { ...reference, name: 'javascript', gemm: (problem) => gemm(reference.allocate, problem) };
}

/** The WASM kernels, compiled at the first call; undefined, with the refusal noted, where they cannot run. */
function tryWasm(): ForwardKernels | undefined {
  const room = tryMemory();
  if (wasm !== undefined || room === undefined) return wasm;
  try {
    runtime = loadKernels(room);
    wasm = { ...reference, ...wasmKernels(runtime, reference), name: 'wasm-simd' };
  } catch (error) {
    // Its readers will not come: later parameters are ordinary arrays.
    memory = undefined;
    refusal = `WebAssembly is refused here: ${error instanceof Error ? error.message : String(error)}`;
  }
  return wasm;
}

/** The kernels' memory; reserving it compiles nothing. */
function tryMemory(): KernelMemory | undefined {
  if (memory !== undefined || refusal !== undefined) return memory;
  refusal = whyNoWasm();
  if (refusal !== undefined) return undefined;
  try {
    memory = new KernelMemory();
  } catch (error) {
    refusal = `WebAssembly memory is refused here: ${error instanceof Error ? error.message : String(error)}`;
  }
  return memory;
}

/** Floats that parameters and caches can have in all: kernel memory ends below 2 GiB, ordinary arrays where all do. */
export function residentFloats(): number {
  const usesWasm = choice === 'auto' || choice === 'wasm-simd';
  return usesWasm && tryMemory() !== undefined ? 2 ** 29 : 0x7fffffff;
}

/** An array of zeros for a parameter or cache: in kernel memory where the chosen kernels read it there, else an ordinary one. */
export function parameterArray(length: number, owner: Owner = 'Parameter'): Float32Array {
  const usesWasm = choice === 'auto' || choice === 'wasm-simd';
  return (usesWasm ? tryMemory() : undefined)?.residentArray(length, owner) ?? new Float32Array(length);
}

/** Such an array is of no more use to its owner. */
export function releaseArray(array: Floats): void {
  if (memory !== undefined && array instanceof ResidentArray) memory.release(array);
}

/**
 * Chooses the kernels that all later calls use: 'auto' the fastest this engine can run, 'wasm-simd' WebAssembly,
 * 'javascript' no WebAssembly, 'reference' the plain loops, 'float64' the same loops on 64-bit storage (an oracle for
 * tests: results then hold a Float64Array). Matrices and parameters stay where they are and serve every choice.
 *
 * @throws ShapeError  if the choice is unknown, or is 'wasm-simd' where the engine cannot run it; TypeError for wrong kinds
 * @example setKernels('float64'); const exact = scaledDotProductAttention(q, k, v); setKernels('auto');
 */
export function setKernels(wanted: KernelChoice): void {
  requireChoice('setKernels', 'kernels', wanted, CHOICES);
  if (wanted === 'wasm-simd' && tryWasm() === undefined) {
    throw shapeError('setKernels', "kernels 'wasm-simd' must be possible here", String(refusal), "use 'auto'");
  }
  choice = wanted;
  active = undefined;
}

/** Runs f with other kernels; those from before come back, however it ends. */
export function withKernels<Result>(wanted: KernelChoice, f: () => Result): Result {
  const before = { choice, active, backward };
  setKernels(wanted);
  try {
    return f();
  } finally {
    choice = before.choice;
    active = backward === before.backward ? before.active : undefined;
  }
}

/**
 * What computes now, on how many threads, and why nothing faster. Compiles the kernels if nothing has yet.
 *
 * @example capabilities(); // { kernels: 'wasm-simd', threads: 1, reasons: [] }
 */
export function capabilities(): { kernels: Kernels['name']; threads: number; reasons: string[] } {
  const { name } = kernels();
  const chosen = choice === 'auto' ? [] : [`setKernels('${choice}') was called`];
  const reasons = name === 'wasm-simd' ? [] : choice === 'auto' ? [String(refusal)] : chosen;
  return { kernels: name, threads: 1, reasons };
}

/**
 * Restarts the stream from which layers and calls without a seed of their own draw one. At import it stands at seed 0,
 * so a program that sets no seed still repeats itself.
 *
 * @param seed  an integer from 0 to 2^53 − 1
 * @throws ShapeError  if it is not one; TypeError if it is no number
 * @example setSeed(7); const a = new Linear(4, 4); setSeed(7); const b = new Linear(4, 4); // equal weights
 */
export function setSeed(seed: number): void {
  requireSeed('setSeed', seed);
  seeds = new Random(seed);
}

/** The next seed of that stream. */
export function drawSeed(): number {
  return seeds.seedForChild();
}
