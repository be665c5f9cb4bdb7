import { shapeText } from '../core/errors.js';
import { isParameter } from '../matrix/parameter.js';
import { objectsIn, objectsOf } from './containers.js';

// A module as a tree of its parts, for console.log: of many equal layers it shows one.

interface Part {
  /** Of the field, of the key, or the place in a list. */
  readonly name: string;
  /** What stands behind the name: a class and its number of parameters, or a shape; empty for a list. */
  readonly title: string;
  readonly lines: readonly string[];
}

/** Deeper parts are not drawn: a line would be more indentation than text. */
const DEEPEST = 10;

/**
 * `CausalLM: 12 345 parameters`, below it, indented, every part: parameters with their shapes, modules with their own
 * parts. Equal neighbors in a list are drawn once, with their count.
 *
 * @param isModule  tells modules from other objects
 */
export function treeOf(root: object, isModule: (value: unknown) => boolean): string {
  const inner = (holder: object) => (isModule(holder) ? objectsOf(holder) : objectsIn(holder));
  const drawn = new Set<object>([root]);

  const titleOf = (module: object) => {
    const entries = entriesOf(module, inner);
    return entries === 0 ? module.constructor.name : `${module.constructor.name}: ${counted(entries)}`;
  };

  const partsOf = (holder: object, depth: number): Part[] => {
    const parts: Part[] = [];
    for (const [name, value] of depth > DEEPEST ? [] : inner(holder)) {
      const isPart = isParameter(value) || isModule(value);
      if (drawn.has(value)) {
        if (isPart)
          parts.push({
            name,
            title: `${isParameter(value) ? shapeText(value) : value.constructor.name}, shared`,
            lines: [],
          });
        continue;
      }
      drawn.add(value);
      if (isParameter(value)) parts.push({ name, title: shapeText(value), lines: [] });
      else {
        const lines = linesOf(partsOf(value, depth + 1));
        if (isPart || lines.length > 0) parts.push({ name, title: isPart ? titleOf(value) : '', lines });
      }
    }
    return parts;
  };
  return [titleOf(root), ...linesOf(partsOf(root, 1))].join('\n');
}

/** Entries of all parameters below, each counted once. Loops, so that no depth is too deep. */
function entriesOf(root: object, inner: (holder: object) => (readonly [string, object])[]): number {
  const seen = new Set<object>([root]);
  let entries = 0;
  for (const holder of seen) {
    if (isParameter(holder)) entries += holder.rows * holder.cols;
    else for (const [, value] of inner(holder)) seen.add(value); // a Set goes on with what joins it
  }
  return entries;
}

/** `1 parameter`, `12 345 parameters`. */
function counted(parameters: number): string {
  const digits = String(parameters).replace(/\B(?=(\d{3})+$)/g, ' ');
  return `${digits} parameter${parameters === 1 ? '' : 's'}`;
}

function linesOf(parts: readonly Part[]): string[] {
  const lines: string[] = [];
  const looks = parts.map(({ title, lines: below }) => [title, ...below].join('\n'));
  for (let start = 0; start < parts.length; ) {
    const { name, title, lines: below } = parts[start];
    let end = start + 1;
    while (end < parts.length && isPlace(name) && isPlace(parts[end].name) && looks[end] === looks[start]) end++;
    const count = end - start;
    const names = count === 1 ? name : `${name} … ${parts[end - 1].name}`;
    const what = title === '' ? [] : [`${count === 1 ? '' : `${count} × `}${title}`];
    lines.push(`  ${[names, ...what].join(': ')}`, ...below.map((line) => `  ${line}`));
    start = end;
  }
  return lines;
}

function isPlace(name: string): boolean {
  return /^\d+$/.test(name);
}
