import { describe } from './errors.js';

/** Names for a message: not all of a large model, and none that is a text of its own. */
export function nameList(names: readonly unknown[]): string {
  const shown = names.slice(0, 8).map((name) => (isPlain(name) ? name : describe(name)));
  return `${shown.join(', ') || 'none'}${names.length > 8 ? ` and ${names.length - 8} more` : ''}`;
}

/** A key of a user's Map need not be a name, nor a string, whatever its type says. */
function isPlain(name: unknown): boolean {
  return typeof name === 'string' && name.length <= 100 && /^[\w./:-]+$/.test(name);
}
