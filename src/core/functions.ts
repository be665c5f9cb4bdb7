import { describe, kindError } from './errors.js';

/** What runs while operations are recorded must be over when it returns. */

export function requireFunction(where: string, name: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw kindError(where, `${name} must be a function`, `got ${describe(value)}`);
}

/** A Promise would go on when nothing records any more. */
export function requireSync<T>(where: string, name: string, value: T): T {
  dropPromise(value);
  if (!(value instanceof Promise)) return value;
  throw kindError(where, `${name} must not be asynchronous`, 'it gave a Promise', 'await before the call, or after it');
}

/** Of a value that is about to be refused: should it be a Promise that fails later, nobody waits for that. */
export function dropPromise(value: unknown): void {
  if (value instanceof Promise) value.catch(() => {});
}
