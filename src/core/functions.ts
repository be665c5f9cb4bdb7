import { describe, kindError } from './errors.js';

// A function that is recorded must have finished when it returns.

export function requireFunction(where: string, name: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw kindError(where, `${name} must be a function`, `got ${describe(value)}`);
}

/** Refuses a Promise: it would go on after the recording has ended. */
export function requireSync<T>(where: string, name: string, value: T): T {
  dropPromise(value);
  if (!(value instanceof Promise)) return value;
  throw kindError(where, `${name} must not be asynchronous`, 'it gave a Promise', 'await before the call, or after it');
}

/** For a value about to be refused: a Promise that rejects later must not become an unhandled rejection. */
export function dropPromise(value: unknown): void {
  if (value instanceof Promise) value.catch(() => {});
}
