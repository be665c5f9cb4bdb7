import { describe } from './errors.js';

/** Names for a message: at most eight, and long or unusual ones as describe shows them. */
export function nameList(names: readonly unknown[]): string {
  const shown = names.slice(0, 8).map((name) => (isPlain(name) ? name : describe(name)));
  return `${shown.join(', ') || 'none'}${names.length > 8 ? ` and ${names.length - 8} more` : ''}`;
}

/** A key of a user's Map may be any value, whatever its type says. */
function isPlain(name: unknown): boolean {
  return typeof name === 'string' && name.length <= 100 && /^[\w./:-]+$/.test(name);
}
