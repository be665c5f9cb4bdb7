// Types of arrays for TypeScript 5.0 to 6. Since 5.7 typed arrays have a type parameter, the kind of their buffer; since 5.9
// web APIs take only arrays whose buffer is not shared. Before 5.7 that parameter cannot be written.

/** Bytes in an ordinary buffer. */
export type OwnBytes = ReturnType<Uint8Array['slice']>;

/** Integers in an ordinary buffer. */
export type OwnIntegers = ReturnType<Int32Array['slice']>;

/**
 * A buffer whose type does not say whether it is shared. The `data` of a Matrix lies in an ordinary buffer, unless its user
 * put it elsewhere, and must be accepted by `new Blob`, `fetch` and the like, which refuse a shared one. A Parameter is a
 * Matrix, and its `data` may be shared. No other type accepts both kinds and can be used as either: those functions refuse a
 * union; with ArrayBuffer alone the type of a Parameter would be wrong, and with `never` no array could be stored.
 */
export interface AnyBuffer {
  // biome-ignore lint/suspicious/noExplicitAny: see above; the tests of consumers compile both uses
  readonly buffer: any;
}
