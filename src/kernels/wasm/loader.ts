import type { BinaryOperation } from '../contract.js';
import type { KernelMemory } from './memory.js';
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
  | 'softmax_rows'
  | 'layer_norm'
  | 'rms_norm'
  | 'rotary_rows'
  | 'exp_array'
  | 'relu'
  | 'gelu'
  | 'gelu_tanh'
  | 'silu'
  | 'tanh'
  | 'scale'
  | BinaryOperation;

export interface Runtime {
  memory: KernelMemory;
  exports: KernelExports;
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
  const bytes = bytesOfPrintable(moduleText);
  if (!memory.shared) importUnshared(bytes);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory: memory.memory } });
  return { memory, exports: instance.exports as unknown as KernelExports };
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
