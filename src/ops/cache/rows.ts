import type { Floats } from '../../kernels/contract.js';
import { layouts } from '../../kernels/families.js';
import { isFloat64, parameterArray, releaseArray } from '../../kernels/state.js';

const NONE = /* @__PURE__ */ new Float32Array(0);

/** What appends replaced, so that it can be put back: rows that lay in the first `slots`, newest last. */
export interface Replaced {
  slots: number;
  spans: { of: CacheRows; slot: number; rows: Floats }[];
}

/**
 * The keys (or values) of a cache, (capacity × cols): the row of position p lies at p while there is room. After that the
 * first `sinks` rows stay, and the others are a ring in which a new row takes the place of the oldest.
 */
export class CacheRows {
  array: Floats;
  readonly capacity: number;
  readonly cols: number;
  readonly sinks: number;
  /** What the rows appended last may still see and the ring no longer holds, oldest first. */
  #overwritten: Floats = NONE;
  /** Room for one replaced row. */
  #spare: Floats = NONE;

  constructor(capacity: number, cols: number, sinks: number) {
    // The oracle keeps its 64 bits; elsewhere the kernels read the rows where they lie.
    this.array = isFloat64() ? new Float64Array(capacity * cols) : parameterArray(capacity * cols, 'KVCache');
    this.capacity = capacity;
    this.cols = cols;
    this.sinks = sinks;
  }

  get byteLength(): number {
    return this.array.byteLength + this.#overwritten.byteLength;
  }

  /** The rows of positions position, position + 1 …, of which those before `position` are here. */
  append(rows: Floats, position: number, replaced?: Replaced): void {
    const { array, capacity, cols, sinks } = this;
    const { write } = layouts();
    const end = position + rows.length / cols;
    this.forgetOverwritten();
    if (end > capacity) {
      // The first of them sees ring − 1 rows before itself; the ring will begin at end − ring.
      const ring = capacity - sinks;
      const first = Math.max(sinks, position - ring + 1);
      const kept = this.#room(Math.max(0, end - ring - first));
      for (let p = first; p < end - ring; p++) {
        const [source, from] = p < position ? [array, this.#slot(p) * cols] : [rows, (p - position) * cols];
        write(kept, (p - first) * cols, source, from, from + cols);
      }
      this.#overwritten = kept;
    }
    for (const { first, count } of this.#spans(position, end)) {
      const slot = this.#slot(first);
      if (replaced !== undefined) this.#keep(slot, count, replaced);
      write(array, slot * cols, rows, (first - position) * cols, (first - position + count) * cols);
    }
  }

  /** Positions from … end − 1 cut where their slots are not neighbors, without those whose slots later ones take. */
  #spans(from: number, end: number): { first: number; count: number }[] {
    const { capacity, sinks } = this;
    const ring = capacity - sinks;
    const spans: { first: number; count: number }[] = [];
    if (from < capacity) spans.push({ first: from, count: Math.min(end, capacity) - from });
    let first = Math.max(from, capacity, end - ring);
    while (first < end) {
      const count = Math.min(end - first, capacity - this.#slot(first));
      spans.push({ first, count });
      first += count;
    }
    return spans;
  }

  /** Gives the memory back. No view of it may be in use. */
  release(): void {
    releaseArray(this.array);
    this.array = NONE;
    this.#overwritten = NONE;
    this.#spare = NONE;
  }

  #keep(slot: number, count: number, { slots, spans }: Replaced): void {
    const kept = Math.min(count, slots - slot);
    if (kept <= 0) return;
    const [start, end] = [slot * this.cols, (slot + kept) * this.cols];
    // A token of decoding replaces one row: 768 columns into an array of its own took 1.3 µs, into the same again 0.1.
    const isSpareFree = kept === 1 && !spans.some(({ rows }) => rows === this.#spare);
    if (isSpareFree && this.#spare === NONE) this.#spare = this.#room(1);
    const rows = isSpareFree ? this.#spare : this.#room(kept);
    layouts().write(rows, 0, this.array, start, end);
    spans.push({ of: this, slot, rows });
  }

  /** Puts rows back from a slot on. */
  restore(slot: number, rows: Floats): void {
    layouts().write(this.array, slot * this.cols, rows, 0, rows.length);
  }

  /** What `overwritten` gave before. */
  restoreOverwritten(overwritten: Floats): void {
    this.#overwritten = overwritten;
  }

  get overwritten(): Floats {
    return this.#overwritten;
  }

  forgetOverwritten(): void {
    this.#overwritten = NONE;
  }

  /** Every row held, as it lies: `position` rows were appended so far. */
  held(position: number): Floats {
    return this.array.subarray(0, Math.min(position, this.capacity) * this.cols);
  }

  /**
   * The rows that a ring holds in the order of their positions; if asked, with those it no longer does that the rows
   * appended last may see.
   */
  inOrder(position: number, withOverwritten: boolean): Floats[] {
    const { array, cols } = this;
    const [sinks, oldest] = [this.sinks * cols, this.#slot(position) * cols];
    const parts = [array.subarray(0, sinks), array.subarray(oldest), array.subarray(sinks, oldest)];
    if (withOverwritten) parts.splice(1, 0, this.#overwritten);
    return parts.filter((part) => part.length > 0);
  }

  copyFrom(other: CacheRows, position: number): void {
    layouts().write(this.array, 0, other.array, 0, other.held(position).length);
    this.#overwritten = other.#overwritten; // never written to
  }

  /** For so many rows, as exact as the array, whatever kernels were chosen since. */
  #room(rows: number): Floats {
    const length = rows * this.cols;
    return this.array instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
  }

  #slot(position: number): number {
    const { capacity, sinks } = this;
    return position < capacity ? position : sinks + ((position - sinks) % (capacity - sinks));
  }
}
