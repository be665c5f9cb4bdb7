// What JSON.parse cannot tell: the order of an object's keys in the text (it puts those that look like integers first), and
// whether a key comes twice.

export interface JsonKeys {
  /** The keys of the outermost object, in the order of the text. */
  readonly keys: readonly string[];
  /** The first key that comes twice in any one object. Reading stops there. */
  readonly duplicate?: string;
  /** Whether objects and lists are nested more than `maxDepth` deep. Reading stops there, too. */
  readonly isDeep: boolean;
}

/**
 * The keys of JSON, in time and memory linear in its length.
 *
 * @param text  JSON, or what claims to be
 * @param maxDepth  the most levels of objects and lists that are read
 * @throws SyntaxError  if a key is not a JSON string; other syntax errors go unnoticed
 */
export function jsonKeys(text: string, maxDepth: number): JsonKeys {
  const keys: string[] = [];
  // For every object that is still open the set of its keys, for a list undefined.
  const open: (Set<string> | undefined)[] = [];
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|["{}[\]]/g;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [lexeme, colon] = match;
    if (lexeme === '}' || lexeme === ']') open.pop();
    else if (lexeme === '{' || lexeme === '[') {
      open.push(lexeme === '{' ? new Set() : undefined);
      if (open.length > maxDepth) return { keys, isDeep: true };
    } else if (lexeme === '"') {
      break; // an unterminated string: nothing after it counts, and searching on would take quadratic time
    } else if (colon !== undefined) {
      const key: string = JSON.parse(lexeme.slice(0, lexeme.length - colon.length));
      const innermost = open[open.length - 1];
      if (innermost?.has(key)) return { keys, duplicate: key, isDeep: false };
      innermost?.add(key);
      if (open.length === 1) keys.push(key);
    }
  }
  return { keys, isDeep: false };
}
