import type { ShapeError } from '../../src/index.js';

/** A mistake as a user makes it, and the exact words that answer it. */
export type BadCall = readonly [
  /** The callable, as in the list of the public surface. */
  name: string,
  call: () => unknown,
  kind: typeof ShapeError | typeof TypeError,
  message: string,
];

/** For calls that a type checker would refuse: JavaScript has none. */
export function anything(value: unknown): never {
  return value as never;
}
