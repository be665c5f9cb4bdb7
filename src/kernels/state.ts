import { requireArguments } from '../core/arguments.js';
import { requireChoice, shapeError } from '../core/errors.js';
import { Random, requireSeed } from '../core/random.js';
import type { Allocate, BackwardKernels, Floats } from './contract.js';
import { KernelMemory, type Owner } from './wasm/memory/memory.js';
import { ResidentArray } from './wasm/memory/resident-array.js';
import { type Runtime, whyNoModules, whyNoWasm } from './wasm/module/launch.js';

// What is chosen: the kernels, their memory, the stream of seeds. Below it a family keeps what it made, a generated module
// where it was linked; above it the tape knows who records. Nothing is compiled or reserved before the first use.

export type KernelChoice = 'auto' | 'wasm-simd' | 'javascript' | 'reference' | 'float64';

const CHOICES: readonly KernelChoice[] = ['auto', 'wasm-simd', 'javascript', 'reference', 'float64'];

type Twin = Exclude<KernelChoice, 'auto'>;

let choice: KernelChoice = 'auto';
/** The twin that computes now, once somebody has asked. */
let active: Twin | undefined;
let runtime: Runtime | undefined;
let backward: (() => BackwardKernels) | undefined;
let memory: KernelMemory | undefined;
/** Why there are no WASM kernels, once that is known. */
let refusal: string | undefined;
let seeds = /* @__PURE__ */ new Random(0);

/** A family of kernels: its specification, and what the twins do in another way. */
export interface FamilySource<K> {
  reference: (allocate: Allocate) => K;
  javascript?: (allocate: Allocate) => Partial<K>;
  wasm?: (runtime: Runtime, reference: K) => Partial<K>;
}

/** A function that gives the kernels of a family that compute now; nothing is made or compiled before it is called. */
export function family<K extends object>(source: FamilySource<K>): () => K {
  const made: Partial<Record<Twin, K>> = {};
  let last: K | undefined;
  let lastOf: Twin | undefined;
  return () => {
    if (last !== undefined && lastOf === active) return last; // every call asks
    const name = twin();
    made[name] ??= kernelsOf(source, name);
    last = made[name] as K;
    lastOf = name;
    return last;
  };
}

/** The twin that computes now. */
function twin(): Twin {
  active ??= choice === 'auto' ? (tryWasm() === undefined ? 'javascript' : 'wasm-simd') : choice;
  return active;
}

function kernelsOf<K extends object>({ reference, javascript, wasm }: FamilySource<K>, twin: Twin): K {
  if (twin === 'float64') return reference(doubles);
  const own = reference(singles);
  if (twin === 'javascript') return { ...own, ...javascript?.(singles) };
  return twin === 'wasm-simd' ? { ...own, ...wasm?.(runtime as Runtime, own) } : own;
}

const singles: Allocate = (length) => new Float32Array(length);
const doubles: Allocate = (length) => new Float64Array(length);

/** Zeros for the host to fill, of the kind that the kernels of now make: a table of angles, say, which kernels then read. */
export const table: Allocate = (length) => (isFloat64() ? doubles : singles)(length);

/**
 * From now on there are backward kernels. Given by valueAndGrad, without which nobody asks for them: what never
 * differentiates is bundled without.
 */
export function provideBackward(kernels: () => BackwardKernels): void {
  backward = kernels;
}

/** The backward kernels of now; before provideBackward there is no tape that could miss them. */
export function backwards(): BackwardKernels {
  return backward?.() ?? ({} as BackwardKernels);
}

/** Whether the oracle is chosen, whose results are 64-bit; asking compiles nothing. */
export function isFloat64(): boolean {
  return choice === 'float64';
}

/** What WASM kernels run in, once it is known that they can; undefined, with the refusal noted, where they cannot. */
function tryWasm(): Runtime | undefined {
  const room = tryMemory();
  if (runtime !== undefined || room === undefined) return runtime;
  refusal = whyNoModules();
  if (refusal === undefined) runtime = { memory: room };
  else if (room.liveBytes === 0) memory = undefined; // kept only for the parameters in it, until they are released
  return runtime;
}

/** The kernels' memory, unless nothing will read it there; reserving it compiles nothing. */
function tryMemory(): KernelMemory | undefined {
  if (memory === undefined && refusal === undefined) refusal = whyNoWasm();
  if (refusal !== undefined) return undefined;
  try {
    memory ??= new KernelMemory();
  } catch (error) {
    refusal = `WebAssembly memory is refused here: ${error instanceof Error ? error.message : String(error)}`;
  }
  return memory;
}

/** Where the chosen kernels read arrays without a copy; undefined where they have no such memory. */
function residentMemory(): KernelMemory | undefined {
  return choice === 'auto' || choice === 'wasm-simd' ? tryMemory() : undefined;
}

/** Floats that parameters and caches can have in all: kernel memory ends below 2 GiB, ordinary arrays where all do. */
export function residentFloats(): number {
  return residentMemory() !== undefined ? 2 ** 29 : 0x7fffffff;
}

/** An array of zeros for a parameter or cache: in kernel memory where the chosen kernels read it there, else an ordinary one. */
export function parameterArray(length: number, owner: Owner = 'Parameter'): Float32Array {
  return residentMemory()?.residentArray(length, owner) ?? new Float32Array(length);
}

/** The same for what an optimizer keeps of a parameter; an ordinary one also where kernel memory is half full. */
export function momentArray(length: number): Float32Array {
  return residentMemory()?.momentArray(length) ?? new Float32Array(length);
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
  requireArguments('setKernels', arguments.length, 1);
  requireChoice('setKernels', 'kernels', wanted, CHOICES);
  if (wanted === 'wasm-simd' && tryWasm() === undefined) {
    throw shapeError('setKernels', "kernels 'wasm-simd' must be possible here", String(refusal), "use 'auto'");
  }
  choice = wanted;
  active = undefined;
}

/** Runs f with other kernels; those from before come back, however it ends. */
export function withKernels<Result>(wanted: KernelChoice, f: () => Result): Result {
  const before = { choice, active };
  setKernels(wanted);
  try {
    return f();
  } finally {
    ({ choice, active } = before);
  }
}

/**
 * What computes now, on how many threads, and why nothing faster.
 *
 * @example capabilities(); // { kernels: 'wasm-simd', threads: 1, reasons: [] }
 */
export function capabilities(): {
  kernels: 'wasm-simd' | 'javascript' | 'reference' | 'float64';
  threads: number;
  reasons: string[];
} {
  requireArguments('capabilities', arguments.length, 0);
  const name = twin();
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
  requireArguments('setSeed', arguments.length, 1);
  requireSeed('setSeed', seed);
  seeds = new Random(seed);
}

/** The next seed of that stream. */
export function drawSeed(): number {
  return seeds.seedForChild();
}
