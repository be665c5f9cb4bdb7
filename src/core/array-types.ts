// Types of arrays for TypeScript 5.0 to 6: from 5.7 on typed arrays have a type parameter, the kind of their buffer, and
// from 5.9 on the web's functions take only those whose buffer is not shared. Before 5.7 there is no way to write it.

/** Bytes in an ordinary buffer. */
export type OwnBytes = ReturnType<Uint8Array['slice']>;

/** Integers in an ordinary buffer. */
export type OwnIntegers = ReturnType<Int32Array['slice']>;

/**
 * A buffer of which the type does not say whether it is shared. `data` of a Matrix is in an ordinary one, unless a user put it
 * elsewhere, and must fit `new Blob`, `fetch` and the like, which refuse a shared one; that of a Parameter, which is a Matrix,
 * may be shared. No other type lets both kinds in and serves as either: a union is refused by those functions, and with
 * ArrayBuffer alone a Parameter would lie, or be no Matrix.
 */
export interface AnyBuffer {
  // biome-ignore lint/suspicious/noExplicitAny: as said above; the tests of consumers compile both uses
  readonly buffer: any;
}
