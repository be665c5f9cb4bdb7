// kernels/wasm/memory: who owns which bytes of kernel memory, and when they are free again. Knows no kernel.

import { memoryError } from '../../../core/errors.js';
import type { Floats } from '../../contract.js';
import { Heap } from './heap.js';
import { ResidentArray } from './resident-array.js';

// The memory of the kernels: one WebAssembly.Memory with a heap in it. Parameters live there (resident); what a call
// needs beside them is copied into the arena, one block of the same heap that every call uses anew.

const PAGE = 65536;
/**
 * One page less than 2 GiB, so that the kernels may compare addresses as signed integers; less where an engine refuses
 * to reserve so much.
 */
const MAXIMUM_PAGES = [32767, 16384, 8192, 4096];
/** Without shared memory it never grows (growing would detach every view): 512 MiB, or what the engine gives. */
const FIXED_PAGES = [8192, 4096, 2048, 1024];
/** Growth goes in steps of 4 MiB at least: a step costs 6 ms a GiB, and a new view of the whole. */
const GROWTH_PAGES = 64;
/** The arena grows by blocks of at least so much, so that small calls need no second one. */
const BLOCK_BYTES = 1 << 20;
/** So many released bytes are kept from others for a while: see `release`. */
const QUARANTINE_BYTES = 64 << 20;
/** An arena above this that a call used to less than a quarter is given back. */
const ARENA_KEEP_BYTES = 64 << 20;

/** 0 stays unused: to a kernel it means "absent". */
const FIRST_ADDRESS = 1024;

/** What a resident array belongs to. A cache has two, an optimizer up to two for each of its parameters. */
export type Owner = 'Parameter' | 'KVCache' | 'Optimizer';

export class KernelMemory {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  readonly #maximumBytes: number;
  readonly #heap: Heap;
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  readonly #resident = new Map<number, { bytes: number; owner: Owner; token: object }>();
  /** Addresses of released arrays, the first released first, and their bytes. */
  readonly #quarantine = new Map<number, number>();
  #quarantineBytes = 0;
  readonly #dropped: FinalizationRegistry<number>;
  #floats!: Float32Array;
  #ints!: Int32Array;
  #bytes!: Uint8Array;
  #arena: { start: number; bytes: number }[] = [];
  #arenaBytes = 0;
  /** Bytes of the last block, and of all, that the call has taken. */
  #top = 0;
  #used = 0;

  /** @param maximumPages  the limit of growth, in pages of 64 KiB; for tests */
  constructor(maximumPages: number = MAXIMUM_PAGES[0]) {
    const shared = sharedMemory(maximumPages);
    this.shared = shared !== undefined;
    this.memory = shared?.memory ?? fixedMemory(maximumPages);
    this.#maximumBytes = shared?.maximumBytes ?? this.memory.buffer.byteLength;
    this.#look();
    this.#heap = new Heap(FIRST_ADDRESS, this.memory.buffer.byteLength, (bytes) => this.#grow(bytes));
    this.#dropped = new FinalizationRegistry((address) => this.#free(address));
  }

  /** Bytes of the heap in use, the arena included. */
  get liveBytes(): number {
    return this.#heap.liveBytes;
  }

  /** A new array of zeros in kernel memory; freed when it and all its views are collected. Not within a call. */
  residentArray(length: number, owner: Owner = 'Parameter'): ResidentArray {
    const bytes = length * 4;
    const address = this.#heap.allocate(bytes) ?? this.#allocateElsewhere(bytes);
    if (address === undefined) throw this.#full(owner, bytes);
    return this.#arrayAt(address, length, owner);
  }

  /**
   * The same for what an optimizer keeps of a parameter; undefined where others would be left less than half of all the
   * memory there can be. Then, and where an update finds no room for its gradient, an ordinary array does as well.
   */
  momentArray(length: number): ResidentArray | undefined {
    const bytes = length * 4;
    if (this.liveBytes + bytes > this.#maximumBytes / 2) return undefined;
    const address = this.#heap.allocate(bytes);
    return address === undefined ? undefined : this.#arrayAt(address, length, 'Optimizer');
  }

  #arrayAt(address: number, length: number, owner: Owner): ResidentArray {
    // On the buffer that #look knows: an engine may exchange memory.buffer for an equal object at any time.
    const array = new ResidentArray(this.#floats.buffer, address, length).fill(0);
    const token = {};
    this.#resident.set(address, { bytes: length * 4, owner, token });
    this.#dropped.register(array, address, token);
    return array;
  }

  /** Between calls the arena holds nothing that anyone needs. */
  #allocateElsewhere(bytes: number): number | undefined {
    this.#releaseArena();
    this.#emptyQuarantine(0);
    return this.#heap.allocate(bytes);
  }

  /**
   * Frees an array before it is collected. That of a cache is free at once, because nobody else can hold it. That of a
   * parameter may still be held by its user, although it must not be: it reads NaN from now on, and its memory is given to
   * others as late as possible. If views of it were taken, it stays until they are collected. Not to be called within a
   * kernel call.
   */
  release(array: ResidentArray): void {
    const address = array.byteOffset;
    const owned = this.#resident.get(address);
    if (owned === undefined || !this.isResident(array)) return;
    if (owned.owner === 'KVCache') this.#free(address);
    else if (!array.isViewed) {
      array.fill(Number.NaN);
      this.#quarantine.set(address, owned.bytes);
      this.#quarantineBytes += owned.bytes;
      this.#emptyQuarantine(QUARANTINE_BYTES);
    }
  }

  #free(address: number): void {
    const owned = this.#resident.get(address);
    if (owned !== undefined) this.#dropped.unregister(owned.token);
    this.#resident.delete(address);
    this.#quarantineBytes -= this.#quarantine.get(address) ?? 0;
    this.#quarantine.delete(address);
    this.#heap.free(address);
  }

  /** Frees what was released first, until no more than so many bytes are left. */
  #emptyQuarantine(bytes: number): void {
    for (const address of this.#quarantine.keys()) {
      if (this.#quarantineBytes <= bytes) return;
      this.#free(address);
    }
  }

  /** Whether kernels find the array where it is. */
  isResident(array: ArrayBufferView): boolean {
    return this.#buffers.has(array.buffer);
  }

  /** Starts a call: all that was reserved before is free again. */
  enter(): void {
    if (this.#arena.length > 1 || this.#arenaBytes > ARENA_KEEP_BYTES) this.#resize();
    this.#used = 0;
    this.#top = 0;
  }

  /** Several blocks become one; a large one that the last call hardly used is given back. */
  #resize(): void {
    const total = this.#arenaBytes;
    const tooLarge = total > ARENA_KEEP_BYTES && this.#used < total / 4;
    if (this.#arena.length === 1 && !tooLarge) return;
    this.#releaseArena();
    // Where parameters lie between the old blocks there may be no room for all in one: the call asks for what it needs.
    if (!tooLarge) this.#addBlock(total);
  }

  #releaseArena(): void {
    for (const block of this.#arena) this.#heap.free(block.start);
    this.#arena = [];
    this.#arenaBytes = 0;
  }

  /** Bytes for this call, not cleared; at least 64 readable bytes follow. */
  reserve(bytes: number): number {
    const size = Math.floor((bytes + 127) / 64) * 64; // no 32-bit operator: bytes may pass 2^31
    const last = this.#arena[this.#arena.length - 1];
    if (last === undefined || this.#top + size > last.bytes) {
      // A block this call has nothing in yet may lie where the larger one must.
      if (this.#used === 0) this.#releaseArena();
      if (!this.#addBlock(Math.max(size, BLOCK_BYTES))) throw this.#full('kernels', size);
    }
    const address = this.#arena[this.#arena.length - 1].start + this.#top;
    this.#top += size;
    this.#used += size;
    return address;
  }

  #addBlock(bytes: number): boolean {
    const start = this.#heap.allocate(bytes);
    if (start === undefined) return false;
    this.#arena.push({ start, bytes });
    this.#arenaBytes += bytes;
    this.#top = 0;
    return true;
  }

  /** The address of an array's entries as 4-byte floats, 4-byte integers or bytes: its own if resident, else of a copy. */
  copyIn(array: Floats | Int32Array | Uint8Array): number {
    if (this.isResident(array)) return array.byteOffset;
    const size = array.BYTES_PER_ELEMENT === 1 ? 1 : 4;
    const address = this.reserve(array.length * size);
    if (size === 1) this.#bytes.set(array as Uint8Array, address);
    else if (array instanceof Int32Array) this.#ints.set(array, address >> 2);
    else this.#floats.set(array as Floats, address / 4);
    return address;
  }

  /** Writes a record of 4-byte fields; names in `floats` as floats, the others as integers, absent ones as 0. */
  copyRecord<Name extends string>(
    names: readonly Name[],
    fields: Partial<Record<Name, number>>,
    floats: Partial<Record<Name, number>>,
  ): number {
    const address = this.reserve(names.length * 4);
    names.forEach((name, i) => {
      const value = floats[name];
      if (value === undefined) this.#ints[address / 4 + i] = fields[name] ?? 0;
      else this.#floats[address / 4 + i] = value;
    });
    return address;
  }

  /** The floats at an address as a new ordinary array. */
  copyOut(address: number, length: number): Float32Array {
    return this.#floats.slice(address / 4, address / 4 + length);
  }

  /** Writes the floats at an address into an array. */
  copyTo(array: Floats, address: number): void {
    array.set(this.#floats.subarray(address / 4, address / 4 + array.length));
  }

  /** The eight-byte numbers at an address, a multiple of 8: a view for this call. */
  doublesAt(address: number, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, address, length);
  }

  /** Adds room for `bytes` more; 0 where that cannot be. */
  #grow(bytes: number): number {
    if (!this.shared) return 0;
    const needed = Math.ceil(bytes / PAGE);
    for (const pages of [Math.max(needed, GROWTH_PAGES), needed]) {
      try {
        this.memory.grow(pages);
      } catch {
        continue;
      }
      this.#look();
      return pages * PAGE;
    }
    return 0;
  }

  /** After growth memory.buffer is a new object; views of the old one stay valid where the memory is shared. */
  #look(): void {
    const { buffer } = this.memory;
    this.#buffers.add(buffer);
    this.#floats = new Float32Array(buffer);
    this.#ints = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  #full(where: string, bytes: number): RangeError {
    const held = { Parameter: [0, 0], KVCache: [0, 0], Optimizer: [0, 0] };
    for (const { owner, bytes } of this.#resident.values()) {
      held[owner][0]++;
      held[owner][1] += bytes;
    }
    const [parameters, caches, moments] = [held.Parameter, held.KVCache, held.Optimizer];
    return memoryError(
      where,
      `kernel memory must have room for ${bytes} bytes`,
      `${parameters[0]} live parameters hold ${parameters[1]} bytes, ${Math.ceil(caches[0] / 2)} live caches ${caches[1]}` +
        (moments[0] === 0 ? '' : `, the moments of optimizers ${moments[1]}`),
      'release() those of no more use; dropped ones count until the event loop has turned, which await null does not ' +
        'make it do, but await new Promise((resolve) => setTimeout(resolve)) does',
    );
  }
}

function sharedMemory(limit: number): { memory: WebAssembly.Memory; maximumBytes: number } | undefined {
  for (const pages of MAXIMUM_PAGES) {
    const maximum = Math.min(pages, limit);
    try {
      const memory = new WebAssembly.Memory({ initial: GROWTH_PAGES, maximum, shared: true });
      return { memory, maximumBytes: maximum * PAGE };
    } catch {
      // Refused: reserve less, or go without.
    }
  }
  return undefined;
}

function fixedMemory(limit: number): WebAssembly.Memory {
  let refusal: unknown;
  for (const pages of FIXED_PAGES) {
    const size = Math.min(pages, limit);
    try {
      return new WebAssembly.Memory({ initial: size, maximum: size });
    } catch (error) {
      refusal = error;
    }
  }
  throw refusal;
}
