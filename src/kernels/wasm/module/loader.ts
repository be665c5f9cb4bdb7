// kernels/wasm/module: from the text in the bundle to functions that can be called. Knows the names and arguments of the
// kernels, not what they compute.

import type { BinaryOperation } from '../../contract.js';
import type { UnaryEntry, UnaryOperation } from '../../unary.js';
import type { KernelMemory } from '../memory/memory.js';
import { moduleText as backwardText } from './backward-module.generated.js';
import { moduleText } from './module.generated.js';
import { bytesOfPrintable } from './printable.js';

/** The entries of the generated module; see emit/ for what each does. Addresses in bytes. */
export type KernelExports = Readonly<Record<KernelEntry, (...values: number[]) => void>>;

export type KernelEntry =
  | 'gemm_rows_rows'
  | 'gemm_rows_packed'
  | 'gemm_transposed_packed'
  | 'gemv1'
  | 'gemv2'
  | 'pack_rows'
  | 'pack_columns'
  | 'attention'
  | 'attention_stage'
  | 'attention_dropout'
  | 'softmax_rows'
  | 'row_statistics'
  | 'log_softmax_rows'
  | 'layer_norm'
  | 'rms_norm'
  | 'rotary_rows'
  | 'scale'
  | UnaryEntry
  | BinaryOperation;

export interface Runtime {
  memory: KernelMemory;
  exports: KernelExports;
}

/** The entries of the module of the backward kernels, which runs in the same memory and calls those of the first. */
export type BackwardEntry =
  | 'attention_backward'
  | `${UnaryOperation}_backward`
  | 'softmax_backward'
  | 'log_softmax_backward'
  | 'cross_entropy_backward'
  | 'norm_backward'
  | 'gain_backward'
  | 'column_sums';

export interface BackwardRuntime {
  memory: KernelMemory;
  exports: Readonly<Record<BackwardEntry, (...values: number[]) => void>>;
}

/** A module of one function: i32.const 0, i8x16.splat, i8x16.popcnt. Valid only where the engine knows 128-bit SIMD. */
const SIMD_MODULE = '%}1}E}?&%%%&+&}0%&}M)(&%00&.%k% 5 }21';

/** Why the WASM kernels cannot run here, or undefined if they can. */
export function whyNoWasm(): string | undefined {
  if (typeof WebAssembly !== 'object') return 'WebAssembly does not exist here';
  try {
    if (!WebAssembly.validate(bytesOfPrintable(SIMD_MODULE))) return 'WebAssembly has no 128-bit SIMD here';
  } catch (error) {
    return `WebAssembly is refused here: ${error instanceof Error ? error.message : String(error)}`;
  }
  return undefined;
}

/** Compiles the kernels, synchronously, and links them to the memory. */
export function loadKernels(memory: KernelMemory): Runtime {
  return { memory, exports: instantiate(moduleText, memory, {}) as unknown as KernelExports };
}

/** Compiles the backward kernels, synchronously, and links them to the memory and to the first module. */
export function loadBackward({ memory, exports }: Runtime): BackwardRuntime {
  return {
    memory,
    exports: instantiate(backwardText, memory, { kernels: exports }) as unknown as BackwardRuntime['exports'],
  };
}

function instantiate(text: string, memory: KernelMemory, imports: Record<string, KernelExports>): object {
  const bytes = bytesOfPrintable(text);
  if (!memory.shared) importUnshared(bytes);
  const module = new WebAssembly.Module(bytes);
  return new WebAssembly.Instance(module, { ...imports, env: { memory: memory.memory } }).exports;
}

/** "env" "memory", kind memory, then the flag of its limits: 3 = shared with maximum, 1 = with maximum. */
const MEMORY_IMPORT = [3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 3];

function importUnshared(bytes: Uint8Array): void {
  for (let at = 0; at + MEMORY_IMPORT.length <= bytes.length; at++) {
    if (MEMORY_IMPORT.every((byte, i) => bytes[at + i] === byte)) {
      bytes[at + MEMORY_IMPORT.length - 1] = 1;
      return;
    }
  }
}
