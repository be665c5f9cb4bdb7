/** Every block starts at a multiple of this: a cache line. */
const ALIGNMENT = 64;

/** Readable bytes behind every block: kernels load whole vectors and may look past the last entry, never use it. */
const SLACK = 64;

interface Block {
  start: number;
  bytes: number;
}

/**
 * Addresses of one growing range of bytes: first fit in a list of free blocks sorted by address, neighbors joined when
 * freed. Knows no memory: `grow` is asked for more room at the end and answers how many bytes it could add.
 */
export class Heap {
  readonly #free: Block[] = [];
  readonly #live = new Map<number, number>();
  readonly #grow: (bytes: number) => number;
  #end: number;
  #liveBytes = 0;

  constructor(start: number, end: number, grow: (bytes: number) => number) {
    const aligned = Math.ceil(start / ALIGNMENT) * ALIGNMENT;
    this.#end = end;
    this.#grow = grow;
    if (end > aligned) this.#free.push({ start: aligned, bytes: end - aligned });
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** The address of a new block, or undefined where there is no room and none to be had. */
  allocate(bytes: number): number | undefined {
    const size = Math.ceil((bytes + SLACK) / ALIGNMENT) * ALIGNMENT;
    let block = this.#free.find((candidate) => candidate.bytes >= size);
    if (block === undefined) {
      const last = this.#free[this.#free.length - 1];
      const atEnd = last !== undefined && last.start + last.bytes === this.#end ? last.bytes : 0;
      const added = this.#grow(size - atEnd);
      if (added < size - atEnd) return undefined;
      this.#insert({ start: this.#end, bytes: added });
      this.#end += added;
      block = this.#free[this.#free.length - 1];
    }
    const { start } = block;
    block.start += size;
    block.bytes -= size;
    if (block.bytes === 0) this.#free.splice(this.#free.indexOf(block), 1);
    this.#live.set(start, size);
    this.#liveBytes += size;
    return start;
  }

  free(start: number): void {
    const bytes = this.#live.get(start);
    if (bytes === undefined) return;
    this.#live.delete(start);
    this.#liveBytes -= bytes;
    this.#insert({ start, bytes });
  }

  /** Puts a block into the sorted list and joins it with its neighbors. */
  #insert(block: Block): void {
    const free = this.#free;
    let low = 0;
    let high = free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (free[middle].start < block.start) low = middle + 1;
      else high = middle;
    }
    free.splice(low, 0, block);
    this.#join(low);
    if (low > 0) this.#join(low - 1);
  }

  #join(index: number): void {
    const [block, next] = [this.#free[index], this.#free[index + 1]];
    if (next === undefined || block.start + block.bytes !== next.start) return;
    block.bytes += next.bytes;
    this.#free.splice(index + 1, 1);
  }
}
