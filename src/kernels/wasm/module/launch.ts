// kernels/wasm/module: from the text in the bundle to functions that can be called. Knows the names and arguments of the
// kernels, not what they compute.

import type { KernelMemory } from '../memory/memory.js';
import { bytesOfPrintable } from './printable.js';

/** A family of kernels as the generator wrote it. */
export interface KernelModule {
  readonly text: string;
  /** The modules whose functions it calls. */
  readonly needs: readonly KernelModule[];
  /** Who asked for it last: the same again, nearly always. */
  linked?: { readonly runtime: Runtime; readonly entries: Entries };
}

export type Entries = Readonly<Record<string, (...values: number[]) => void>>;

/** What kernels run in. */
export interface Runtime {
  readonly memory: KernelMemory;
  /** The modules that are linked to it. */
  linked?: Map<KernelModule, Entries>;
}

/**
 * The entries of a module that is compiled and linked to this memory. Only the functions that the generator writes ask for
 * them: each launches one entry, with the range of its units and the place of its scratch behind its arguments. Units may
 * be handed out in any order, each to one thread with a scratch of its own.
 */
export function entriesOf(runtime: Runtime, module: KernelModule): Entries {
  const { linked } = module;
  return linked !== undefined && linked.runtime === runtime ? linked.entries : entriesAgain(runtime, module);
}

/** The same where the module was last asked for by another runtime, or by none. */
function entriesAgain(runtime: Runtime, module: KernelModule): Entries {
  runtime.linked ??= new Map();
  let entries = runtime.linked.get(module);
  if (entries === undefined) {
    entries = link(runtime, module);
    runtime.linked.set(module, entries);
  }
  module.linked = { runtime, entries };
  return entries;
}

/** Compiles a module, synchronously, and links it to the memory and to the modules that it needs. */
function link(runtime: Runtime, module: KernelModule): Entries {
  const { memory } = runtime;
  const imports: Record<string, Entries | { memory: WebAssembly.Memory }> = { env: { memory: memory.memory } };
  module.needs.forEach((other, place) => {
    imports[place] = entriesOf(runtime, other);
  });
  const bytes = bytesOfPrintable(module.text);
  if (!memory.shared) importUnshared(bytes);
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports as Entries;
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

/** A module of one function: i32.const 0, i8x16.splat, i8x16.popcnt. Valid only where the engine knows 128-bit SIMD. */
const SIMD_MODULE = ' eie+eM,   ,;,e{ ,eRmn, {{,} s r[re:i';

/** Why the WASM kernels cannot run here, or undefined if nothing speaks against it; compiles nothing. */
export function whyNoWasm(): string | undefined {
  if (typeof WebAssembly !== 'object') return 'WebAssembly does not exist here';
  try {
    if (!WebAssembly.validate(bytesOfPrintable(SIMD_MODULE))) return 'WebAssembly has no 128-bit SIMD here';
  } catch (error) {
    return refusalOf(error);
  }
  return undefined;
}

/** A custom section, which means nothing, of 64 KiB: more than any of the kernels' modules. Its size is in LEB128. */
const FILLING = { header: [0, 0x80, 0x80, 0x04], bytes: 1 << 16 };

/**
 * Whether modules as large as those of the kernels can be compiled, which a page may forbid or an engine limit: the reason
 * against it, or undefined. Takes 0.1 ms.
 */
export function whyNoModules(): string | undefined {
  try {
    const smallest = bytesOfPrintable(SIMD_MODULE);
    const { header, bytes } = FILLING;
    const module = new Uint8Array(smallest.length + header.length + bytes);
    module.set(smallest);
    module.set(header, smallest.length);
    new WebAssembly.Module(module);
  } catch (error) {
    return refusalOf(error);
  }
  return undefined;
}

function refusalOf(error: unknown): string {
  return `WebAssembly is refused here: ${error instanceof Error ? error.message : String(error)}`;
}
