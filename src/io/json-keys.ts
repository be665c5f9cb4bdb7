// What JSON.parse cannot tell: in which order an object names its keys (it puts those that look like integers first), and
// whether it names one twice.

export interface JsonKeys {
  /** Of the outermost object, as they come in the text. */
  readonly keys: readonly string[];
  /** The first key that any object names twice. */
  readonly twice?: string;
  /** Whether objects and lists stand more than `deepest` within one another. The reading ends there, and at `twice`. */
  readonly isDeep: boolean;
}

/**
 * The keys of JSON, in time and memory that grow with its length alone.
 *
 * @param text  JSON, or what claims to be
 * @param deepest  levels of objects and lists that are read
 * @throws SyntaxError  if a key is no JSON string; what else is none goes unnoticed
 */
export function jsonKeys(text: string, deepest: number): JsonKeys {
  const keys: string[] = [];
  // One set of keys for every object that is open, undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|["{}[\]]/g;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [found, colon] = match;
    if (found === '}' || found === ']') open.pop();
    else if (found === '{' || found === '[') {
      open.push(found === '{' ? new Set() : undefined);
      if (open.length > deepest) return { keys, isDeep: true };
    } else if (found === '"') {
      break; // no string begins behind one that never ends; to look for one would take the square of the length
    } else if (colon !== undefined) {
      const key: string = JSON.parse(found.slice(0, found.length - colon.length));
      const own = open[open.length - 1];
      if (own?.has(key)) return { keys, twice: key, isDeep: false };
      own?.add(key);
      if (open.length === 1) keys.push(key);
    }
  }
  return { keys, isDeep: false };
}
