// Types of arrays for TypeScript 5.0 to 6: from 5.7 on typed arrays have a type parameter, the kind of their buffer, and
// from 5.9 on the web's functions take only those whose buffer is not shared. Before 5.7 there is no way to write it.

/** Bytes in an ordinary buffer. */
export type OwnBytes = ReturnType<Uint8Array['slice']>;

/** Integers in an ordinary buffer. */
export type OwnIntegers = ReturnType<Int32Array['slice']>;

/**
 * What the type leaves open: whether the buffer is shared, which `new Blob`, `fetch` and the like refuse. It is not, unless
 * a user made it so; that of a Parameter may be.
 */
export interface AnyBuffer {
  // biome-ignore lint/suspicious/noExplicitAny: both kinds of buffer fit, and both kinds of use
  readonly buffer: any;
}
