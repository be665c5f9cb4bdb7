import { kindError } from './errors.js';

/** What nobody reads is refused: an argument too many was meant to do something. */
export function requireArguments(where: string, given: number, most: number, hint?: string): void {
  if (given <= most) return;
  const rule =
    most === 0 ? 'no argument must be given' : `at most ${most} argument${most === 1 ? '' : 's'} must be given`;
  throw kindError(where, rule, `got ${given}`, hint);
}
