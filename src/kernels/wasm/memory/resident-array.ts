/**
 * An array in kernel memory, or a view of one. A view keeps the array it was taken from alive, so that its memory is not
 * given to others while the view is held; copies (slice, map) are ordinary arrays.
 */
export class ResidentArray extends Float32Array<ArrayBufferLike> {
  static override get name(): string {
    return 'ResidentArray';
  }

  /** What lives as long as this array does: the array it is a view of, or its weight. */
  readonly #kept: ResidentArray | ArrayBuffer;
  #isViewed = false;

  /** @param source  the array this is a view of */
  constructor(buffer: ArrayBufferLike, byteOffset: number, length: number, source?: ResidentArray) {
    super(buffer, byteOffset, length);
    // The collector does not see kernel memory; an untouched buffer of the same size makes it feel the weight.
    this.#kept = source ?? new ArrayBuffer(length * 4);
  }

  static get [Symbol.species](): Float32ArrayConstructor {
    return Float32Array;
  }

  /** Whether anybody took a view of it, who may hold it still. */
  get isViewed(): boolean {
    return this.#isViewed;
  }

  override subarray(begin?: number, end?: number): ResidentArray {
    const { byteOffset, length } = super.subarray(begin, end);
    this.#isViewed = true;
    return new ResidentArray(this.buffer, byteOffset, length, this.#kept instanceof ResidentArray ? this.#kept : this);
  }
}
