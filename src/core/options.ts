import { brandOf } from './brands.js';
import { describe, kindError } from './errors.js';
import type { Names } from './names-elsewhere.js';

/** What helps somebody whose options are not understood here. */
export interface OptionsGuide {
  /** There must be options. */
  readonly isRequired?: boolean;
  /** How a call with options is written, and where what is not one belongs. */
  readonly form?: string;
  /** The names of other libraries: see names-elsewhere.ts. */
  readonly elsewhere?: readonly Names[];
  /** Where else the same thing takes options, and which: [place, names]. */
  readonly places?: readonly (readonly [place: string, names: readonly string[]])[];
}

const NO_GUIDE: OptionsGuide = {};

/**
 * Every option must be known: a misspelled name that is silently ignored costs its user days. A name whose value is
 * undefined counts as absent.
 */
export function requireOptions(
  where: string,
  options: unknown,
  allowed: readonly string[],
  guide: OptionsGuide = NO_GUIDE,
): void {
  if (options === undefined && guide.isRequired !== true) return;
  // By tag: a Map, a Date or an ArrayBuffer has no keys of its own and would pass for an empty object.
  if (Object.prototype.toString.call(options) !== '[object Object]' || brandOf(options, 'Matrix') !== undefined) {
    const hint = guide.form && `write ${guide.form}`;
    throw kindError(where, 'options must be an object', `got ${describe(options)}`, hint);
  }
  for (const key of Object.keys(options as object)) {
    if (allowed.includes(key) || (options as Record<string, unknown>)[key] === undefined) continue;
    throw kindError(
      where,
      'every option must be known',
      `unknown option ${describe(key)}`,
      hintFor(key, allowed, guide),
    );
  }
}

/** What somebody who wrote this name is told: the name here, where it belongs, or what there is. */
export function hintFor(
  key: string,
  allowed: readonly string[],
  { elsewhere = [], places = [] }: OptionsGuide,
): string {
  const plain = plainName(key);
  const same = allowed.find((name) => plainName(name) === plain);
  const translated = same ?? elsewhere.find((names) => Object.hasOwn(names, plain))?.[plain];
  if (translated?.includes(' ')) return translated;
  if (translated !== undefined && allowed.includes(translated)) return `did you mean ${translated}?`;
  const known = translated ?? key;
  const place = places.find(([, names]) => names.includes(known))?.[0];
  if (place !== undefined) return `${known} is an option of ${place}`;
  const likeliest = nearest(key, allowed);
  return likeliest === undefined ? `known: ${allowed.join(', ')}` : `did you mean ${likeliest}?`;
}

/** `num_heads`, `numheads` and `NumHeads` are numHeads. */
function plainName(name: string): string {
  return name.toLowerCase().replaceAll('_', '');
}

/** The allowed name nearest to the key: it differs in at most one letter of three, or in its ending. */
function nearest(key: string, allowed: readonly string[]): string | undefined {
  let best = allowed.find((name) => key.length > 2 && (name.startsWith(key) || key.startsWith(name)));
  let bestDistance = Math.floor(key.length / 3) + 1;
  for (const name of allowed) {
    const distance = editDistance(key, name);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
