import { parseArgs } from 'node:util';

// What the example programs share in reading their command lines.

/** A mistake of the user: one line on stderr and exit code 2. */
export class UsageError extends Error {}

export type OptionTable = Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly short?: string }>>;

/** The options that were given, each once, '' for a switch; and the words between them. @throws UsageError */
export function readOptions<Name extends string>(
  args: readonly string[],
  options: OptionTable,
): { values: Map<Name, string>; words: string[] } {
  const config = { args: [...args], options, strict: false, allowPositionals: true, tokens: true } as const;
  const values = new Map<Name, string>();
  const words: string[] = [];
  for (const token of parseArgs(config).tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    if (!Object.hasOwn(options, token.name)) {
      throw new UsageError(`every option must be known: got ${quote(token.rawName)} (try --help)`);
    }
    const name = token.name as Name;
    if (values.has(name)) throw new UsageError(`--${name} must be given once: got it again`);
    values.set(name, requireValue(name, options[name].type, token.value, token.inlineValue === true));
  }
  return { values, words };
}

function requireValue(name: string, type: string, value: string | undefined, inline: boolean): string {
  if (type === 'boolean') {
    if (value === undefined) return '';
    throw new UsageError(`--${name} must have no value: got ${quote(value)}`);
  }
  // Another option after the name means that the value was forgotten; --focus=-x gives one that begins with a dash.
  const forgotten = value === undefined || value === '' || (!inline && /^-\D/.test(value));
  if (!forgotten) return value;
  throw new UsageError(`--${name} must have a value: got ${value ? quote(value) : 'none'} (try --help)`);
}

export function integer(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= low && value <= high) return value;
  throw new UsageError(`${name} must be an integer from ${low} to ${high}: got ${quote(text)}`);
}

/** A decimal number in (low, high]. */
export function decimal(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (/^\d*\.?\d+(e-?\d+)?$/i.test(text) && value > low && value <= high) return value;
  throw new UsageError(`${name} must be a number above ${low} and at most ${high}: got ${quote(text)}`);
}

/** What the user gave, as one line without control characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text).replace(
    /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    '�',
  );
}

/** Text of unknown origin made safe for a terminal: no control characters but line ends and tabs. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '�');
}
