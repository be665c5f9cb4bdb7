import { ShapeError } from '../../src/index.js';

/**
 * Why an error is none of the library's own, or undefined where it is one: a ShapeError or a TypeError whose message reads
 * `where: what must hold: what was given (hint)`.
 */
export function grammarFault(error: unknown): string | undefined {
  if (!(error instanceof Error)) return `no error: ${String(error)}`;
  if (error.constructor !== ShapeError && error.constructor !== TypeError) return `a ${error.name}: ${error.message}`;
  const message = error.message.replace(/"(?:[^"\\]|\\.)*"/g, '"…"'); // what a user wrote may hold anything
  if (!MESSAGE.test(message)) return `not the grammar: ${error.message}`;
  if (/\(\)$|\(\s|\s\)$|undefined:|NaN×|×NaN|\[object|\s$/.test(message)) return `a hole in it: ${error.message}`;
  return undefined;
}

/** where: a dotted name; what must hold: has "must"; what was given: not empty, without a bare space at its end. */
const MESSAGE = /^[A-Za-z]\w*(\.\w+)*: [^\n]*\bmust\b[^\n]*: [^\n]*[^\s:]$/;

/** Whether a message names the argument: as the user calls it, not as part of a longer word. */
export function names(message: string, name: string): boolean {
  return new RegExp(`(^|[^\\w])${name}([^\\w]|$)`).test(message);
}
